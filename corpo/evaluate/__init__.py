"""Measuring a policy: pass@k, calibration, floors and intervals."""
