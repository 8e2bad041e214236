"""Measures that separate policies that verify candidates from policies that repeat a habit.

Accuracy cannot separate them: a policy that always calls exactly one candidate correct is right about half of
the mixed pairs, which have exactly one correct candidate. The AUC of the scores of one candidate can.

Shape letters beside those of CONTRIBUTING.md: B draws of the bootstrap, after the estimate itself; C problems
as clusters; U distinct scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from corpo.analysis.study import BASE, Study
from corpo.data.pipelines.splits import LONG_PREFIX
from corpo.evaluate.intervals import Interval
from corpo.task import CUT
from corpo.utils.auc import auc
from corpo.utils.files import write_text

DRAWS = 500
# The parts of data=pipelines. Other data have one part per prefix of their splits, such as "code".
PARTS = ("code, seen", "code, unseen", "code, long", "math, seen", "math, unseen")
INTERVALS = ("auc", "auc_a", "auc_b", "auc_mean")  # columns that also have NAME_low and NAME_high
# Every column of the table beside `policy` and `part`, with its meaning.
COLUMNS: Mapping[str, str] = {
    "prompts": "number of prompts",
    "auc": "mean of the AUC of A and of B",
    "auc_a": "probability that a correct candidate A gets a higher score than a wrong one, from single "
    "rollouts; 0.5 is chance",
    "auc_b": "the same for candidate B",
    "auc_mean": "the same for the mean score of a prompt's rollouts, A and B together",
    "auc_a_mixed": "AUC of A on pairs with exactly one correct candidate",
    "auc_b_mixed": "AUC of B on pairs with exactly one correct candidate",
    "auc_a_homogeneous": "AUC of A on pairs whose candidates are both correct or both wrong",
    "auc_b_homogeneous": "AUC of B on pairs whose candidates are both correct or both wrong",
    "sensitivity": "share of correct candidates that are called correct",
    "specificity": "share of wrong candidates that are called wrong",
    "pass@1_mixed": "share of rollouts that are right about both candidates, on pairs with exactly one "
    "correct candidate",
    "pass@1_both_correct": "the same on pairs of two correct candidates",
    "pass@1_both_wrong": "the same on pairs of two wrong candidates",
    "exactly_one": "share of verdicts that call exactly one candidate correct",
    "exactly_one_homogeneous": "share of verdicts that call exactly one candidate correct, on pairs whose "
    "candidates are both correct or both wrong, where this is never right",
    "accuracy_given_one": "share of right verdicts among those that call exactly one candidate correct, on "
    "pairs with exactly one correct candidate",
    "effect_of_b": "how much more often B is called correct if it is correct than if it is wrong, given the "
    "call on A: the mean over the calls on A",
    "traced": "share of traces that are right from beginning to end",
    "follows": "share of traces whose word follows from the trace and whose score is on the side of the word",
    "unparseable": "share of rollouts without a verdict",
}
_NEEDED = {"family", "score_a", "score_b", "label_a", "label_b", "parsed"}
_PIPELINES_FAMILY = re.compile(r"(?:code|math)_(seen|unseen)_\d+")

Measures = dict[str, float | np.ndarray]  # AUC (B,) and single numbers, by column


def can_be_measured(study: Study) -> bool:
    """Return whether the records have the scores of each rollout."""
    return set(study.base.columns) >= _NEEDED


@cache  # the pages and a figure of a study need it, and it takes seconds
def skill_table(study: Study) -> pd.DataFrame:
    """Return one row per part and policy: the floors, the base, and each baseline, with means over seeds.

    `COLUMNS` describes the columns. All columns except pass@1, `traced`, `follows` and `unparseable` are
    computed from rollouts with a verdict. Intervals of 95% come from a bootstrap over problems with the same
    draws for all policies. They cover new problems of the same kind, but not other seeds. A value is NaN if
    it is not defined for the part, and a mean is over the seeds for which it is defined.
    """
    by_part: dict[str, list[dict[str, object]]] = {}
    for policy, tables in _tables(study).items():
        seeds = [_by_part(table) for table in tables]
        for part in seeds[0]:
            measures = _mean([_measures(rollouts[part]) for rollouts in seeds])
            by_part.setdefault(part, []).append({"policy": policy, "part": part, **_with_intervals(measures)})
    rows = []
    for part in sorted(by_part, key=_order):
        rows += by_part[part]
    return pd.DataFrame(rows)


def auc_on(tables: Sequence[pd.DataFrame], splits: Sequence[str]) -> Interval:
    """Return the AUC of single responses on some splits: the mean of A and B, and over policies.

    `tables` has the rollouts of each policy. The 95% interval is a bootstrap over problems, with the same
    draws for all policies. It is NaN if all candidates have the same label.
    """
    draws = []
    for table in tables:
        rollouts = _as_arrays(table[table["split"].isin(splits)])
        aucs_a, aucs_b, _ = _bootstrapped_aucs(rollouts)
        draws.append((aucs_a + aucs_b) / 2)
    measures = _with_intervals({"auc": np.mean(draws, axis=0)})
    return Interval(measures["auc"], measures["auc_low"], measures["auc_high"])


def write_skill(study: Study, folder: Path) -> None:
    """Write `skill.csv` if the records of the study have scores."""
    if can_be_measured(study):
        write_text(folder / "skill.csv", skill_table(study).round(4).to_csv(index=False))


def _tables(study: Study) -> dict[str, list[pd.DataFrame]]:
    """Return the rollouts of each policy, one table per seed."""
    tables = {name: [rollouts] for name, rollouts in study.floors.items()}
    tables[BASE] = list(study.bases.values())
    for baseline in study.baselines:
        tables[baseline] = [run.rollouts for run in study.of(baseline)]
    return tables


@dataclass(frozen=True)
class _Rollouts:
    """Rollouts of one policy as arrays, which are much faster than tables here.

    In arrays of two columns, the first is of A and the second of B.
    """

    prompt_N: np.ndarray
    problem_N: np.ndarray
    scores_N2: np.ndarray
    labels_N2: np.ndarray
    parsed_N: np.ndarray
    correct_N: np.ndarray
    traced_N: np.ndarray
    follows_N: np.ndarray

    def where(self, mask_N: np.ndarray) -> _Rollouts:
        """Return the rollouts for which the mask is true."""
        return _Rollouts(*(getattr(self, array.name)[mask_N] for array in fields(self)))

    @property
    def calls_N2(self) -> np.ndarray:
        """Return whether A and B are called correct."""
        return self.scores_N2 > CUT

    @property
    def is_mixed_N(self) -> np.ndarray:
        """Return whether exactly one candidate is correct; otherwise both have the same label."""
        return np.asarray(self.labels_N2[:, 0] != self.labels_N2[:, 1])


def _by_part(table: pd.DataFrame) -> dict[str, _Rollouts]:
    """Return the rollouts of each part, in the order of the table."""
    rollouts = _as_arrays(table)
    _, first_P = np.unique(rollouts.prompt_N, return_index=True)  # the first rollout of each prompt
    part_P, parts = pd.factorize(np.array(_parts(table.iloc[first_P])))
    part_N = part_P[rollouts.prompt_N]
    return {str(part): rollouts.where(part_N == index) for index, part in enumerate(parts)}


def _as_arrays(table: pd.DataFrame) -> _Rollouts:
    prompt_N, _ = pd.factorize(table["prompt_id"])
    problem_N, _ = pd.factorize(table["problem_id"], sort=True)
    unknown = np.full(len(table), np.nan)
    return _Rollouts(
        prompt_N=prompt_N,
        problem_N=problem_N,
        scores_N2=table[["score_a", "score_b"]].to_numpy(dtype=float),
        labels_N2=table[["label_a", "label_b"]].to_numpy(dtype=bool),
        parsed_N=table["parsed"].to_numpy(dtype=bool),
        correct_N=table["correct"].to_numpy(dtype=bool),
        traced_N=np.asarray(table.get("traced", unknown), dtype=float),  # older records have no traces
        follows_N=np.asarray(table.get("follows", unknown), dtype=float),
    )


def _parts(prompts: pd.DataFrame) -> list[str]:
    columns = (prompts["split"], prompts["kind"], prompts["family"])
    return [_part(str(split), str(kind), str(family)) for split, kind, family in zip(*columns, strict=True)]


def _part(split: str, kind: str, family: str) -> str:
    """Return the part that a prompt counts for, such as "code, unseen"."""
    prefix = split.removesuffix(f"_{kind}")
    if prefix == LONG_PREFIX:
        return "code, long"
    if match := _PIPELINES_FAMILY.fullmatch(family):
        return f"{prefix}, {match[1]}"
    return prefix.replace("_", " ")


def _order(part: str) -> int:
    """Return the place of a part; parts of other data keep their order."""
    return PARTS.index(part) if part in PARTS else len(PARTS)


def _mean(measures: Sequence[Measures]) -> Measures:
    """Return the mean of each measure over the seeds in which it is not NaN."""
    means: Measures = {}
    for name in measures[0]:
        seeds_K = np.stack([values[name] for values in measures])
        counts = (~np.isnan(seeds_K)).sum(axis=0)
        sums = np.nansum(seeds_K, axis=0)
        means[name] = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)
    return means


def _with_intervals(measures: Measures) -> dict[str, float]:
    columns: dict[str, float] = {}
    for name, values in measures.items():
        if name not in INTERVALS:
            columns[name] = float(values)
            continue
        estimate, draws = np.ravel(values)[0], np.ravel(values)[1:]
        defined = draws[~np.isnan(draws)]
        low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
        columns |= {name: float(estimate), f"{name}_low": float(low), f"{name}_high": float(high)}
    return columns


def _measures(rollouts: _Rollouts) -> Measures:
    """Return the measures of one part and one seed, in the order of `COLUMNS`."""
    parsed = rollouts.where(rollouts.parsed_N)
    aucs_a, aucs_b, aucs_mean = _bootstrapped_aucs(rollouts)
    mixed, homogeneous = parsed.where(parsed.is_mixed_N), parsed.where(~parsed.is_mixed_N)
    is_exactly_one_N = _calls_exactly_one(mixed)
    both_correct_N = rollouts.labels_N2.all(axis=1)
    both_wrong_N = ~rollouts.labels_N2.any(axis=1)
    return {
        "prompts": len(np.unique(rollouts.prompt_N)),
        "auc": (aucs_a + aucs_b) / 2,
        "auc_a": aucs_a,
        "auc_b": aucs_b,
        "auc_mean": aucs_mean,
        "auc_a_mixed": auc(mixed.scores_N2[:, 0], mixed.labels_N2[:, 0]),
        "auc_b_mixed": auc(mixed.scores_N2[:, 1], mixed.labels_N2[:, 1]),
        "auc_a_homogeneous": auc(homogeneous.scores_N2[:, 0], homogeneous.labels_N2[:, 0]),
        "auc_b_homogeneous": auc(homogeneous.scores_N2[:, 1], homogeneous.labels_N2[:, 1]),
        "sensitivity": _share(parsed.calls_N2[parsed.labels_N2]),
        "specificity": _share(parsed.scores_N2[~parsed.labels_N2] < CUT),
        "pass@1_mixed": _share(rollouts.correct_N[rollouts.is_mixed_N]),
        "pass@1_both_correct": _share(rollouts.correct_N[both_correct_N]),
        "pass@1_both_wrong": _share(rollouts.correct_N[both_wrong_N]),
        "exactly_one": _share(_calls_exactly_one(parsed)),
        "exactly_one_homogeneous": _share(_calls_exactly_one(homogeneous)),
        "accuracy_given_one": _share(mixed.correct_N[is_exactly_one_N]),
        "effect_of_b": _effect_of_b(parsed),
        "traced": _share(rollouts.traced_N),
        "follows": _share(rollouts.follows_N),
        "unparseable": _share(~rollouts.parsed_N),
    }


def _share(values_N: np.ndarray) -> float:
    """Return the mean of values, such as the share of true ones; NaN if there are none."""
    return float(values_N.mean()) if len(values_N) else float("nan")


def _calls_exactly_one(rollouts: _Rollouts) -> np.ndarray:
    """Return whether each verdict calls exactly one candidate correct, (N,)."""
    return np.asarray(rollouts.calls_N2[:, 0] != rollouts.calls_N2[:, 1])


def _effect_of_b(parsed: _Rollouts) -> float:
    """Return how much the label of B changes the call on B, given the call on A.

    It is the mean over the two calls on A; one is left out if B is always correct, or always wrong, with it.
    """
    effects = []
    for call_a in (False, True):
        given = parsed.where(parsed.calls_N2[:, 0] == call_a)
        calls_N, labels_N = given.calls_N2[:, 1], given.labels_N2[:, 1]
        effect = _share(calls_N[labels_N]) - _share(calls_N[~labels_N])
        if not np.isnan(effect):
            effects.append(effect)
    return _share(np.array(effects))


def _bootstrapped_aucs(rollouts: _Rollouts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the AUC of A, of B, and of the mean scores of prompts, each with its draws, (B,)."""
    parsed = rollouts.where(rollouts.parsed_N)
    # All problems are drawn, also those without a verdict, so that all policies have the same draws.
    problems, problem_N = np.unique(rollouts.problem_N, return_inverse=True)
    weights_BC = _draw_weights(len(problems))
    problem_N = problem_N[rollouts.parsed_N]
    aucs = [
        _weighted_auc(parsed.scores_N2[:, side], parsed.labels_N2[:, side], problem_N, weights_BC)
        for side in (0, 1)
    ]
    _, first_P, prompt_N = np.unique(parsed.prompt_N, return_index=True, return_inverse=True)
    counts_P = np.bincount(prompt_N)
    means = [np.bincount(prompt_N, weights=parsed.scores_N2[:, side]) / counts_P for side in (0, 1)]
    labels_P2, problem_P = parsed.labels_N2[first_P], problem_N[first_P]
    auc_mean = _weighted_auc(
        np.concatenate(means), labels_P2.T.ravel(), np.concatenate([problem_P, problem_P]), weights_BC
    )
    return aucs[0], aucs[1], auc_mean


