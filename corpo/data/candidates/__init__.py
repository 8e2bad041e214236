"""Candidate programs: extraction from text, normal form, mutation."""
