"""The stages of an experiment, their inputs, and how they run."""