def _draw_weights(num_problems: int) -> np.ndarray:
    """Return how often each draw of the bootstrap takes each problem, (B, C).

    The first row takes each problem once, so it gives the estimate itself.
    """
    drawn = np.random.default_rng(0).multinomial(
        num_problems, np.full(num_problems, 1 / num_problems), size=DRAWS
    )
    return np.concatenate([np.ones((1, num_problems)), drawn])


def _weighted_auc(
    scores_N: np.ndarray, labels_N: np.ndarray, problem_N: np.ndarray, weights_BC: np.ndarray
) -> np.ndarray:
    """Return the AUC of each draw, which takes all candidates of a problem as often as its weight says."""
    values_U, score_N = np.unique(scores_N, return_inverse=True)
    shape = (weights_BC.shape[1], len(values_U))
    cell_N = problem_N * shape[1] + score_N
    labels_N = labels_N.astype(bool)
    correct_CU = np.bincount(cell_N[labels_N], minlength=shape[0] * shape[1]).reshape(shape)
    wrong_CU = np.bincount(cell_N[~labels_N], minlength=shape[0] * shape[1]).reshape(shape)
    correct_BU, wrong_BU = weights_BC @ correct_CU, weights_BC @ wrong_CU
    lower_BU = np.cumsum(wrong_BU, axis=1) - wrong_BU / 2  # wrong candidates with a lower score; ties half
    num_pairs_B = correct_BU.sum(axis=1) * wrong_BU.sum(axis=1)
    num_ordered_B = (correct_BU * lower_BU).sum(axis=1)
    return np.divide(num_ordered_B, num_pairs_B, out=np.full(len(weights_BC), np.nan), where=num_pairs_B > 0)
