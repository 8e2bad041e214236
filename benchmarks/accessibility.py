"""Check a page with axe-core in headless Chromium: in light and dark, at three widths, with all parts open.

It needs `pip install axe-playwright-python` (which brings axe-core) and Chromium:

    python -m benchmarks.accessibility results/reproduce/report.html --pictures pictures

It prints each violation, and its exit code is 1 if there are any. With `--pictures`, it also writes pictures
of the page in each state into a folder.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = (390, 838, 1280)
SCHEMES = ("light", "dark")
HEIGHT = 900
OPTIONS = {"resultTypes": ["violations"]}  # leaves out the details of rules that hold
# Content that is folded, or shown on demand, is checked, too.
OPEN_ALL = """() => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  document.querySelectorAll("input.toggle").forEach((box) => { box.checked = true; });
}"""


def main() -> None:
    """Check the page that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder of the pictures")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    num_violations = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in SCHEMES:
            for width in WIDTHS:
                violations = check(browser, arguments.page, scheme, width, arguments.pictures)
                print(f"{scheme}, {width} pixels: {len(violations)} violations", flush=True)
                for violation in violations:
                    places = [node["target"] for node in violation["nodes"]]
                    print(f"  {violation['id']} ({violation['impact']}): {violation['help']}: {places[:5]}")
                num_violations += len(violations)
        browser.close()
    sys.exit(1 if num_violations else 0)


def check(
    browser: Browser, path: Path, scheme: str, width: int, pictures: Path | None
) -> list[dict[str, Any]]:
    """Return the violations that axe-core finds in a page with all its parts open."""
    page = browser.new_page(viewport={"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(path.resolve().as_uri())
    stem = f"{path.stem}-{scheme}-{width}"
    _take_picture(page, pictures, f"{stem}-closed")
    page.evaluate(OPEN_ALL)
    page.wait_for_timeout(300)  # tables of figures are filled when they are opened
    _take_picture(page, pictures, f"{stem}-open")
    violations: list[dict[str, Any]] = Axe().run(page, options=OPTIONS).response["violations"]
    page.close()
    return violations


def _take_picture(page: Page, folder: Path | None, name: str) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)


if __name__ == "__main__":
    main()
