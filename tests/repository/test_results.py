"""The committed results: every picture is shown by a page, and every picture that a page shows exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.command import ROOT

RESULTS = ROOT / "results"
PAGES = sorted(RESULTS.rglob("*.md"))


def _pictures_of(page: Path) -> set[Path]:
    targets = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return {(page.parent / target).resolve() for target in targets}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(RESULTS)))
def test_pictures_of_a_page_exist(page: Path) -> None:
    for picture in _pictures_of(page):
        assert picture.is_file(), f"{page}: {picture}"


def test_every_picture_is_shown_by_a_page() -> None:
    embedded: set[Path] = set()
    for page in PAGES:
        embedded |= _pictures_of(page)
    pictures = {path.resolve() for path in RESULTS.rglob("*.png")}
    assert pictures <= embedded, sorted(str(path.relative_to(RESULTS)) for path in pictures - embedded)
