"""The card that a study ends with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from corpo.analysis.claims import CLAIM_TITLES, FAILS, HOLDS, STATEMENTS, UNDECIDED, Finding, findings
from corpo.analysis.study import read_study
from corpo.report.closing_card import closing_card, numbers, verdicts
from tests.command import ROOT
from tests.synthetic_study import synthetic_study


def printed(view: RenderableType) -> list[str]:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get().splitlines()


def make_finding(claim: str, verdict: str) -> Finding:
    return Finding(claim, "quantity", "1", "1", "1", verdict)


def test_every_claim_has_a_title() -> None:
    assert set(CLAIM_TITLES) == set(STATEMENTS)


def test_a_claim_has_its_verdict_or_the_number_of_each() -> None:
    results = [
        make_finding("C1", HOLDS),
        *(make_finding("C5", verdict) for verdict in (UNDECIDED, FAILS, FAILS)),
    ]
    lines = [" ".join(line.split()) for line in printed(verdicts(results))]
    assert lines == [
        f"C1 {CLAIM_TITLES['C1']} holds",
        f"C5 {CLAIM_TITLES['C5']} undecided (1), does not hold (2)",
    ]


def test_numbers_are_those_of_the_study() -> None:
    study = synthetic_study(2, 0.1)
    lines = printed(numbers(study))
    assert lines[0].split() == ["base", "GRPO", "static", "CoRPO"]
    shares = []
    for run in study.of("grpo"):
        early = run.metrics.head(5)
        failed = 1 - early["pass_rate"]
        shares.append((early["failed_positive_fraction"] * failed).sum() / failed.sum())
    assert f"{sum(shares) / len(shares):.1%}" in lines[1]
    assert len(lines) == 4


def test_card_of_a_study_fits_a_terminal_and_names_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    folder = ROOT / "results/study"
    lines = printed(closing_card(folder))
    assert {len(line) for line in lines} == {80}
    text = "\n".join(lines)
    for finding in findings(read_study(folder)[0]):
        assert re.search(rf"{finding.claim}  .*{finding.verdict}", text)
    assert "results/study/report.html" in text
    assert "results/study/report.md" in text
    assert re.search(r"\d+ stages took [\d:]+; seeds 0, 1, 2", text)


def test_a_report_elsewhere_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "results/study/report.md" in "".join(
        line.strip("│ ") for line in printed(closing_card(ROOT / "results/study"))
    )
