"""Claim by claim, what one study shows. Every sentence is computed from the records; none is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from corpo.report.records import Study

EARLY = 5  # steps
OUT_OF_DOMAIN = ("code_both_wrong", "code_both_correct", "math_first_correct", "math_second_correct")


@dataclass(frozen=True)
class Finding:
    claim: str
    text: str
    shown: str
    verdict: str  # "seen", "not seen" or "undecided"


def findings(study: Study, differences: pd.DataFrame) -> list[Finding]:
    """C1 to C6 in order; a claim about baselines that were not run is left out."""
    present = set(study.baselines)
    tests: list[tuple[set[str], Callable[[Study, pd.DataFrame], Finding]]] = [
        ({"grpo"}, _flaw),
        ({"static"}, _static),
        ({"corpo"}, _corpo),
        ({"static", "corpo"}, _ratio),
        ({"grpo", "static", "corpo"}, _generalisation),
        ({"grpo", "corpo"}, _conservatism),
    ]
    return [test(study, differences) for needs, test in tests if needs <= present]


def _window(study: Study, baseline: str, column: str, late: bool) -> float:
    """Mean over seeds and over the first or last `EARLY` steps."""
    curve = study.curve(baseline, column)
    return float((curve.iloc[-EARLY:] if late else curve.iloc[:EARLY]).mean().mean())


def _flaw(study: Study, _: pd.DataFrame) -> Finding:
    early, late = (_window(study, "grpo", "failed_positive_fraction", late) for late in (False, True))
    return Finding(
        "C1",
        "Under the group mean a failed rollout that is only less bad gets a positive advantage (18% in the paper's early batch).",
        f"GRPO: {early:.1%} of failed rollouts have A > 0 in the first {EARLY} steps, {late:.1%} in the last {EARLY}.",
        "seen" if early > 0 else "not seen",
    )


def _worst(study: Study, baseline: str) -> float:
    return float(study.curve(baseline, "failed_positive_fraction").max().max())


def _static(study: Study, _: pd.DataFrame) -> Finding:
    worst = _worst(study, "static")
    early, late = (_window(study, "static", "sum_ratio", late) for late in (False, True))
    return Finding(
        "C2",
        "A static baseline never rewards a failure, but stops driving improvement once most rollouts pass.",
        f"Largest share of failed rollouts with A > 0 in any step: {worst:.1%}. Its positive signal outgrows the negative one: ΣA⁺/Σ|A⁻| "
        f"goes from {early:.2f} to {late:.2f}. Whether improvement stops is not settled by a run of this length.",
        "seen (guarantee); undecided (stalling)" if worst == 0 else "not seen",
    )


def _corpo(study: Study, _: pd.DataFrame) -> Finding:
    worst = _worst(study, "corpo")
    early, late = (_window(study, "corpo", "clip_active_fraction", late) for late in (False, True))
    return Finding(
        "C3",
        "CoRPO keeps the guarantee and switches from correctness-seeking to preference-seeking by itself.",
        f"Largest share of failed rollouts with A > 0 in any step: {worst:.1%}. Groups whose mean is below R_min_correct (correctness-seeking): "
        f"{early:.1%} in the first {EARLY} steps, {late:.1%} in the last {EARLY}.",
        "seen" if worst == 0 and late < early else "not seen",
    )


def _ratio(study: Study, _: pd.DataFrame) -> Finding:
    parts, early_below = [], True
    rises: dict[str, float] = {}
    for baseline in ("static", "corpo"):
        early, late = (_window(study, baseline, "count_ratio", late) for late in (False, True))
        early_below &= early < 1
        rises[baseline] = late
        parts.append(f"{baseline} N⁺/N⁻ {early:.2f} early, {late:.2f} late")
    return Finding(
        "C4",
        "Positive over negative signal is below 1.0 early for static and CoRPO; later it rises sharply for static and settles for CoRPO.",
        "; ".join(parts) + ".",
        "seen" if early_below and rises["static"] > rises["corpo"] and rises["static"] > 1 else "not seen",
    )


def _generalisation(study: Study, differences: pd.DataFrame) -> Finding:
    out = differences[differences["split"].isin(OUT_OF_DOMAIN)]
    clear = [row for row in out.to_dict("records") if row["low"] > 0 or row["high"] < 0]
    ahead = sum(row["points"] > 0 for row in clear)
    behind = len(clear) - ahead
    lines = [
        f"{row['baseline']} on {row['split']} pass@{row['k']} {row['points']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}] (by seed {row['by_seed']})"
        for row in clear
    ]
    return Finding(
        "C5",
        "Static and CoRPO generalise better out of domain than GRPO.",
        f"Of {len(out)} out-of-domain differences to GRPO, {ahead} are clearly positive and {behind} clearly negative (95% intervals over problems, "
        f"which leave out the spread over seeds, not corrected for several comparisons): {'; '.join(lines) or 'none'}.",
        "seen" if ahead and not behind else "not seen" if behind and not ahead else "undecided",
    )


def _conservatism(study: Study, _: pd.DataFrame) -> Finding:
    parts, ends = [], {}
    for baseline in study.baselines:
        grad, kl = _window(study, baseline, "grad_norm", True), float(study.curve(baseline, "validation/kl_from_start").iloc[-1].mean())
        update = float(study.curve(baseline, "update_norm").mean().mean())
        ends[baseline] = update
        parts.append(f"{baseline}: mean update norm {update:.3f}, last gradient norm {grad:.2f}, KL from the base {kl:.2f} nats")
    return Finding(
        "C6",
        "CoRPO takes smaller weight-update steps.",
        "; ".join(parts) + ". AdamW divides by the gradient's own scale, so update norms differ little by construction.",
        "seen" if ends["corpo"] < 0.95 * ends["grpo"] else "not seen",
    )
