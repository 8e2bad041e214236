"""Grouped sampling behind one small interface."""

from corpo.rollout.engine import RolloutEngine, Rollouts

__all__ = ["RolloutEngine", "Rollouts"]
