"""Tests run on one torch thread: small tensors, and results that do not depend on the machine's core count."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
