"""Bound the time for which idle OpenMP threads spin, so that a busy machine does not bring a run to a halt.

The builds of torch for Linux use GNU's OpenMP. Its idle threads wait actively for the next parallel region:
they go 300,000 times through a waiting loop before they sleep. If another process needs the core, a spinning
thread keeps it from the thread that has work. With one busy neighbour a training step took tens of seconds
instead of two. Threads that sleep at once cure this, but waking them costs a quarter of the speed of an idle
machine. `SPIN_COUNT` is a compromise; `python -m benchmarks.speed.spin` measures others.

The order of computations does not depend on how threads wait, so results are the same to the last bit.
"""

from __future__ import annotations

import os

SPIN_COUNT = 5000  # rounds of the waiting loop
_OWN_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def bound_spin() -> None:
    """Bound the spin of OpenMP threads, unless the environment says how they wait.

    It has an effect only before torch, or another library with OpenMP, is loaded.
    """
    if not any(name in os.environ for name in _OWN_SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
