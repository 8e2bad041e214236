"""Tests of the paper's claims, fixed before a study is run, and the verdict of a study on each.

A test names a quantity that is positive if the claim is right, and the smallest effect of interest. Its
interval is as wide as the number of tests of the claim requires (Bonferroni). It covers new seeds and, for
accuracy on an evaluation split, new problems. A test *holds* if the estimate reaches the effect of interest
and the interval is above zero. It *does not hold* if the whole interval is below the effect of interest.
Otherwise it is *undecided*; the smallest effect that the study would have detected then tells how far it is
from a decision. All texts about a result are generated.

`AMENDED` lists the changes that were made after runs had been seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from corpo.analysis.compare import difference
from corpo.analysis.runs import EARLY, advantage_ratio, window
from corpo.analysis.splits import mean_of
from corpo.analysis.study import Study
from corpo.evaluate.intervals import Estimate, over_seeds

VALIDATIONS = 3  # validations that are averaged, because a single one is noisy
ROUNDING_ERROR = 1e-9  # standard errors below this value come from rounding only
MAX_RATIO = 1000  # larger ratios are given as ">1000"
IN_DOMAIN = ("code_first_correct", "code_second_correct")
OUT_OF_DOMAIN = ("code_both_wrong", "code_both_correct", "math_first_correct", "math_second_correct")
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


AMENDED = """The tests were amended once, when two of the eight seeds of the study had run. An audit of the
statistics, not of the results, asked for these changes:

- *Holds* requires an estimate of at least the effect of interest; before, an interval that reached it was
  enough. The interval of C1 must be above the effect of interest, because no share is below zero.
- With fewer than five seeds the degrees of freedom are those of the seeds alone, because 95% intervals of
  two seeds covered 88%. Seeds that are all alike give the verdict undecided.
- A late gain (C2) compares three validations with three, not one with one.
- Counts (C4) are added up over steps before they are divided.
- The claim that CoRPO settles is tested by its rise compared with that of static, because static's ratio is
  the larger one by algebra.
- Gradient norms and the roughness of the validation curve were added to C6, because AdamW fixes the norm of
  an update and a ratio of spreads requires far more than eight seeds.
- C7 leaves out tokens of zero-advantage groups, which no update uses."""


# --- formats of quantities ---


def points(share: float) -> str:
    """Return a difference of shares in percentage points with its sign."""
    return f"{100 * share:+.1f}"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{share:.1%}"


def ratio(logarithm: float) -> str:
    """Return the ratio with this logarithm; ratios far from 1 are given as bounds."""
    if logarithm > math.log(MAX_RATIO):
        return f">{MAX_RATIO}"
    if logarithm < -math.log(MAX_RATIO):
        return f"<{1 / MAX_RATIO}"
    return f"{math.exp(logarithm):.2f}"


# --- kinds of tests ---


@dataclass(frozen=True)
class Comparison:
    """A test of a measured quantity.

    `measure` returns the quantity, positive if the claim is right, or None if the study has not measured it.
    """

    claim: str
    quantity: str
    format: Callable[[float], str]
    smallest_effect: float  # the smallest effect of interest
    needs: tuple[str, ...]  # baselines
    measure: Callable[[Study], Estimate | None]
    # The value that the interval must exceed. It is more than 0 for values that cannot be negative.
    above: float = 0.0
    is_equivalence: bool = False  # the claim is that nothing differs by `smallest_effect`
    max_gain: Callable[[Study], float] | None = None  # the largest possible effect


@dataclass(frozen=True)
class Guarantee:
    """A claim that follows from algebra: the test counts how often it was broken."""

    claim: str
    baseline: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The baselines that the test requires."""
        return (self.baseline,)


