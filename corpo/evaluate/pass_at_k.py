"""The unbiased pass@k of Chen et al. (arXiv 2107.03374): 1 - C(n - c, k) / C(n, k)."""

from __future__ import annotations

import math


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that at least one of k rollouts, drawn without replacement from n of which c are correct, is correct.

    Raises ValueError when k > n (where the usual code silently answers 1.0), when c > n, or when a number is out of range.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} rollouts (and k >= 1), got n={n}")
    if not 0 <= c <= n:
        raise ValueError(f"{c} correct rollouts of {n} is impossible")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)
