"""Numbers about finished studies: comparisons, claims, theory. No figures are drawn here."""
