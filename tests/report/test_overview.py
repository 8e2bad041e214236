"""The paragraphs at the beginning of a report."""

from __future__ import annotations

from dataclasses import replace

from corpo.analysis.claims import HOLDS, UNDECIDED, Finding
from corpo.analysis.runs import rewarded_failures
from corpo.report.overview import overview
from tests.synthetic_study import synthetic_study


def _finding(verdict: str) -> Finding:
    return Finding("C1", "quantity", "1", "1", "1", verdict)


def test_overview_says_what_was_run_and_found() -> None:
    study = synthetic_study(2, 0.1)
    run, results = overview(study, [_finding(HOLDS), _finding(UNDECIDED), _finding(UNDECIDED)])
    assert run == (
        "GRPO, static and CoRPO were trained with 2 seeds each from one base policy, for 12 steps. "
        "Each step sampled 8 responses to each of 8 prompts. "
        "Then the base and the trained policies were evaluated on 240 prompts of 6 splits, "
        "with 16 responses to each prompt."
    )
    share = rewarded_failures(study, "grpo", late=False).mean()
    assert f"the share of failures with a positive advantage was {share:.1%} with GRPO." in results
    assert "No failure ever had a positive advantage with static and CoRPO." in results
    assert results.endswith("Of 3 tests of claims, the verdict is “holds” for 1 and “undecided” for 2.")


def test_overview_of_many_baselines_gives_ranges() -> None:
    study = synthetic_study(1, 0.1)
    runs = list(study.runs)
    for name in ("rloo", "opo"):
        runs.append(replace(runs[0], baseline=name))
    run, results = overview(replace(study, runs=runs), [])
    assert run.startswith("5 baselines were trained with one seed each")
    assert "% to " in results
    assert results.endswith("One seed gives no intervals, so it can decide few of the tests.")
