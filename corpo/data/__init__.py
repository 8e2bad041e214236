"""Where pairs come from: problem families, mutants, execution in a sandbox, pairing and splits."""
