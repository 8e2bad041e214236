"""Where the repository is, and what was typed."""

from __future__ import annotations

import shlex
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

ROOT = Path(__file__).resolve().parent.parent.parent
CONF = str(ROOT / "conf")


def command(module: str) -> str:
    """What to type to run an entry point with the options of now."""
    return shlex.join(["python", "-m", module, *HydraConfig.get().overrides.task])
