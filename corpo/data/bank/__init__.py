"""The embedded problem families and the selection of families for an experiment."""
