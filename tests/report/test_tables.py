"""Test the results table on a synthetic study: cells, floors, published values, and the notes below it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from corpo.analysis.splits import PUBLISHED
from corpo.report.tables import failures_table, wide_table, write_tables
from corpo.tasks.verify import FAILURES
from corpo.utils.markdown import table
from tests.synthetic_study import synthetic_study


@pytest.mark.kind("checks after labelling, the funnel and the card")
def test_no_text_ends_a_cell_or_a_row() -> None:
    lines = table(["origin", "count"], [["mo|del\nb\rc\r\nd", 2]]).split("\n")
    assert lines[-1] == "| mo\\|del b c d | 2 |"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tables of a small study."""
    study = synthetic_study(2, 0.1)
    for rollouts in [*study.bases.values(), *(run.rollouts for run in study.runs)]:
        is_first = rollouts["kind"].isin(["first_correct", "both_correct"])
        is_second = rollouts["kind"].isin(["second_correct", "both_correct"])
        rollouts["label_a"], rollouts["label_b"] = is_first, is_second
        rollouts["score_a"], rollouts["score_b"] = 10.0 * is_first, 10.0 * is_second
        rollouts["parsed"], rollouts["swapped"] = True, False
    folder = tmp_path_factory.mktemp("tables")
    write_tables(study, folder)
    return folder


def test_cell_shows_mean_and_interval_of_the_long_table(folder: Path) -> None:
    table = pd.read_csv(folder / "table.csv")
    wide = wide_table(table, 1)
    row = table[(table["split"] == "code_both_wrong") & (table["policy"] == "corpo") & (table["k"] == 1)]
    values = row.iloc[0]
    [cell] = wide.loc[wide["split"] == "OOD: code, both wrong", "corpo"]
    assert cell == f"{values['percent']:.1f} [{values['low']:.1f}, {values['high']:.1f}]"


def test_published_values_stand_beside_pass_at_16_only(folder: Path) -> None:
    table = pd.read_csv(folder / "table.csv")
    column = "paper: GRPO / static / CoRPO"
    assert column not in wide_table(table, 1)
    assert column not in wide_table(table, 16, has_paper_splits=False)
    wide = wide_table(table, 16).set_index("split")
    values = PUBLISHED["code_both_wrong"]
    expected = f"{values['grpo']:.1f} / {values['static']:.1f} / {values['corpo']:.1f}"
    assert wide.loc["OOD: code, both wrong", column] == expected


def test_markdown_has_a_section_per_k_and_explains_the_floors(folder: Path) -> None:
    text = (folder / "table.md").read_text()
    assert "**pass@1 (%)**" in text
    assert "**pass@16 (%)**" in text
    assert "| random guess | random, one correct | length | words |" in text
    assert "floors" in text


def test_table_of_failures_has_shares_of_all_failures_in_percent() -> None:
    study = synthetic_study(2, 0.0)
    table = failures_table(study).set_index(["baseline", "steps"])
    shares = []
    for run in study.of("grpo"):
        first = run.metrics.iloc[:5]
        failed = sum(first[f"failed_{verdict}"].sum() for verdict in FAILURES)
        shares.append(first["rewarded_both_correct"].sum() / failed)
    assert table.loc[("grpo", "first 5"), "rewarded, both correct"] == f"{50 * sum(shares):.1f}"
    assert table.loc[("corpo", "last 5"), "rewarded"] == "0.0"
    runs = [replace(run, metrics=run.metrics.drop(columns="failed_swapped")) for run in study.runs]
    assert failures_table(replace(study, runs=runs)).empty
