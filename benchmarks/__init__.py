"""Measurements of speed and robustness that go beyond the tests."""

from corpo.utils.openmp import bound_spin

bound_spin()  # before a benchmark loads torch
