"""Collect candidates: extract programs from chat answers, mutate correct solutions, recognise duplicates."""
