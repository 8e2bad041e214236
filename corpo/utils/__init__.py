"""Files, progress bars, signals and errors, used by every other package."""
