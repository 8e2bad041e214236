"""Every logged metric with its formula. docs/reference/metrics.md is generated from these tables.

Write the page with `python -m docs.tools.metrics`. A test checks that training logs exactly these names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from corpo.task import Domain, Fault, Kind


@dataclass(frozen=True)
class Metric:
    """A logged quantity. `formula` uses the symbols of `SYMBOLS`; `unit` is empty for a plain ratio."""

    name: str
    formula: str
    meaning: str
    unit: str = ""


SYMBOLS = (
    ("R", "the reward of a rollout; `t` is R_min_correct (`reward.threshold`)"),
    ("correct, failed", "a rollout with R ≥ t, a rollout with R < t"),
    ("A", "the advantage of a rollout"),
    ("n(...)", "the number of rollouts of the batch that satisfy a condition"),
    ("π, π_start", "the probability of a token under the policy, and under the policy before training"),
    ("μ", "the probability with which the engine sampled the token"),
    (
        "ρ",
        "the probability of a token in the denominator of the importance ratio: μ; with "
        "`train.loss.ppo_clip` and several updates per batch, π before the first of these updates",
    ),
    ("θ", "the trained weights; `g` is the gradient of the loss"),
    ("w", "the weight of a token in the loss, which depends on `train.loss.aggregation`"),
)


def _signed_metrics(suffix: str, rollouts: str) -> tuple[Metric, ...]:
    """Return the metrics of positive and negative advantages over a subset of the rollouts."""
    subset = f" and {rollouts}" if suffix else ""
    where = f" over {rollouts} rollouts" if suffix else ""
    positive, negative = f"positive_count{suffix}", f"negative_count{suffix}"
    positive_sum, negative_sum = f"positive_sum{suffix}", f"negative_sum{suffix}"
    return (
        Metric(positive, f"n(A > 0{subset})", "rollouts made more likely", "rollouts"),
        Metric(negative, f"n(A < 0{subset})", "rollouts made less likely", "rollouts"),
        Metric(f"count_ratio{suffix}", f"{positive} / {negative}", "ratio of the two counts"),
        Metric(positive_sum, f"sum of A{where}, if A > 0", "sum of positive advantages", "reward"),
        Metric(
            negative_sum, f"sum of -A{where}, if A < 0", "sum of negative advantages, without sign", "reward"
        ),
        Metric(f"sum_ratio{suffix}", f"{positive_sum} / {negative_sum}", "ratio of the two sums"),
    )


ADVANTAGE_METRICS = (
    Metric("reward_mean", "mean of R", "mean reward of the batch", "reward"),
    Metric("pass_rate", "n(correct) / n(all)", "pass@1 on the training batch"),
    Metric(
        "failed_positive_fraction",
        "n(A > 0 and failed) / n(failed)",
        "share of failures with a positive advantage: the flaw that CoRPO removes",
    ),
    Metric(
        "clip_active_fraction",
        "share of groups with mean(R) < t",
        "share of groups in which CoRPO's baseline is the threshold; at 0, CoRPO equals GRPO",
    ),
    Metric("zero_advantage_fraction", "share of groups with all A = 0", "share of groups without a gradient"),
    *_signed_metrics("", "all"),
    *_signed_metrics("_correct", "correct"),
    *_signed_metrics("_failed", "failed"),
)

_VERDICTS = {
    "both_correct": "a verdict that calls both candidates correct",
    "both_wrong": "a verdict that calls both candidates wrong",
    "swapped": "a verdict that calls exactly one candidate correct",
    "unparseable": "no verdict",
}


def _failure_metrics() -> tuple[Metric, ...]:
    metrics = []
    for name, verdict in _VERDICTS.items():
        metrics.append(Metric(f"failed_{name}", "n(failed) with it", f"failures with {verdict}", "rollouts"))
    for name, verdict in _VERDICTS.items():
        meaning = f"rewarded failures with {verdict}"
        metrics.append(Metric(f"rewarded_{name}", "n(failed and A > 0) with it", meaning, "rollouts"))
    return tuple(metrics)


FAILURE_METRICS = _failure_metrics()  # of the paper's task

UPDATE_METRICS = (
    Metric("loss", "sum of w · (loss of a token), e.g. -A log π", "loss of an update (corpo/train/loss.py)"),
    Metric(
        "entropy",
        "mean over tokens of -Σ_v π(v) log π(v)",
        "entropy of the distribution of the next token",
        "nats per token",
    ),
    Metric(
        "mismatch_kl",
        "mean over tokens of log μ - log π",
        "KL divergence of engine and trainer before the first update (k1 estimate); larger than rounding "
        "error means stale weights",
        "nats per token",
    ),
    Metric("ratio_mean", "mean over tokens of π / ρ", "mean importance ratio, before it is limited"),
    Metric("ratio_max", "largest π / ρ of a token", "largest importance ratio, before it is limited"),
    Metric(
        "approx_kl",
        "mean over tokens of π / ρ - 1 - log(π / ρ)",
        "KL divergence of the sampling policy and the policy (k3 estimate)",
        "nats per token",
    ),
    Metric(
        "clip_fraction",
        "share of tokens with π / ρ > 1 + c and A > 0, or π / ρ < 1 - c and A < 0",
        "share of tokens without a policy gradient because of c = `train.loss.ppo_clip`; with "
        "`train.loss.importance_ratio_cap`, share of tokens whose ratio exceeds it",
    ),
    Metric("grad_norm", "‖g‖₂", "norm of the gradient before it is clipped to train.max_grad_norm"),
    Metric(
        "update_norm",
        "sum over updates of ‖θ_after - θ_before‖₂",
        "norm of the change of the weights, in float32",
    ),
)

FAULT_METRICS = tuple(  # of the paper's task
    Metric(f"fault_{fault.name}", "n(responses with it)", str(fault), "rollouts") for fault in Fault
)
SAMPLING_METRICS = (
    Metric("unparseable", "n(no answer) / n(all)", "share of responses without a valid verdict or answer"),
    Metric("tokens_mean", "mean length of a completion", "length of responses", "tokens per rollout"),
    Metric("lr", "train.lr · min(1, step / train.warmup_steps)", "learning rate of the step"),
    Metric("rollout_seconds", "wall time of sampling", "time to sample the batch", "seconds"),
    Metric(
        "update_seconds",
        "wall time of grading, updates and weight sync",
        "time for the rest of the step",
        "seconds",
    ),
)

_ONE_CORRECT = "validation pairs with exactly one correct candidate"
_SEEN = "validation pairs of all kinds with seen combinations of operations"
_UNSEEN = "validation pairs with exactly one correct candidate and unseen combinations of operations"
_MATH = "validation pairs of word problems with exactly one correct candidate"
_HOMOGENEOUS = "validation pairs whose candidates are both correct or both wrong"


def _validation_metrics() -> tuple[Metric, ...]:
    pass_at_1, auc = (
        "mean over pairs of n(correct) / n(all)",
        "P(score of a correct one > score of a wrong one)",
    )
    metrics = [
        Metric("validation/pass@1", pass_at_1, f"pass@1 on {_ONE_CORRECT}"),
        Metric("validation/pass@1/unseen", pass_at_1, f"pass@1 on {_UNSEEN}"),
        Metric("validation/pass@1/math", pass_at_1, f"pass@1 on {_MATH}"),
        Metric("validation/reward", "mean of R", f"mean reward on {_ONE_CORRECT}", "reward"),
        Metric(
            "validation/kl_from_start",
            "mean over rollouts of Σ_tokens (log μ - log π_start)",
            f"KL divergence from the policy before training, on {_ONE_CORRECT}",
            "nats per rollout",
        ),
    ]
    for kind in Kind:
        metrics.append(Metric(f"validation/pass@1/{kind}", pass_at_1, f"pass@1 on {kind} pairs"))
    parts = (("", _SEEN), ("/unseen", _UNSEEN), ("/math", _MATH), ("/homogeneous", _HOMOGENEOUS))
    for suffix, pairs in parts:
        for side in ("a", "b"):
            meaning = f"AUC of the score of candidate {side.upper()}, {pairs}; 0.5 is chance"
            metrics.append(Metric(f"validation/auc_{side}{suffix}", auc, meaning))
    metrics += [
        Metric(
            "validation/exactly_one",
            "n(exactly one called correct) / n(verdict)",
            "share of verdicts on both_correct and both_wrong pairs that call exactly one candidate correct",
        ),
        Metric("validation/traced", "n(right traces) / n(traces)", "share of traces without any mistake"),
        Metric(
            "validation/follows",
            "n(verdict follows) / n(traces)",
            "share of traces whose verdict word and score follow from what the trace computed",
        ),
    ]
    return tuple(metrics)


VALIDATION_METRICS = _validation_metrics()  # of the paper's task

STEP = Metric("step", "number of the step, from 1", "steps so far", "steps")

GENERAL_METRICS = (STEP, *ADVANTAGE_METRICS, *UPDATE_METRICS, *SAMPLING_METRICS)
# The records of `metrics.jsonl` of a training run on the paper's task. Validation metrics are logged every
# `train.validate_every` steps.
TRAINING_METRICS = (*GENERAL_METRICS, *FAILURE_METRICS, *FAULT_METRICS, *VALIDATION_METRICS)


def question_metrics(
    failures: Sequence[str], faults: Sequence[str], validation: Sequence[str]
) -> tuple[Metric, ...]:
    """Return the metrics that a task of questions has beside `GENERAL_METRICS`.

    `failures` and `faults` are those of the task. `validation` has the names of the validation splits beside
    the main one, without "validation_".
    """
    metrics = []
    for kind in failures:
        meaning = f"failures of the kind {kind}"
        metrics.append(Metric(f"failed_{kind}", "n(failed) of this kind", meaning, "rollouts"))
    for kind in failures:
        meaning = f"rewarded failures of the kind {kind}"
        metrics.append(Metric(f"rewarded_{kind}", "n(failed and A > 0) of this kind", meaning, "rollouts"))
    for fault in faults:
        meaning = f"responses without an answer because of {fault}"
        metrics.append(Metric(f"fault_{fault}", "n(responses with it)", meaning, "rollouts"))
    pass_at_1 = "mean over questions of n(correct) / n(all)"
    metrics.append(Metric("validation/pass@1", pass_at_1, "pass@1 on the split validation"))
    for name in validation:
        meaning = f"pass@1 on the split validation_{name}"
        metrics.append(Metric(f"validation/pass@1/{name}", pass_at_1, meaning))
    metrics += [
        Metric("validation/reward", "mean of R", "mean reward on the split validation", "reward"),
        Metric(
            "validation/kl_from_start",
            "mean over rollouts of Σ_tokens (log μ - log π_start)",
            "KL divergence from the policy before training, on the split validation",
            "nats per rollout",
        ),
    ]
    return tuple(metrics)


GENERAL_WARM_START_METRICS = (
    STEP,
    Metric("prompt_loss", "mean over prompt tokens of -log π", "loss on prompts", "nats per token"),
    Metric("response_loss", "mean over response tokens of -log π", "loss on responses", "nats per token"),
    Metric("grad_norm", "‖g‖₂", "norm of the gradient before it is clipped to warm_start.max_grad_norm"),
    Metric("update_norm", "‖θ_after - θ_before‖₂", "norm of the change of the weights, in float32"),
    Metric("unparseable", "n(no answer) / n(all)", "share of held-out responses without a verdict or answer"),
)


def _warm_start_metrics() -> tuple[Metric, ...]:
    metrics = list(GENERAL_WARM_START_METRICS)
    for domain in Domain:
        for kind in Kind:
            meaning = f"pass@1 on held-out {kind} pairs of {domain}"
            metrics.append(Metric(f"pass@1/{domain}_{kind}", "n(correct verdict) / n(all)", meaning))
    return tuple(metrics)


# The records of `metrics.jsonl` of a warm start of the paper's task: means over the steps since the previous
# record, then held-out accuracy.
WARM_START_METRICS = _warm_start_metrics()
# The same of a task of questions.
QUESTION_WARM_START_METRICS = (
    *GENERAL_WARM_START_METRICS,
    Metric("pass@1/DOMAIN", "n(correct) / n(all)", "pass@1 on held-out questions of the domain DOMAIN"),
)
