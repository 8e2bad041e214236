"""The `corpo` command line."""
