"""Grouped sampling behind one small interface."""

from corpo.rollout.engine import RolloutEngine, Rollouts
from corpo.utils.errors import EngineError

__all__ = ["EngineError", "RolloutEngine", "Rollouts"]
