"""Say how baselines are written in figures, tables and pages."""

from __future__ import annotations

PAPER_BASELINES = ("grpo", "static", "corpo")
NAMES = {
    "base": "base",
    "grpo": "GRPO",
    "static": "static",
    "corpo": "CoRPO",
    "corpo_loo": "CoRPO-LOO",
    "rloo": "RLOO",
    "reinforce_plus_plus_baseline": "REINFORCE++",
    "opo": "OPO",
    "quantile": "QAE",
    "ngrpo": "NGRPO",
    "maxrl": "MaxRL",
    "positive_only": "positive only",
    "negative_only": "negative only",
    "weighted": "weighted",
    "pass_at_k": "pass@k",
}


def label_of(name: str) -> str:
    """Return the name of a baseline, or of "base", as readers see it."""
    return NAMES.get(name, name)
