"""Suites of hostile programs, malformed inputs and kills."""
