"""Build labelled pairs: problems, candidates, execution in a sandbox, pairing, splits."""
