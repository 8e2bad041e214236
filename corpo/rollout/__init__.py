"""Grouped sampling behind one small interface."""

from corpo.rollout.engine import EngineError, RolloutEngine, Rollouts

__all__ = ["EngineError", "RolloutEngine", "Rollouts"]
