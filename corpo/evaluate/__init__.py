"""Evaluation of a policy: rollouts, pass@k, calibration, floors and intervals."""
