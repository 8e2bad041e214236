"""Measurements of speed and robustness that go beyond the tests."""
