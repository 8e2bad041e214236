"""The paper's claims as tests that are fixed before a study is run, and what a study says to each.

A test names a quantity that is positive where the claim is right, and the smallest effect of interest. Its interval is as wide as the number of
tests in its family asks for (Bonferroni), and covers new seeds, and new problems where it is about problems of an evaluation split. It *holds* where the
estimate reaches the effect of interest and the interval is above zero; *does not hold* where the whole interval is below the effect of interest; else it
is *undecided*, and the least effect that the study would have found tells how far from deciding it was. No sentence is written by hand for a result.

`AMENDED` tells what was changed after runs had been seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from corpo.analysis.compare import difference
from corpo.analysis.runs import EARLY, signal_ratio, window
from corpo.analysis.splits import mean_of
from corpo.analysis.study import Study
from corpo.evaluate.intervals import Estimate, over_seeds

VALIDATIONS = 3  # one alone is noisy
ALIKE = 1e-9  # a standard error that rounding alone makes
IN_DOMAIN = ("code_first_correct", "code_second_correct")
OUT_OF_DOMAIN = ("code_both_wrong", "code_both_correct", "math_first_correct", "math_second_correct")
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


AMENDED = """The tests were amended once, when two of the study's eight seeds had run, because an audit of the statistics (not of the results) asked for it:
*holds* now wants an estimate of at least the effect of interest (before: an interval that reaches it), and C1's interval wholly above it, for no share
is below zero; below five seeds degrees of freedom are those of the seeds alone, for 95% intervals of two seeds covered 88%; seeds that are all alike
decide nothing; a late gain (C2) is of three validations on three, not of one on one; counts (C4) are added up over steps before they are divided; that
CoRPO *settles* is tested by its rise against static's, for that static's ratio is the larger is algebra; gradient norms and the roughness of the
validation curve were added to C6, for AdamW fixes the norm of an update and a ratio of spreads takes far more than eight seeds; C7 leaves out tokens of
groups without signal, which no update sees."""


# How a quantity is told.
def points(share: float) -> str:
    return f"{100 * share:+.1f}"


def percent(share: float) -> str:
    return f"{share:.1%}"


def ratio(logarithm: float) -> str:
    most = 1000
    return (
        f">{most}"
        if logarithm > math.log(most)
        else f"<{1 / most}"
        if logarithm < -math.log(most)
        else f"{math.exp(logarithm):.2f}"
    )


@dataclass(frozen=True)
class Comparison:
    """One comparison. `measure` gives the quantity, positive where the claim is right; None where a study has nothing to measure it by."""

    claim: str
    quantity: str
    tell: Callable[[float], str]
    least: float  # the smallest effect of interest
    needs: tuple[str, ...]  # baselines
    measure: Callable[[Study], Estimate | None]
    above: float = 0.0  # what the interval has to exceed: more than 0 for what cannot be below it
    same: bool = False  # the claim is that nothing differs by as much as `least`
    room: Callable[[Study], float] | None = None  # the largest effect that there can be


@dataclass(frozen=True)
class Guarantee:
    """A claim that algebra settles: how often it was broken."""

    claim: str
    baseline: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.baseline,)


STATEMENTS = {
    "C1": "Under the group mean a failed rollout that is only less bad gets a positive advantage (18% of failures in the paper's early batch).",
    "C2": "A static baseline never rewards a failure, but stops driving improvement once most rollouts pass.",
    "C3": "CoRPO keeps the guarantee, and switches by itself from correctness-seeking to preference-seeking.",
    "C4": "Positive over negative signal is below 1 early for static and CoRPO; later it rises sharply for static and settles for CoRPO.",
    "C5": "Static and CoRPO generalise better out of domain than GRPO; CoRPO gives up a little accuracy in domain against static for it.",
    "C6": "CoRPO takes smaller weight-update steps and converges more stably.",
    "C7": "Not in the paper: what CoRPO costs against GRPO.",
}


# --- quantities -----------------------------------------------------------------------------------------------------------


def _log(values: np.ndarray) -> np.ndarray:
    """Nan where there is none, as for a ratio of 0."""
    return np.log(np.where(values > 0, values, np.nan))


def _rewarded_failures(study: Study) -> Estimate:
    return over_seeds(window(study, "grpo", "failed_positive_fraction", False))


def _stalls(study: Study) -> Estimate | None:
    """How much more CoRPO gains than static from the three validations before to the last three."""
    corpo, static = (
        study.curve(baseline, "validation/pass@1").to_numpy() for baseline in ("corpo", "static")
    )
    if min(len(corpo), len(static)) < 2 * VALIDATIONS:
        return None
    gained = lambda curve: curve[-VALIDATIONS:].mean(0) - curve[-2 * VALIDATIONS : -VALIDATIONS].mean(0)
    return over_seeds(gained(corpo) - gained(static))


def _switches(study: Study) -> Estimate:
    early, late = (window(study, "corpo", "clip_active_fraction", at) for at in (False, True))
    return over_seeds(early - late)


def _log_ratio(study: Study, baseline: str, late: bool) -> np.ndarray:
    return np.log(signal_ratio(study, baseline, "count", late))


def _below_one(study: Study, baseline: str) -> Estimate:
    return over_seeds(-_log_ratio(study, baseline, late=False))


def _rise(study: Study, baseline: str) -> np.ndarray:
    return _log_ratio(study, baseline, late=True) - _log_ratio(study, baseline, late=False)


def _rises(study: Study) -> Estimate:
    return over_seeds(_rise(study, "static"))


def _settles(study: Study) -> Estimate:
    return over_seeds(_rise(study, "static") - _rise(study, "corpo"))


def _room(study: Study, baseline: str, splits: Sequence[str], k: int) -> float:
    """What a baseline leaves to be gained."""
    prompts = study.prompts(baseline)
    return 1 - float(np.mean([mean_of(prompts, (split,), f"pass@{k}") for split in splits]))


def _smaller(study: Study, of: Callable[[pd.DataFrame], float]) -> Estimate:
    """The logarithm of GRPO's number over CoRPO's, by seed."""
    grpo, corpo = (
        _log(np.array([of(run.metrics) for run in study.of(baseline)])) for baseline in ("grpo", "corpo")
    )
    return over_seeds(grpo - corpo)


def _update(metrics: pd.DataFrame) -> float:
    return float((metrics["update_norm"] / metrics["lr"]).mean())


def _gradient(metrics: pd.DataFrame) -> float:
    return float(metrics["grad_norm"].mean())


def _distance(metrics: pd.DataFrame) -> float:
    return float(metrics["validation/kl_from_start"].dropna().iloc[-1])


def _update_seconds(metrics: pd.DataFrame) -> float:
    """For each token that was learned from: policies write more or less, and groups without signal are left out."""
    return float(
        (
            metrics["update_seconds"] / metrics["tokens_mean"] / (1 - metrics["zero_advantage_fraction"])
        ).median()
    )


def _roughness(metrics: pd.DataFrame) -> float:
    """Of the validation curve: what is left of it when any steady gain is taken away."""
    bends = np.diff(metrics["validation/pass@1"].dropna(), n=2)
    return float(np.sqrt(np.mean(bends**2))) if len(bends) else math.nan


def _steadier(study: Study) -> Estimate | None:
    """The logarithm of the spreads' ratio over seeds, by its large-sample error: rough for few seeds."""
    ends = [
        study.curve(baseline, "validation/pass@1").iloc[-1].to_numpy(dtype=float)
        for baseline in ("grpo", "corpo")
    ]
    count = len(ends[0])
    if count < 3:
        return None
    grpo, corpo = _log(np.array([end.std(ddof=1) for end in ends]))
    return Estimate(float(grpo - corpo), math.sqrt(1 / (count - 1)), count - 1)


