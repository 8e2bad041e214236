"""Render the pages of the folder `templates`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2


def render(template: str, examples: Sequence[Mapping[str, Any]], **values: Any) -> str:
    """Return a page of the folder `templates`; its script shows one of `examples` at a time.

    The page needs no other files and no network.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    examples_json = json.dumps(examples, allow_nan=False)
    examples_json = examples_json.replace("<", "\\u003c")  # no text in it can end the script
    return environment.get_template(template).render(examples_json=examples_json, **values)
