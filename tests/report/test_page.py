"""Test the report page: what it holds, that it is self-contained, and its explorer in headless Chromium."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from corpo.analysis.claims import STATEMENTS
from corpo.analysis.study import Run, Study
from corpo.report.explorer import (
    _group_record,
    aligned_lines,
    evenly_spaced,
    explorer_data,
    pair_record,
    training_examples,
)
from corpo.report.html import render
from tests.train.tiny_trainer import example_pairs, reversal_pair

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)
ADVANTAGES = 5  # the first column of a row of the explorer that has an advantage
ROLLOUT = {
    "response": "<think></think> A: 10 B: 0",
    "score_a": 10.0,
    "score_b": 0.0,
    "parsed": True,
    "reward": 1.0,
    "correct": True,
    "tokens": 5,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _data(page: str) -> dict[str, Any]:
    """Return the data that the explorer of a page shows."""
    match = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert match
    data: dict[str, Any] = json.loads(match[1])
    return data


def _with_data(page: str, data: dict[str, Any]) -> str:
    """Return a page whose explorer shows other data."""
    embedded = json.dumps(data).replace("<", "\\u003c")
    head, start, rest = page.partition('<script id="data" type="application/json">')
    return f"{head}{start}{embedded}{rest[rest.index('</script>') :]}"


def _group(name: str, rewards: list[float]) -> dict[str, Any]:
    """Return the record of a group whose responses are named after their rewards."""
    rows = []
    for reward in rewards:
        rows.append({**ROLLOUT, "response": f"response {reward}", "reward": reward, "correct": reward > 0})
    table = pd.DataFrame(rows)
    return _group_record(name, table, _study(table))


def _records() -> list[dict[str, Any]]:
    """Return records of two evaluated prompts and of one training prompt."""
    pair = reversal_pair()
    all_failed = _group("base", [-0.2, -0.2, -0.2, -1.0])
    mixed = _group("static, seed 0", [1.0, -0.2, -1.0, -1.0, -1.0])
    all_correct = _group("base", [1.0, 0.8])
    return [
        {**pair_record("code_first_correct", pair), "policies": [all_failed, mixed]},
        {**pair_record("math_second_correct", pair.swapped()), "policies": [all_correct, all_correct]},
        {**pair_record("train", pair), "step": 7, "policies": [all_correct]},
    ]


@pytest.fixture
def explorer_page(results: Path, tmp_path: Path) -> Path:
    """Return the page of the tiny experiment with other groups in its explorer."""
    path = tmp_path / "report.html"
    data = explorer_data(_records(), ["grpo", "static", "corpo"], 0.0)
    path.write_text(_with_data((results / "report.html").read_text(), data))
    return path


def test_page_refers_to_no_other_file_and_to_no_network(results: Path) -> None:
    page = (results / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "://" not in page.partition("<script id")[0]


def test_page_begins_with_what_was_run_and_found(results: Path) -> None:
    page = unescape((results / "report.html").read_text())
    summary = page.partition('class="summary"')[2].partition("</section>")[0]
    assert (
        "GRPO, static and CoRPO were trained with one seed each from one base policy, for 3 steps." in summary
    )
    assert "Each step sampled 4 responses to each of 4 prompts." in summary
    assert re.search(r"In domain, pass@1 was [\d.]+% before training, and [\d.]+% with GRPO, ", summary)
    places = [page.index(f'<h2 id="{name}"') for name in ("claims", "table", "figures", "rollouts")]
    assert places == sorted(places)


def test_page_has_a_verdict_per_claim_and_intervals_on_demand(results: Path) -> None:
    page = unescape((results / "report.html").read_text())
    claims = page.partition('<h2 id="claims"')[2].partition("<h2")[0]
    for claim, statement in STATEMENTS.items():
        assert f"<strong>{claim}</strong>" in claims
        assert statement in claims
    assert re.search(r'<span class="verdict undecided">\? undecided', claims)
    table = page.partition('<h2 id="table"')[2].partition("<h2")[0]
    row = table.partition('<th scope="row">in domain: code, first correct')[2].partition("</tr>")[0]
    assert re.search(r'<td class="number">[\d.]+ <span class="interval">\[[\d.]+, [\d.]+\]</span>', row)


def test_explorer_has_whole_groups_of_evaluation_and_training(results: Path) -> None:
    data = _data((results / "report.html").read_text())
    assert data["baselines"] == ["GRPO", "static", "CoRPO"]
    policies = {group["policy"] for group in data["groups"]}
    assert policies == {"base", "GRPO, seed 0", "static, seed 0", "CoRPO, seed 0"}
    for group in data["groups"]:
        assert sum(row[4] for row in group["rows"]) == 4
        mean = sum(row[2] * row[4] for row in group["rows"]) / 4
        assert group["mean"] == pytest.approx(mean, abs=1e-3)
        for row in group["rows"]:
            assert row[ADVANTAGES] == pytest.approx(row[2] - mean, abs=2e-3)
            assert row[3] or row[ADVANTAGES + 2] <= 0, "CoRPO gives no failure a positive advantage"
    steps = {prompt.get("step") for prompt in data["prompts"]}
    assert steps == {None, 1, 3}, "the first and the last step of training"
    by_step = [prompt for prompt in data["prompts"] if prompt.get("step") == 3]
    assert len(by_step) == 4


def test_hostile_texts_do_not_become_markup() -> None:
    hostile = "</script><img src=x onerror=alert(1)> <!-- \u2028 '\""
    page = render("pairs.html", [{"text": hostile}], prompts=1, prompts_per_split=1, sheet=hostile)
    [record] = _data(page)
    assert record["text"] == hostile
    assert "<img src=x" not in page


@needs_browser
def test_hostile_texts_are_shown_as_they_are(results: Path, browser: Any, tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=document.title=1><b>"
    text = (results / "report.html").read_text()
    data = _data(text)
    group = data["groups"][0]
    prompt = data["prompts"][group["prompt"]]
    group["rows"][0][0] = group["policy"] = prompt["statement"] = prompt["split"] = hostile
    prompt["lines"][0] = [hostile, hostile]
    changed = tmp_path / "report.html"
    changed.write_text(_with_data(text, data))
    page = browser.new_page()
    page.goto(changed.as_uri() + "#rollouts?group=0")
    box = page.locator("#group")
    assert hostile in box.inner_text()
    assert box.locator("pre").inner_text() == hostile
    assert page.locator("#group img, #group b").count() == 0
    assert page.title() != "1"
    page.close()


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_explorer_opens_on_failures_that_grpo_rewards(
    explorer_page: Path, browser: Any, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(explorer_page.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width, (
        "wide tables scroll in their own box"
    )
    position, group = page.locator("#position"), page.locator("#group")
    assert page.locator("#show").input_value() == "rewarded GRPO"
    assert position.inner_text() == "1 of 2 groups"
    assert group.locator("h3").inner_text().startswith("static, seed 0"), "it has a correct response, too"
    assert group.locator(".mark").count() == 5, "a mark per response, also of equal ones"
    assert group.locator(".mark.rewarded title").text_content().endswith("reward −0.20: response -0.2")
    label = group.locator(".number-line").get_attribute("aria-label")
    assert label == "Number line of the rewards. Group mean −0.44. R_min_correct 0."
    assert "GRPO rewards 1; the other baselines reward none." in group.inner_text()
    cells = group.locator("tbody.interest tr").first.locator("td").all_inner_texts()
    assert cells == ["10 / 0", "−0.20", "+0.24", "−0.20", "−0.20"]
    [bug] = group.locator("td.bug").all()
    assert "xs = xs[1:]" in bug.inner_text()
    assert "bug" in bug.inner_text()
    page.select_option("#show", "rewarded CoRPO")
    assert position.inner_text() == "no group", "CoRPO gives no failure a positive advantage"
    assert messages == []
    page.close()


@needs_browser
def test_explorer_filters_groups_moves_by_keys_and_keeps_its_state_in_the_address(
    explorer_page: Path, browser: Any
) -> None:
    page = browser.new_page()
    page.goto(explorer_page.as_uri())
    position, heading = page.locator("#position"), page.locator("#group h3")
    page.select_option("#show", "")
    assert position.inner_text() == "1 of 5 groups"
    page.select_option("#step", "7")
    assert position.inner_text() == "1 of 1 group"
    assert heading.inner_text() == "base, training step 7: train"
    page.select_option("#step", "")
    page.select_option("#policy", "base")
    page.select_option("#split", "math_second_correct")
    assert position.inner_text() == "1 of 2 groups"
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    assert position.inner_text() == "2 of 2 groups"
    page.keyboard.press("ArrowRight")
    assert position.inner_text() == "2 of 2 groups", "there is no group after the last one"

    again = browser.new_page()
    again.goto(page.url)
    assert again.locator("#position").inner_text() == "2 of 2 groups"
    assert again.locator("#policy").input_value() == "base"
    assert again.locator("#group").inner_text() == page.locator("#group").inner_text()
    again.goto(explorer_page.as_uri() + "#rollouts?split=train")
    again.reload()
    assert again.locator("#group h3").inner_text() == "base, training step 7: train", "the first of the split"
    again.close()
    page.keyboard.press("ArrowLeft")
    assert position.inner_text() == "1 of 2 groups"
    page.select_option("#split", "code_first_correct")
    page.get_by_role("button", name="static, seed 0").click()
    assert position.inner_text() == "outside the filters; 1 group"
    page.close()


@needs_browser
def test_figures_follow_the_page_and_show_their_values(results: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page.goto((results / "report.html").as_uri())
    figure = page.locator("figure.plot", has=page.locator("svg metadata")).first
    background = "getComputedStyle(document.querySelector('figure.plot svg path')).fill"
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) != dark
    panel = json.loads(figure.locator("metadata").text_content())[0]
    figure.locator("summary").click()
    assert figure.locator("table").count() > 0
    num_points = sum(len(series["x"]) for series in panel["series"])
    assert figure.locator("table").first.locator("tbody tr").count() == num_points
    page.close()


def _study(rollouts: pd.DataFrame) -> Study:
    runs = [Run(baseline, 0, pd.DataFrame(), {}, rollouts, {}) for baseline in ("grpo", "static", "corpo")]
    return Study({0: rollouts}, runs, 0.0, [1], pd.DataFrame())


def test_single_rollout_has_zero_advantage_over_the_group_mean() -> None:
    rollouts = pd.DataFrame([ROLLOUT])
    [record] = _group_record("base", rollouts, _study(rollouts))["rollouts"]
    assert record["advantages"] == {"grpo": 0.0, "static": 1.0, "corpo": 0.0}


def test_equal_responses_share_a_row_and_rewards_fall() -> None:
    failed = {**ROLLOUT, "response": "nothing", "parsed": False, "reward": -1.0, "correct": False}
    rollouts = pd.DataFrame([failed, ROLLOUT, failed, failed])
    group = _group_record("static, seed 3", rollouts, _study(rollouts))
    record = {"split": "s", "candidates": [{"text": "a"}, {"text": "b"}], "policies": [group]}
    data = explorer_data([record], ["grpo", "static"], 0.0)
    [listed] = data["groups"]
    assert (listed["policy"], listed["mean"]) == ("static, seed 3", -0.5)
    assert listed["rows"] == [
        [ROLLOUT["response"], (10.0, 0.0), 1.0, True, 1, 1.5, 1.0],
        ["nothing", None, -1.0, False, 3, -0.5, -1.0],
    ]
    del group["mean"]  # records of earlier versions have a part of a group, and not its mean
    assert explorer_data([record], ["grpo"], 0.0)["groups"][0]["mean"] is None


def test_lines_are_aligned_where_they_are_equal() -> None:
    assert list(aligned_lines("a\nb\nc", "a\nx\ny\nc")) == [("a", "a"), ("b", "x"), (None, "y"), ("c", "c")]


def test_training_examples_have_the_advantages_that_trained() -> None:
    pair, swapped = example_pairs(1)
    rows = []
    for step in range(1, 13):
        for rollout, text in enumerate(("<think></think> A: 9 B: 1", "no scores")):
            row = {"step": step, "prompt": 0, "pair_id": pair.id, "swapped": swapped.is_swapped}
            row |= {"rollout": rollout, "response": text, "tokens": 3}
            rows.append({**row, "reward": 0.5 - rollout, "advantage": 0.25 - rollout})
    kept = pd.DataFrame(rows)
    records = training_examples({"static": kept}, [pair, swapped], _study(pd.DataFrame([ROLLOUT])))
    assert [record["step"] for record in records] == [1, 3, 5, 7, 9, 12]
    assert records[0]["candidates"][0]["text"] == swapped.a.text
    [policy] = records[0]["policies"]
    assert policy["name"] == "static, seed 0"
    first, second = policy["rollouts"]
    assert (first["scores"], first["correct"], second["scores"], second["correct"]) == (
        [9, 1],
        True,
        None,
        False,
    )
    assert first["advantages"] == {"grpo": 0.5, "static": 0.25, "corpo": 0.5}, (
        "of static, those that were recorded"
    )
    assert training_examples({}, [pair], _study(pd.DataFrame([ROLLOUT]))) == []


def test_evenly_spaced_items_are_few_and_in_order() -> None:
    assert evenly_spaced(range(10), 5) == [0, 2, 4, 6, 8]
    assert evenly_spaced(range(3), 5) == [0, 1, 2]
    assert evenly_spaced([], 5) == []