STATEMENTS = {
    "C1": "Under the group mean a failed rollout that is only less bad gets a positive advantage "
    "(18% of failures in the paper's early batch).",
    "C2": "A static baseline never rewards a failure, but stops driving improvement once most rollouts pass.",
    "C3": "CoRPO keeps the guarantee, and switches by itself from correctness-seeking to preference-seeking.",
    "C4": "The ratio of positive to negative advantages is below 1 early for static and CoRPO; later it "
    "rises sharply for static and settles for CoRPO.",
    "C5": "Static and CoRPO generalise better out of domain than GRPO; CoRPO gives up a little accuracy in "
    "domain against static for it.",
    "C6": "CoRPO takes smaller weight-update steps and converges more stably.",
    "C7": "Not in the paper: what CoRPO costs against GRPO.",
}


# --- quantities ---


def _log(values: np.ndarray) -> np.ndarray:
    """Return logarithms; NaN for values that are not positive."""
    return np.log(np.where(values > 0, values, np.nan))


def _rewarded_failures(study: Study) -> Estimate:
    return over_seeds(window(study, "grpo", "failed_positive_fraction", False))


def _late_gain(study: Study) -> Estimate | None:
    """Estimate how much more CoRPO gains than static between two late windows of validations."""
    corpo = study.curve("corpo", "validation/pass@1").to_numpy()
    static = study.curve("static", "validation/pass@1").to_numpy()
    if min(len(corpo), len(static)) < 2 * VALIDATIONS:
        return None
    return over_seeds(_last_gain(corpo) - _last_gain(static))


def _last_gain(curve: np.ndarray) -> np.ndarray:
    """Return the mean of the last `VALIDATIONS` rows minus the mean of those before them."""
    return curve[-VALIDATIONS:].mean(0) - curve[-2 * VALIDATIONS : -VALIDATIONS].mean(0)


def _switch(study: Study) -> Estimate:
    early = window(study, "corpo", "clip_active_fraction", False)
    late = window(study, "corpo", "clip_active_fraction", True)
    return over_seeds(early - late)


def _log_ratio(study: Study, baseline: str, late: bool) -> np.ndarray:
    return np.log(advantage_ratio(study, baseline, "count", late))


def _below_one(study: Study, baseline: str) -> Estimate:
    return over_seeds(-_log_ratio(study, baseline, late=False))


def _rise(study: Study, baseline: str) -> np.ndarray:
    return _log_ratio(study, baseline, late=True) - _log_ratio(study, baseline, late=False)


def _rise_of_static(study: Study) -> Estimate:
    return over_seeds(_rise(study, "static"))


def _rise_compared(study: Study) -> Estimate:
    return over_seeds(_rise(study, "static") - _rise(study, "corpo"))


def _max_gain(study: Study, baseline: str, splits: Sequence[str], k: int) -> float:
    """Return how far pass@k of a baseline is from 100%."""
    prompts = study.prompts(baseline)
    return 1 - float(np.mean([mean_of(prompts, (split,), f"pass@{k}") for split in splits]))


def _log_grpo_over_corpo(study: Study, measure: Callable[[pd.DataFrame], float]) -> Estimate:
    """Estimate the logarithm of GRPO's value over CoRPO's, seed by seed; `measure` reads metrics by step."""
    grpo = _log(np.array([measure(run.metrics) for run in study.of("grpo")]))
    corpo = _log(np.array([measure(run.metrics) for run in study.of("corpo")]))
    return over_seeds(grpo - corpo)


def _update_norm(metrics: pd.DataFrame) -> float:
    return float((metrics["update_norm"] / metrics["lr"]).mean())


def _gradient_norm(metrics: pd.DataFrame) -> float:
    return float(metrics["grad_norm"].mean())


def _distance(metrics: pd.DataFrame) -> float:
    return float(metrics["validation/kl_from_start"].dropna().iloc[-1])


def _update_seconds(metrics: pd.DataFrame) -> float:
    """Return the seconds of an update per token that contributes to it.

    Policies write responses of different lengths, and zero-advantage groups do not contribute.
    """
    per_token = metrics["update_seconds"] / metrics["tokens_mean"] / (1 - metrics["zero_advantage_fraction"])
    return float(per_token.median())


def _roughness(metrics: pd.DataFrame) -> float:
    """Return the root mean square of the second differences of the validation curve.

    A steady gain does not contribute to it.
    """
    bends = np.diff(metrics["validation/pass@1"].dropna(), n=2)
    return float(np.sqrt(np.mean(bends**2))) if len(bends) else math.nan


