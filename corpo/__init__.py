"""Correctness Relative Policy Optimization (arXiv 2511.04439), replicated.

The names below load the module that defines them on first use. They need torch and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers, which cannot follow __getattr__
    from corpo.baselines import advantage_stats, advantages, group_advantages, register_baseline, reward_gap
    from corpo.evaluate.pass_at_k import pass_at_k
    from corpo.task.reward import register_reward
    from corpo.utils.errors import CorpoError

    __version__: str

__all__ = [
    "CorpoError",
    "__version__",
    "advantage_stats",
    "advantages",
    "group_advantages",
    "pass_at_k",
    "register_baseline",
    "register_reward",
    "reward_gap",
]

_MODULES = {
    "CorpoError": "corpo.utils.errors",
    "advantage_stats": "corpo.baselines",
    "advantages": "corpo.baselines",
    "group_advantages": "corpo.baselines",
    "pass_at_k": "corpo.evaluate.pass_at_k",
    "register_baseline": "corpo.baselines",
    "register_reward": "corpo.task.reward",
    "reward_gap": "corpo.baselines",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("corpo-rl")
    except PackageNotFoundError:
        return "0+unknown"  # a checkout that is on sys.path but not installed
