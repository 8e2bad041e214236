"""Rows that no data set should hold get one line, and keys see every local file of a source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpo.config import DataConfig, SourceConfig
from corpo.data.build_sources import problems_cache_spec
from corpo.data.execution.values import read_value
from corpo.data.sources import read_problems
from corpo.utils.errors import DataError

GOOD: dict[str, Any] = {
    "id": "1",
    "statement": "Return 1.",
    "tests": [{"input": "1", "output": "2"}],
    "candidates": ["print(2)"],
}
ROWS: dict[str, tuple[Any, str]] = {
    "null output": ({**GOOD, "tests": [{"input": "1", "output": None}]}, "'output' is None"),
    "null among the lines of an output": (
        {**GOOD, "tests": [{"input": "1", "output": ["2", None]}]},
        "'output'",
    ),
    "id with a newline": ({**GOOD, "id": "1\n# 2"}, "without line breaks"),
    "id with an escape sequence": ({**GOOD, "id": "\x1b[2J"}, "without line breaks"),
    "topic with a newline": ({**GOOD, "topic": "a\n| b |"}, "without line breaks"),
    "half of a surrogate pair": ({**GOOD, "candidates": ["print('\udc80')"]}, "not valid Unicode"),
    "deep": ({**GOOD, "tests": [{"args": [json.loads("[" * 150 + "]" * 150)], "value": 1}]}, "nested"),
    "deep in a text": ({**GOOD, "tests": "[" * 150 + "]" * 150}, ""),
}


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
@pytest.mark.parametrize("case", ROWS)
def test_a_hostile_row_gets_one_line(case: str, suffix: str, tmp_path: Path) -> None:
    row, expected = ROWS[case]
    path = tmp_path / f"mine.{suffix}"
    path.write_text(json.dumps(row) if suffix == "jsonl" else json.dumps([row]))
    with pytest.raises(DataError) as error:
        read_problems("own", SourceConfig(path=str(path)))
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_a_key_that_is_there_twice_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{suffix}"
    path.write_text(json.dumps(GOOD)[:-1] + ', "id": "2"}')
    with pytest.raises(DataError, match="not JSON"):
        read_problems("own", SourceConfig(path=str(path)))


def _spec(source: SourceConfig) -> dict[str, object]:
    return problems_cache_spec(DataConfig(sources={"own": source}))


@pytest.mark.parametrize("option", ["path", "hub"])
def test_the_key_sees_files_of_a_folder_and_behind_links(option: str, tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
    for name in (elsewhere, folder):
        name.mkdir()
    (elsewhere / "tests.json").write_text("[]")
    (elsewhere / "alone.txt").write_text("1")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "linked.txt").symlink_to(elsewhere / "alone.txt")
    (folder / "around").symlink_to(folder)  # a circle
    source = SourceConfig(**{option: str(folder)})
    specs = [_spec(source)]
    for changed in (elsewhere / "tests.json", elsewhere / "alone.txt", folder / "new.jsonl"):
        changed.write_text("another text")
        specs.append(_spec(source))
    assert len({json.dumps(spec) for spec in specs}) == len(specs)


@pytest.mark.parametrize(
    "text", ["Fraction('1e9999999')", "Fraction(1)", "Fraction(1, 'a')", "Fraction(1.5, 2)"]
)
def test_a_forged_fraction_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain value"):
        read_value(text)