def _spread(study: Study) -> Estimate | None:
    """Estimate the logarithm of the ratio of spreads over seeds.

    Its error is that of large samples, which is rough for few seeds.
    """
    deviations = []
    for baseline in ("grpo", "corpo"):
        last = study.curve(baseline, "validation/pass@1").iloc[-1].to_numpy(dtype=float)
        if len(last) < 3:
            return None
        deviations.append(last.std(ddof=1))
    grpo, corpo = _log(np.array(deviations))
    return Estimate(float(grpo - corpo), math.sqrt(1 / (len(last) - 1)), len(last) - 1)


# --- the tests ---


def _c4_below_one(baseline: str, title: str) -> Comparison:
    return Comparison(
        "C4",
        f"{title}: N⁻/N⁺ of the first {EARLY} steps",
        ratio,
        math.log(1.1),
        (baseline,),
        partial(_below_one, baseline=baseline),
    )


def _c5_out_of_domain(baseline: str, k: int) -> Comparison:
    return Comparison(
        "C5",
        f"out of domain, mean of four splits, pass@{k}: {baseline} - GRPO",
        points,
        0.03,
        ("grpo", baseline),
        partial(difference, first=baseline, second="grpo", splits=OUT_OF_DOMAIN, k=k),
        max_gain=partial(_max_gain, baseline="grpo", splits=OUT_OF_DOMAIN, k=k),
    )


def _c5_in_domain(k: int) -> Comparison:
    return Comparison(
        "C5",
        f"in domain, pass@{k}: static - CoRPO",
        points,
        0.01,
        ("static", "corpo"),
        partial(difference, first="static", second="corpo", splits=IN_DOMAIN, k=k),
        max_gain=partial(_max_gain, baseline="corpo", splits=IN_DOMAIN, k=k),
    )


def _grpo_over_corpo(
    claim: str,
    quantity: str,
    smallest_ratio: float,
    measure: Callable[[pd.DataFrame], float],
    is_equivalence: bool = False,
) -> Comparison:
    return Comparison(
        claim,
        f"{quantity}, GRPO over CoRPO",
        ratio,
        math.log(smallest_ratio),
        ("grpo", "corpo"),
        partial(_log_grpo_over_corpo, measure=measure),
        is_equivalence=is_equivalence,
    )


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
        f"validation pass@1, mean of the last {VALIDATIONS} validations minus the {VALIDATIONS} before, "
        "CoRPO - static",
        points,
        0.02,
        ("static", "corpo"),
        _late_gain,
    ),
    Guarantee("C3", "corpo"),
    Comparison(
        "C3",
        f"groups with the clip active, first {EARLY} steps - last {EARLY}",
        points,
        0.1,
        ("corpo",),
        _switch,
    ),
    _c4_below_one("static", "static"),
    _c4_below_one("corpo", "CoRPO"),
    Comparison(
        "C4",
        f"static: N⁺/N⁻ of the last {EARLY} steps over the first {EARLY}",
        ratio,
        math.log(2),
        ("static",),
        _rise_of_static,
    ),
    Comparison(
        "C4",
        "rise of N⁺/N⁻, static divided by CoRPO",
        ratio,
        math.log(1.25),
        ("static", "corpo"),
        _rise_compared,
    ),
    _c5_out_of_domain("static", 16),
    _c5_out_of_domain("static", 1),
    _c5_out_of_domain("corpo", 16),
    _c5_out_of_domain("corpo", 1),
    _c5_in_domain(16),
    _c5_in_domain(1),
    _grpo_over_corpo("C6", "update norm over learning rate", 1.05, _update_norm),
    _grpo_over_corpo("C6", "gradient norm before clipping", 1.1, _gradient_norm),
    _grpo_over_corpo("C6", "KL from the warm start at the end", 1.2, _distance),
    Comparison(
        "C6",
        "spread of the last validation pass@1 over seeds, GRPO over CoRPO",
        ratio,
        math.log(1.25),
        ("grpo", "corpo"),
        _spread,
    ),
    _grpo_over_corpo("C6", "roughness of validation pass@1", 1.25, _roughness),
    _grpo_over_corpo("C7", "update seconds per token", 1.05, _update_seconds, is_equivalence=True),
)


