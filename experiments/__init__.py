"""One Hydra entry point a stage, and the pipeline that `make reproduce` runs."""
