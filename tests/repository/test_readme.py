"""Tests that the README is short and that its example, code and claims are true."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from corpo.analysis.study import read_study
from corpo.analysis.verification import skill_table
from corpo.baselines import BASELINES, advantages
from corpo.task import OrdinalReward, parse_response
from docs.tools import flaw
from tests.command import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CLAIMS = ROOT / "results/README.md"
STUDY = "study"  # the results folder whose verdicts the README shows
GROUP = flaw.read_group()
NO_ROW = {"ablation", "tune"}  # the base of the ablations, and the settings of a search with Optuna


def _code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def _table(header: str) -> list[list[str]]:
    """Return the cells of the table whose header contains a text, without header and rule."""
    tables = [block.splitlines() for block in README.split("\n\n") if block.startswith("|")]
    [lines] = [lines for lines in tables if header in lines[0]]
    return [re.split(r"\s*\|\s*", line.strip("| ")) for line in lines[2:]]


def _rewards_in_text() -> list[float]:
    """Return the rewards of the example group, which a sentence lists with their numbers of times."""
    sentence = " ".join(README.split()).partition("The group earned")[2].partition("so that")[0]
    rewards = []
    for value, times in re.findall(r"`(-?[\d.]+)`(?: \((\d+) times\))?", sentence):
        rewards += [float(value)] * int(times or 1)
    return rewards


def test_readme_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_group_of_the_figure_is_in_the_records_of_every_baseline() -> None:
    place = ["seed", "step", "prompt"]
    table = pd.read_parquet(ROOT / GROUP["record"]).set_index(place).sort_index()
    chosen = table.loc[tuple(GROUP[column] for column in place)].sort_values("rollout")
    for baseline in ("grpo", "static", "corpo"):  # no update comes before the first batch
        recorded = chosen.loc[chosen["policy"] == baseline, "reward"].tolist()
        assert flaw.group_rewards(GROUP) == pytest.approx(recorded)


def test_example_shows_the_recorded_problem_and_programs() -> None:
    [block] = [text for text in _code_blocks("text") if GROUP["statement"] in text]
    column = next(line for line in block.splitlines() if line.startswith("[A]")).index("[B]")
    for name, start, end in (("a", 0, column), ("b", column, None)):
        listed = "\n".join(line[start:end].rstrip() for line in block.splitlines())
        assert GROUP[name] in listed
    assert GROUP["evidence"] in block


def test_example_lists_the_rewards_of_the_recorded_group() -> None:
    assert _rewards_in_text() == sorted(flaw.group_rewards(GROUP))


def _complete(shortened: str) -> str:
    """Return the response of the group that reads like this, with any text in the place of each ellipsis."""
    pattern = ".*".join(map(re.escape, shortened.split("…")))
    [response] = [response for response in GROUP["responses"] if re.fullmatch(pattern, response)]
    return str(response)


def test_a_whole_response_is_shown() -> None:
    [response] = [text for text in _code_blocks("text") if text.startswith("<think>")]
    assert response.strip() in GROUP["responses"]


def test_example_shows_the_advantages_of_its_rewards() -> None:
    rewards = _rewards_in_text()
    rewards_PG = torch.tensor([rewards], dtype=torch.float64)
    labels = (GROUP["a_correct"], GROUP["b_correct"])
    rows = _table("| response |")
    assert len(rows) == 3
    for response, reward, *cells in rows:
        text = _complete(response.strip("`"))
        assert OrdinalReward()(parse_response(text), labels) == float(reward)
        index = rewards.index(float(reward))
        for baseline, cell in zip(("grpo", "static", "corpo"), cells, strict=True):
            advantage = advantages(rewards_PG, baseline, threshold=0.0)[0, index].item()
            assert cell.strip("*") == f"{advantage:+.2f}", f"{text} under {baseline}"


def test_figure_counts_the_failures_that_grpo_rewards() -> None:
    rewards = flaw.group_rewards(GROUP)
    signs = zip(rewards, flaw.group_advantages(rewards, "grpo"), strict=True)
    assert sum(reward < 0 < advantage for reward, advantage in signs) == 4
    assert "reinforces four failures" in README
    _, labels = flaw.draw(GROUP).axes[0].get_legend_handles_labels()
    assert "failure that GRPO rewards (4)" in labels


def test_names_that_the_sampling_of_the_figure_imports_exist() -> None:
    for node in ast.walk(ast.parse(Path(flaw.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


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
