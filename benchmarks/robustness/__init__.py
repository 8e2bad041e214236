"""Robustness measurements. The cases that tests also run live in tests/."""
