"""Configure Sphinx for the documentation site, which `make docs` builds into outputs/site/.

The pages stay plain Markdown that is also readable in the repository. Two things are added when Sphinx reads
them: the table of contents, and a mark on links to Markdown files outside docs/, so that Sphinx copies these
files to the site. It copies other linked files and images without a mark. A broken link fails the build.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

project = html_title = "corpo"
extensions = ["myst_parser"]
exclude_patterns = ["tools"]
myst_heading_anchors = 3  # links may lead to headings of levels 1 to 3
nitpicky = True
html_theme = "furo"
html_copy_source = False

CONTENTS = {
    "How to": (
        "sweeps",
        "data",
        "generate",
        "extending",
        "plugins",
        "trl",
        "verl",
        "devices",
        "tracking",
        "troubleshooting",
    ),
    "Reference": ("commands", "options", "metrics", "baselines", "files"),
    "Explanation": (
        "concepts",
        "verifying",
        "generating",
        "theory",
        "statistics",
        "reviewer",
        "architecture",
        "safety",
        "findings",
        "glossary",
    ),
}
DOCS = Path(__file__).parent
MARKDOWN_LINK = re.compile(r"(?<=\]\()(\.\.[^)\s#]+\.md)(?=\))")


def contents() -> str:
    """Return the table of contents as hidden toctree directives."""
    parts: list[tuple[str, list[str]]] = [("Start", ["getting_started"])]
    for kind, pages in CONTENTS.items():
        folder = kind.lower().replace(" ", "_")
        parts.append((kind, [f"{folder}/{page}" for page in pages]))
    blocks = []
    for caption, names in parts:
        lines = "\n".join(names)
        blocks.append(f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n")
    return "".join(blocks)


def prepare(app: Any, page: str, source: list[str]) -> None:
    """Add the table of contents to the first page, and mark links to Markdown files outside docs/."""

    def mark(match: re.Match[str]) -> str:
        path = Path(os.path.normpath((DOCS / page).parent / match[1]))
        return match[1] if path.is_relative_to(DOCS) else f"path:{match[1]}"

    source[0] = MARKDOWN_LINK.sub(mark, source[0])
    if page == "index":
        source[0] += contents()


def setup(app: Any) -> None:
    """Let Sphinx call `prepare` for each page."""
    app.connect("source-read", prepare)
