"""Hydra entry points, one per job, for `python -m` and `torchrun -m` in a checkout."""
