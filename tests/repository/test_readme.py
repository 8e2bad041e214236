"""Tests that the README is short and that its example, code and claims are true."""

from __future__ import annotations

import re

import pandas as pd
import pytest
import torch

from corpo.analysis.study import read_study
from corpo.analysis.verification import skill_table
from corpo.baselines import BASELINES, advantages
from corpo.data.pipelines.grading import right_traces
from corpo.task import OrdinalReward, parse_response
from docs.tools import demo
from tests.command import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CLAIMS = ROOT / "results/README.md"
STUDY = "study"  # the results folder whose verdicts the README shows
DEMO = demo.read_demo()
NO_ROW = {"ablation", "tune"}  # the base of the ablations, and the settings of a search with Optuna


def _code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def _table(header: str) -> list[list[str]]:
    """Return the cells of the table whose header contains a text, without header and rule."""
    tables = [block.splitlines() for block in README.split("\n\n") if block.startswith("|")]
    [lines] = [lines for lines in tables if header in lines[0]]
    return [re.split(r"\s*\|\s*", line.strip("| ")) for line in lines[2:]]


def test_readme_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_picture_is_what_the_demonstration_prints() -> None:
    assert demo.PICTURE.read_text(encoding="utf-8") == demo.draw(DEMO), "run: python -m docs.tools.demo"
    assert 'src="docs/demo.svg"' in README


def test_recorded_rewards_are_those_of_the_recorded_responses() -> None:
    reward = OrdinalReward()
    rewards = [reward(parse_response(response), DEMO.pair.labels) for response in DEMO.responses]
    assert rewards == DEMO.rewards
    rewards_PG = torch.tensor([rewards], dtype=torch.float64)
    for baseline, recorded in DEMO.advantages.items():
        computed = advantages(rewards_PG, baseline, threshold=reward.threshold)[0].tolist()
        assert computed == pytest.approx(recorded, abs=1e-4)


def test_description_of_the_picture_has_its_numbers() -> None:
    [description] = re.findall(r'alt="([^"]*)"', README)
    assert DEMO.signs.count("▲") == 5
    assert "five failures lie between" in description
    assert f"the group mean, {DEMO.mean:.2f}, and R_min_correct, {DEMO.threshold:g}" in description
    assert f"GRPO rewards {DEMO.num_rewarded['grpo']} of {DEMO.num_failures} failures" in description
    assert DEMO.num_rewarded["static"] == DEMO.num_rewarded["corpo"] == 0


def test_a_rewarded_failure_is_shown_with_its_slip() -> None:
    [response] = [text.strip() for text in _code_blocks("text") if text.startswith("<think>")]
    index = DEMO.responses.index(response)
    assert DEMO.signs[index] == "▲"
    text = " ".join(README.split())
    assert f"This response earns {DEMO.rewards[index]}, which is above the mean of its group, " in text
    assert f"{DEMO.mean:.2f}: GRPO reinforces it" in text
    [(right, written)] = re.findall(r"`odd` leaves (\d+), not (\d+),", text)
    wanted = right_traces(DEMO.pair)
    assert wanted is not None
    assert f"odd:{written};" in response
    assert all(f"odd:{right};" in trace for trace in wanted)


def test_table_of_baselines_names_the_three_of_the_paper() -> None:
    names = [row[0].strip("`") for row in _table("baseline b in A")]
    assert names == ["grpo", "static", "corpo"]
    assert set(names) <= set(BASELINES)


def test_number_of_other_baselines_is_right() -> None:
    assert len(BASELINES) == 3 + 11
    assert "beside eleven [others]" in README


def test_pytorch_loop_learns_the_best_answer() -> None:
    [block] = [text for text in _code_blocks("python") if "import torch" in text]
    torch.manual_seed(0)
    names: dict[str, object] = {}
    exec(block, names)
    logits = names["logits"]
    assert isinstance(logits, torch.Tensor)
    assert logits.softmax(dim=0)[3] > 0.9


def _rows_of_claim(claim: str) -> list[str]:
    """Return the rows about a claim in the section of the study on the page of all tests."""
    section = CLAIMS.read_text(encoding="utf-8").partition(f"\n## {STUDY}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith(f"| {claim} |")]


@pytest.mark.parametrize("row", _table("claim of the paper"), ids=lambda row: row[0][:2])
def test_verdicts_and_estimates_are_those_of_the_tests(row: list[str]) -> None:
    claim, verdicts, estimates, _ = row
    sources = _rows_of_claim(claim[:2])
    assert sources, f"{CLAIMS.name} has no test of {claim[:2]} in the section {STUDY}"
    parts = list(zip(verdicts.split("; "), estimates.split("; "), strict=True))
    for verdict, estimate in parts:
        numbers = re.search(r"[+-]?[\d.]+%? \[[^\]]*\]|0 of \d+ batches", estimate)
        assert numbers, estimate
        assert any(numbers[0] in source and f"| {verdict} |" in source for source in sources), estimate


def test_claims_of_the_paper_have_a_row_each() -> None:
    assert [row[0][:2] for row in _table("claim of the paper")] == [f"C{number}" for number in range(1, 7)]


def _number(cell: str) -> float:
    """Return the number in a cell of a table, which may be a percentage."""
    return float(cell.strip("%")) / 100 if "%" in cell else float(cell)


def test_table_of_skill_is_computed_from_the_records() -> None:
    study, _ = read_study(ROOT / "results" / STUDY)
    skill = skill_table(study)
    columns = (
        "traced",
        "pass@1_mixed",
        "pass@1_both_correct",
        "pass@1_both_wrong",
        "exactly_one_homogeneous",
    )
    rows = _table("AUC: code, seen")
    assert [row[0].strip("`") for row in rows] == ["base", "grpo", "static", "corpo"]
    for name, *cells in rows:
        of_policy = skill[skill["policy"] == name.strip("`")]
        parts = ("code, seen", "code, unseen", "code, long")
        wanted = [_mean(of_policy, "auc", part) for part in parts]
        wanted.append(_mean(of_policy, "auc", "math, seen", "math, unseen"))
        wanted += [_mean(of_policy, column, "code, seen", "code, unseen") for column in columns]
        assert list(map(_number, cells)) == pytest.approx(wanted, abs=0.0051)


def _mean(rows: pd.DataFrame, column: str, *parts: str) -> float:
    """Return the mean of a column over the rows of some parts."""
    return float(rows[rows["part"].isin(parts)][column].mean())


def test_scale_has_a_row_for_every_experiment() -> None:
    names = " ".join(row[0] for row in _table("| hardware |"))
    experiments = {path.stem for path in (ROOT / "conf/experiment").glob("*.yaml")} - NO_ROW
    ablations = {name for name in experiments if name.startswith("ablate_")}
    contrasts = {name for name in experiments if name.startswith("contrast_")}
    assert (len(ablations), len(contrasts)) == (4, 6)
    assert "`ablate_*` (four)" in names
    assert "`contrast_*` (six)" in names
    for name in experiments - ablations - contrasts:
        assert f"`{name}`" in names
