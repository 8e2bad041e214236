"""Test the report page: that it is self-contained, and its filters in headless Chromium."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from corpo.analysis.study import Run, Study
from corpo.report.explorer import _rollout_records, evenly_spaced

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _has_failed_positive(prompt: dict[str, Any], baseline: str) -> bool:
    """Return whether a failed rollout of the prompt has a positive advantage under the baseline."""
    for policy in prompt["policies"]:
        for rollout in policy["rollouts"]:
            if not rollout["correct"] and rollout["advantages"][baseline] > 0:
                return True
    return False


def test_page_refers_to_no_other_file_and_to_no_network(results: Path) -> None:
    page = (results / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "://" not in page.partition("<script id")[0]  # base64 data contains no colon


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page_loads_without_messages_and_filters_rollouts(
    results: Path, browser: Any, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto((results / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width, (
        "wide tables scroll in their own box"
    )
    prompts = json.loads(page.locator("#data").text_content())
    position = page.locator("#position")

    assert position.inner_text() == f"1 of {len(prompts)} prompts"
    page.select_option("#split", "math_second_correct")
    of_split = [prompt for prompt in prompts if prompt["split"] == "math_second_correct"]
    assert position.inner_text() == f"1 of {len(of_split)} prompts"
    num_marked = sum(candidate["line"] > 0 for candidate in of_split[0]["candidates"])
    assert page.locator("#example pre .row.bug").count() == num_marked
    page.click("#next")
    assert position.inner_text() == f"2 of {len(of_split)} prompts"

    page.select_option("#split", "")
    page.select_option("#outcome", "failed")
    page.select_option("#baseline", "grpo")
    page.select_option("#sign", "1")
    num_matching = sum(_has_failed_positive(prompt, "grpo") for prompt in prompts)
    assert position.inner_text() == (f"1 of {num_matching} prompts" if num_matching else "no prompt")
    for row in page.locator("#example tbody tr").all():
        assert "failed" in row.inner_text()
    page.select_option("#baseline", "corpo")
    assert position.inner_text() == "no prompt", "CoRPO gives no failed rollout a positive advantage"
    assert messages == []
    page.close()


def test_single_rollout_has_zero_advantage_over_the_group_mean() -> None:
    rollout = {
        "response": "A: 10 B: 0",
        "score_a": 1.0,
        "score_b": 0.0,
        "parsed": True,
        "reward": 1.0,
        "correct": True,
        "tokens": 5,
    }
    rollouts = pd.DataFrame([rollout])
    runs = [Run(baseline, 0, pd.DataFrame(), {}, rollouts, {}) for baseline in ("grpo", "static")]
    study = Study({0: rollouts}, runs, 0.0, [1], pd.DataFrame())
    [record] = _rollout_records(rollouts, study)
    assert record["advantages"] == {"grpo": 0.0, "static": 1.0}


def test_evenly_spaced_items_are_few_and_in_order() -> None:
    assert evenly_spaced(range(10), 5) == [0, 2, 4, 6, 8]
    assert evenly_spaced(range(3), 5) == [0, 1, 2]
    assert evenly_spaced([], 5) == []
