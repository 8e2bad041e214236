"""A baseline of your own: the median of the group, clipped from below at R_min_correct.

Put this file into the current folder or into a folder of PYTHONPATH, and import it with `plugins`:

    PYTHONPATH=examples corpo train 'plugins=[own_baseline]' baseline.name=median experiment=tiny
"""

from torch import Tensor

from corpo.baselines import register_baseline, zero_rounding_error


@register_baseline("median")
def median(rewards_PG: Tensor, threshold: float, share: float = 0.5) -> Tensor:
    """Subtract the `share`-quantile of the group, clipped from below at R_min_correct.

    The rewards arrive in float64. A further parameter such as `share` is an option:
    +baseline.options.share=0.75. A parameter named lengths_PG would receive the number of tokens of each
    rollout.
    """
    baseline_P1 = rewards_PG.quantile(share, dim=1, keepdim=True).clamp(min=threshold)
    return zero_rounding_error(rewards_PG - baseline_P1, rewards_PG)
