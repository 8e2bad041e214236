"""Comparisons at equal gain: accuracy out of domain of two baselines at the same accuracy in domain.

A baseline that learns faster moves further from the base, so it may lose or gain more out of domain for this
reason alone. The validations of a run give a curve of accuracy out of domain against accuracy in domain. The
curves of two baselines are compared at one accuracy in domain that both reach.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from corpo.analysis.runs import has_metrics
from corpo.analysis.study import Study
from corpo.evaluate.intervals import Estimate, over_seeds

IN_DOMAIN_METRIC = "validation/pass@1"
# Weights as in the mean of the four evaluation splits, of which two are word problems.
OUT_OF_DOMAIN_WEIGHTS = {
    "validation/pass@1/both_wrong": 0.25,
    "validation/pass@1/both_correct": 0.25,
    "validation/pass@1/math": 0.5,
}


def difference_at_equal_gain(study: Study, first: str, second: str) -> Estimate | None:
    """Estimate accuracy out of domain of one baseline minus that of another, at equal accuracy in domain.

    Seeds are compared one by one, at the lower of the two highest accuracies in domain. The estimate covers
    new seeds, and not new validation problems. The result is None if the validations lack a kind of pair.
    """
    if not has_metrics(study, [IN_DOMAIN_METRIC, *OUT_OF_DOMAIN_WEIGHTS]):
        return None
    differences = []
    for runs in zip(study.of(first), study.of(second), strict=True):
        curves = [gain_curve(run.metrics) for run in runs]
        in_domain = min(curve[0][-1] for curve in curves)
        out_of_domain = [float(np.interp(in_domain, *curve)) for curve in curves]
        differences.append(out_of_domain[0] - out_of_domain[1])
    return over_seeds(differences, study.groups)


def gain_curve(metrics: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy in domain, strictly increasing, and accuracy out of domain at it, from validations.

    A single validation is noisy, so accuracy in domain is replaced by the closest curve that never falls
    (isotonic regression). Validations at which this curve stays equal are averaged.
    """
    columns = [IN_DOMAIN_METRIC, *OUT_OF_DOMAIN_WEIGHTS]
    validations = metrics[columns].dropna()
    out_of_domain = validations[list(OUT_OF_DOMAIN_WEIGHTS)] @ pd.Series(OUT_OF_DOMAIN_WEIGHTS)
    fit = isotonic_regression(validations[IN_DOMAIN_METRIC].to_numpy(dtype=float))
    starts, ends = fit.blocks[:-1], fit.blocks[1:]
    means = np.add.reduceat(out_of_domain.to_numpy(dtype=float), starts) / (ends - starts)
    return fit.x[starts], means
