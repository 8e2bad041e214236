"""Measurements of speed. Each module writes its own page below results/."""
