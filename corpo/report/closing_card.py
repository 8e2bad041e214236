"""The card at the end of a study: verdicts in words, three numbers, the time and where the report is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from corpo.analysis.claims import CLAIM_TITLES, FAILS, HOLDS, Finding, findings
from corpo.analysis.runs import EARLY, rewarded_failures
from corpo.analysis.splits import accuracy, has_splits
from corpo.analysis.study import BASE, PAGE, PROVENANCE, Study, read_study
from corpo.report.names import PAPER_BASELINES, label_of
from corpo.utils.files import read_json, shown_path
from corpo.utils.progress import clock

WIDTH = 80
STYLES = {HOLDS: "green", FAILS: "red"}  # of verdicts; the others have none


def closing_card(folder: Path) -> Panel:
    """Return the card of the study in a results folder."""
    study, _ = read_study(folder)
    stages: dict[str, dict[str, Any]] = read_json(folder / PROVENANCE)
    seconds = sum(float(record["wall_seconds"]) for record in stages.values())
    seeds = "seed" if len(study.seeds) == 1 else "seeds"
    numbers_of_seeds = ", ".join(map(str, study.seeds))
    footer = Text(f"{len(stages)} stages took {clock(seconds)}; {seeds} {numbers_of_seeds}")
    links = Table.grid(padding=(0, 2))
    links.add_row("look at it", _path(folder / PAGE))
    links.add_row("read it", _path(folder / "report.md"))
    parts: list[RenderableType] = [verdicts(findings(study)), Text(), numbers(study), Text(), footer, links]
    return Panel(Group(*parts), title=folder.name, width=WIDTH, title_align="left")


def _path(path: Path) -> Text:
    """Return a path as a link, for terminals that show links."""
    return Text(str(shown_path(path)), style=f"link {path.resolve().as_uri()}")


def verdicts(results: Sequence[Finding]) -> Table:
    """Return a line per claim with the verdicts of its tests."""
    by_claim: dict[str, Counter[str]] = {}
    for finding in results:
        by_claim.setdefault(finding.claim, Counter())[finding.verdict] += 1
    table = Table.grid(padding=(0, 2))
    for claim, counts in by_claim.items():
        table.add_row(claim, CLAIM_TITLES[claim], _in_words(counts))
    return table


def _in_words(counts: Counter[str]) -> Text:
    """Return the verdicts of a claim, each with its number of tests if they differ."""
    text = Text()
    for verdict, number in counts.items():
        words = verdict if len(counts) == 1 else f"{verdict} ({number})"
        text.append(f"{', ' if text else ''}{words}", style=STYLES.get(verdict, ""))
    return text


def numbers(study: Study) -> Table:
    """Return the three numbers: rewarded failures, and accuracy in domain and out of domain."""
    policies = [name for name in (BASE, *PAPER_BASELINES) if name in (BASE, *study.baselines)]
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=38)
    for _ in policies:
        table.add_column(justify="right")
    table.add_row("", *map(label_of, policies))
    for label, values in _rows(study, policies):
        table.add_row(label, *values)
    return table


def _rows(study: Study, policies: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the label and the values of each number that the study has measured, means over seeds."""
    shares = [_rewarded(study, policy) for policy in policies]
    yield f"failures rewarded, first {EARLY} steps", shares
    k = min(study.ks)
    labels = ("one correct", "other kinds, and math") if study.has_pairs else ("in domain", "out of domain")
    for label, splits in zip(labels, (study.in_domain, study.out_of_domain), strict=True):
        if has_splits(study, splits):
            values = [f"{accuracy(study, policy, splits, k).mean():.1f}%" for policy in policies]
            yield f"pass@{k}, {label}", values


def _rewarded(study: Study, policy: str) -> str:
    """Return the share of failures that a baseline rewards in the first steps; the base was not trained."""
    if policy == BASE:
        return "–"
    return f"{rewarded_failures(study, policy, late=False).mean():.1%}"
