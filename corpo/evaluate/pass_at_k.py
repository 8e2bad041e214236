"""The unbiased estimator of pass@k of Chen et al. (arXiv 2107.03374): 1 - C(n - c, k) / C(n, k)."""

from __future__ import annotations

import math


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the probability that at least one of k rollouts is correct.

    The k rollouts are drawn without replacement from n rollouts, of which c are correct. Raises ValueError if
    k > n, for which common implementations return 1.0, if c > n, or if a number is out of range.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} rollouts (and k >= 1), got n={n}")
    if not 0 <= c <= n:
        raise ValueError(f"{c} correct rollouts of {n} is impossible")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)
