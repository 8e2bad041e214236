"""The unbiased pass@k of Chen et al. (arXiv 2107.03374): 1 - C(n - c, k) / C(n, k)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that at least one of k rollouts, drawn without replacement from n of which c are correct, is correct.

    Raises ValueError when k > n (where the usual code silently answers 1.0), when c > n, or when a number is out of range.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} rollouts (and k >= 1), got n={n}")
    if not 0 <= c <= n:
        raise ValueError(f"{c} correct rollouts of {n} is impossible")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def pass_at_k_array(n: int, c_array: Sequence[int] | np.ndarray, k: int) -> np.ndarray:
    """`pass_at_k` of every count in `c_array` (any shape), by a table of the n + 1 possible counts. Raises as `pass_at_k` does."""
    c_array = np.asarray(c_array, dtype=int)
    for c in (c_array.min(initial=0), c_array.max(initial=0)):
        pass_at_k(n, int(c), k)
    return np.array([pass_at_k(n, c, k) for c in range(n + 1)])[c_array]
