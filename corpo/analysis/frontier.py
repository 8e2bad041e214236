"""Comparisons at equal gain: accuracy out of domain of two baselines at the same accuracy in domain.

A baseline that learns faster moves further from the base, so it may lose or gain more out of domain for this
reason alone. The validations of a run give a curve of accuracy out of domain against accuracy in domain. The
curves of two baselines are compared at one accuracy in domain that both reach.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from corpo.analysis.runs import VALIDATION_ACCURACY, has_metrics, validation_names
from corpo.analysis.study import Study
from corpo.evaluate.intervals import Estimate, over_seeds

# The weights of pairs are as in the mean of the four evaluation splits, of which two are word problems.
_WEIGHTS_OF_PAIRS = {
    "validation/pass@1/both_wrong": 0.25,
    "validation/pass@1/both_correct": 0.25,
    "validation/pass@1/math": 0.5,
}


def out_of_domain_weights(study: Study) -> dict[str, float]:
    """Return the metrics of validation out of domain and their weights in a mean; empty if there are none.

    For questions, `validation/pass@1/NAME` is out of domain if an evaluation split out of domain is called
    NAME or NAME_SUFFIX, such as math_unseen. These metrics have equal weights.
    """
    if study.has_pairs:
        return _WEIGHTS_OF_PAIRS
    metrics = []
    for name in validation_names(study):
        if any(f"{split}_".startswith(f"{name}_") for split in study.out_of_domain):
            metrics.append(f"{VALIDATION_ACCURACY}/{name}")
    return dict.fromkeys(metrics, 1 / max(1, len(metrics)))


def difference_at_equal_gain(study: Study, first: str, second: str) -> Estimate | None:
    """Estimate accuracy out of domain of one baseline minus that of another, at equal accuracy in domain.

    Seeds are compared one by one, at the lower of the two highest accuracies in domain. The estimate covers
    new seeds, and not new validation problems. The result is None if the validations do not measure both.
    """
    weights = out_of_domain_weights(study)
    if not weights or not has_metrics(study, [VALIDATION_ACCURACY, *weights]):
        return None
    differences = []
    for runs in zip(study.of(first), study.of(second), strict=True):
        curves = [gain_curve(run.metrics, weights) for run in runs]
        in_domain = min(curve[0][-1] for curve in curves)
        out_of_domain = [float(np.interp(in_domain, *curve)) for curve in curves]
        differences.append(out_of_domain[0] - out_of_domain[1])
    return over_seeds(differences, study.groups)


def gain_curve(metrics: pd.DataFrame, weights: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy in domain, strictly increasing, and accuracy out of domain at it, from validations.

    Accuracy out of domain is the weighted mean of the metrics in `weights`.
    A single validation is noisy, so accuracy in domain is replaced by the closest curve that never falls
    (isotonic regression). Validations at which this curve stays equal are averaged.
    """
    validations = metrics[[VALIDATION_ACCURACY, *weights]].dropna()
    out_of_domain = validations[list(weights)] @ pd.Series(weights)
    fit = isotonic_regression(validations[VALIDATION_ACCURACY].to_numpy(dtype=float))
    starts, ends = fit.blocks[:-1], fit.blocks[1:]
    means = np.add.reduceat(out_of_domain.to_numpy(dtype=float), starts) / (ends - starts)
    return fit.x[starts], means