# --- verdicts ---


@dataclass(frozen=True)
class Finding:
    """The result of one test in one study, as text."""

    claim: str
    quantity: str
    estimate: str  # with its interval
    smallest_effect: str  # of interest
    detectable_effect: str  # the smallest effect that the study detects with a power of 80%
    verdict: str


def findings(study: Study) -> list[Finding]:
    """Return the finding of every test whose baselines the study has, in order."""
    baselines = set(study.baselines)
    results = []
    for test in TESTS:
        if set(test.needs) <= baselines:
            if isinstance(test, Guarantee):
                results.append(_check_guarantee(study, test))
            else:
                results.append(_compare(study, test))
    return results


def _num_tests(test: Comparison) -> int:
    """Return the number of comparisons of the same claim, for which the interval is corrected."""
    return sum(isinstance(other, Comparison) and other.claim == test.claim for other in TESTS)


def _compare(study: Study, test: Comparison) -> Finding:
    estimate = test.measure(study)
    smallest = ("within " if test.is_equivalence else "") + test.format(test.smallest_effect)
    finding = partial(Finding, test.claim, test.quantity, smallest_effect=smallest)
    if estimate is None or not math.isfinite(estimate.mean):
        return finding(estimate="not measured", detectable_effect="–", verdict=UNDECIDED)
    mean = test.format(estimate.mean)
    if not math.isfinite(estimate.error):
        return finding(estimate=f"{mean} (one seed: no interval)", detectable_effect="–", verdict=UNDECIDED)
    if estimate.error < ROUNDING_ERROR:
        return finding(
            estimate=f"{mean} (all seeds alike: no interval)", detectable_effect="–", verdict=UNDECIDED
        )
    level = 1 - 0.05 / _num_tests(test)
    interval = estimate.interval(level)
    text = f"{mean} [{test.format(interval.low)}, {test.format(interval.high)}]"
    max_gain = test.max_gain(study) if test.max_gain else math.inf
    if max_gain < test.smallest_effect:
        text = f"{text}; at the ceiling: at most {test.format(max_gain)} can be gained"
        return finding(estimate=text, detectable_effect="–", verdict=UNDECIDED)
    return finding(
        estimate=text,
        detectable_effect=_detectable_effect(test, estimate, level),
        verdict=_verdict(test, estimate, level),
    )


def _verdict(test: Comparison, estimate: Estimate, level: float) -> str:
    interval = estimate.interval(level)
    smallest = test.smallest_effect
    if test.is_equivalence:
        if interval.low > smallest or interval.high < -smallest:
            return FAILS
        return HOLDS if max(-interval.low, interval.high) < smallest else UNDECIDED
    if interval.high < smallest:
        return FAILS
    if interval.low > test.above and estimate.mean >= smallest:
        return HOLDS
    return UNDECIDED


def _detectable_effect(test: Comparison, estimate: Estimate, level: float) -> str:
    if test.is_equivalence:
        return f"within {test.format(estimate.provable(level))}"
    return test.format(test.above + estimate.detectable(level))


def _check_guarantee(study: Study, test: Guarantee) -> Finding:
    num_failures, num_broken, num_steps = 0, 0, 0
    for run in study.of(test.baseline):
        num_failures += sum(int((rewards_PG < study.threshold).sum()) for rewards_PG in run.rewards.values())
        num_broken += int((run.metrics["failed_positive_fraction"] > 0).sum())
        num_steps += len(run.metrics)
    return Finding(
        claim=test.claim,
        quantity=f"{test.baseline}: batches in which a failure is rewarded",
        estimate=f"{num_broken} of {num_steps} batches ({num_failures:,} failures in all)",
        smallest_effect="none",
        detectable_effect="any",
        verdict=FAILS if num_broken else HOLDS,
    )
