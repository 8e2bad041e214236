"""The report page in a real browser: headless Chromium, at two widths, light and dark."""

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
from corpo.report.explorer import _group

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_it_needs_nothing_beside_it(results: Path) -> None:
    page = (results / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "://" not in page.partition("<script id")[0]  # in base64 no colon can stand


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_loads_without_a_word_and_filters(results: Path, browser: Any, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((results / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width, (
        "wide tables scroll in a box of their own"
    )
    data = json.loads(page.locator("#data").text_content())

    everything = page.locator("#where").inner_text()
    assert everything == f"1 of {len(data)} prompts"
    page.select_option("#split", "math_second_correct")
    mine = [one for one in data if one["split"] == "math_second_correct"]
    assert page.locator("#where").inner_text() == f"1 of {len(mine)} prompts"
    assert page.locator("#example pre .row.bug").count() == sum(c["line"] > 0 for c in mine[0]["candidates"])
    page.click("#next")
    assert page.locator("#where").inner_text() == f"2 of {len(mine)} prompts"

    page.select_option("#split", "")
    page.select_option("#verdict", "failed")
    page.select_option("#baseline", "grpo")
    page.select_option("#sign", "1")
    wanted = [
        one
        for one in data
        if any(
            not r["correct"] and r["advantages"]["grpo"] > 0
            for policy in one["policies"]
            for r in policy["rollouts"]
        )
    ]
    shown = page.locator("#where").inner_text()
    assert shown == (f"1 of {len(wanted)} prompts" if wanted else "no prompt")
    for row in page.locator("#example tbody tr").all():
        assert "failed" in row.inner_text()
    page.select_option("#baseline", "corpo")
    assert page.locator("#where").inner_text() == "no prompt", "CoRPO never rewards a failure"
    assert said == []
    page.close()


def test_a_lone_rollout_has_no_advantage_over_its_mean() -> None:
    rollout = pd.DataFrame(
        [
            {
                "response": "A: 10 B: 0",
                "score_a": 1.0,
                "score_b": 0.0,
                "parsed": True,
                "reward": 1.0,
                "correct": True,
                "tokens": 5,
            }
        ]
    )
    runs = [Run(baseline, 0, pd.DataFrame(), {}, rollout, {}) for baseline in ("grpo", "static")]
    [shown] = _group(rollout, Study({0: rollout}, runs, 0.0, [1], pd.DataFrame()))
    assert shown["advantages"] == {"grpo": 0.0, "static": 1.0}
