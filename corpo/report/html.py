"""Render the pages of the folder `templates`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2


def render(template: str, data: object, **values: Any) -> str:
    """Return a page of the folder `templates`; its script shows parts of `data`, which is written as JSON.

    The page needs no other files and no network.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    embedded = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    embedded = embedded.replace("<", "\\u003c")  # no text in it can end the script
    return environment.get_template(template).render(embedded=embedded, **values)