TESTS: tuple[Comparison | Guarantee, ...] = (
    Comparison(
        "C1",
        f"failures that GRPO rewards, first {EARLY} steps",
        percent,
        0.05,
        ("grpo",),
        _rewarded_failures,
        above=0.05,
    ),
    Guarantee("C2", "static"),
    Comparison(
        "C2",
        f"validation pass@1, the last {VALIDATIONS} less the {VALIDATIONS} before, CoRPO - static",
        points,
        0.02,
        ("static", "corpo"),
        _stalls,
    ),
    Guarantee("C3", "corpo"),
    Comparison(
        "C3",
        f"groups with the clip active, first {EARLY} steps - last {EARLY}",
        points,
        0.1,
        ("corpo",),
        _switches,
    ),
    Comparison(
        "C4",
        f"static: N⁻/N⁺ of the first {EARLY} steps",
        ratio,
        math.log(1.1),
        ("static",),
        partial(_below_one, baseline="static"),
    ),
    Comparison(
        "C4",
        f"CoRPO: N⁻/N⁺ of the first {EARLY} steps",
        ratio,
        math.log(1.1),
        ("corpo",),
        partial(_below_one, baseline="corpo"),
    ),
    Comparison(
        "C4",
        f"static: N⁺/N⁻ of the last {EARLY} steps over the first {EARLY}",
        ratio,
        math.log(2),
        ("static",),
        _rises,
    ),
    Comparison(
        "C4", "that rise, static's over CoRPO's", ratio, math.log(1.25), ("static", "corpo"), _settles
    ),
    *(
        Comparison(
            "C5",
            f"out of domain, mean of four splits, pass@{k}: {baseline} - GRPO",
            points,
            0.03,
            ("grpo", baseline),
            partial(difference, first=baseline, second="grpo", splits=OUT_OF_DOMAIN, k=k),
            room=partial(_room, baseline="grpo", splits=OUT_OF_DOMAIN, k=k),
        )
        for baseline in ("static", "corpo")
        for k in (16, 1)
    ),
    *(
        Comparison(
            "C5",
            f"in domain, pass@{k}: static - CoRPO",
            points,
            0.01,
            ("static", "corpo"),
            partial(difference, first="static", second="corpo", splits=IN_DOMAIN, k=k),
            room=partial(_room, baseline="corpo", splits=IN_DOMAIN, k=k),
        )
        for k in (16, 1)
    ),
    Comparison(
        "C6",
        "update norm over learning rate, GRPO over CoRPO",
        ratio,
        math.log(1.05),
        ("grpo", "corpo"),
        partial(_smaller, of=_update),
    ),
    Comparison(
        "C6",
        "gradient norm before clipping, GRPO over CoRPO",
        ratio,
        math.log(1.1),
        ("grpo", "corpo"),
        partial(_smaller, of=_gradient),
    ),
    Comparison(
        "C6",
        "KL from the warm start at the end, GRPO over CoRPO",
        ratio,
        math.log(1.2),
        ("grpo", "corpo"),
        partial(_smaller, of=_distance),
    ),
    Comparison(
        "C6",
        "spread of the last validation pass@1 over seeds, GRPO over CoRPO",
        ratio,
        math.log(1.25),
        ("grpo", "corpo"),
        _steadier,
    ),
    Comparison(
        "C6",
        "roughness of validation pass@1, GRPO over CoRPO",
        ratio,
        math.log(1.25),
        ("grpo", "corpo"),
        partial(_smaller, of=_roughness),
    ),
    Comparison(
        "C7",
        "seconds of an update a token, GRPO over CoRPO",
        ratio,
        math.log(1.05),
        ("grpo", "corpo"),
        partial(_smaller, of=_update_seconds),
        same=True,
    ),
)


