"""Draw pairs of candidates and assign them to splits."""