# --- verdicts -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """What one study says to one test, in words."""

    claim: str
    quantity: str
    shown: str  # estimate and interval
    least: str  # effect of interest
    found: str  # the least effect that the study would have found four times in five
    verdict: str


def findings(study: Study) -> list[Finding]:
    """Every test whose baselines were run, in order."""
    present = set(study.baselines)
    return [
        _guaranteed(study, test) if isinstance(test, Guarantee) else _tested(study, test)
        for test in TESTS
        if set(test.needs) <= present
    ]


def _family(test: Comparison) -> int:
    return sum(isinstance(other, Comparison) and other.claim == test.claim for other in TESTS)


def _tested(study: Study, test: Comparison) -> Finding:
    tell, estimate = test.tell, test.measure(study)
    least = ("within " if test.same else "") + tell(test.least)
    if estimate is None or not math.isfinite(estimate.mean):
        return Finding(test.claim, test.quantity, "not measured", least, "–", UNDECIDED)
    if not math.isfinite(estimate.error):
        return Finding(
            test.claim, test.quantity, f"{tell(estimate.mean)} (one seed: no interval)", least, "–", UNDECIDED
        )
    if estimate.error < ALIKE:
        return Finding(
            test.claim,
            test.quantity,
            f"{tell(estimate.mean)} (all seeds alike: no interval)",
            least,
            "–",
            UNDECIDED,
        )
    level = 1 - 0.05 / _family(test)
    interval = estimate.interval(level)
    if test.same:
        apart = interval.low > test.least or interval.high < -test.least
        verdict = FAILS if apart else HOLDS if max(-interval.low, interval.high) < test.least else UNDECIDED
    else:
        verdict = (
            FAILS
            if interval.high < test.least
            else HOLDS
            if interval.low > test.above and estimate.mean >= test.least
            else UNDECIDED
        )
    shown = f"{tell(estimate.mean)} [{tell(interval.low)}, {tell(interval.high)}]"
    if test.room and (left := test.room(study)) < test.least:
        return Finding(
            test.claim,
            test.quantity,
            f"{shown}; at the ceiling: only {tell(left)} is left to gain",
            least,
            "–",
            UNDECIDED,
        )
    found = (
        f"within {tell(estimate.provable(level))}"
        if test.same
        else tell(test.above + estimate.detectable(level))
    )
    return Finding(test.claim, test.quantity, shown, least, found, verdict)


def _guaranteed(study: Study, test: Guarantee) -> Finding:
    runs = study.of(test.baseline)
    failed = sum(
        int((rewards_PG < study.threshold).sum()) for run in runs for rewards_PG in run.rewards.values()
    )
    broken = sum(int((run.metrics["failed_positive_fraction"] > 0).sum()) for run in runs)
    steps = sum(len(run.metrics) for run in runs)
    shown = f"{broken} of {steps} batches ({failed:,} failures in all)"
    return Finding(
        test.claim,
        f"{test.baseline}: batches in which a failure is rewarded",
        shown,
        "none",
        "any",
        FAILS if broken else HOLDS,
    )
