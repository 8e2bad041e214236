"""Write and read problems and pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
from datasets import Dataset

from corpo.data.store import (
    content_hash,
    pair_rows,
    pairs_of,
    problem_rows,
    problems_of,
    read_rows,
    write_rows,
)
from corpo.data.types import LabelledProblem
from corpo.task import Pair
from corpo.utils.errors import DataError


def test_problems_and_pairs_round_trip(
    tmp_path: Path, problems: list[LabelledProblem], splits: dict[str, list[Pair]]
) -> None:
    rows = problem_rows(problems[:20])
    write_rows(tmp_path / "problems.parquet", rows)
    assert problem_rows(problems_of(read_rows(tmp_path / "problems.parquet"))) == rows
    named: list[tuple[str, Pair]] = []
    for name, pairs in splits.items():
        named += [(name, pair) for pair in pairs[:4]]
    write_rows(tmp_path / "pairs.parquet", pair_rows(named))
    assert pairs_of(read_rows(tmp_path / "pairs.parquet"), "x") == named
    assert content_hash(pair_rows(named)) == content_hash(pair_rows(list(named)))


def test_rows_are_written_wherever_pyarrow_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write with packages in any folder, as after `pip install --target`; see `corpo.data.store.data_set`."""
    rows = [{"name": "a", "parts": ["x"], "line": 1}, {"name": "b", "parts": [], "line": 2}]
    monkeypatch.setattr(pyarrow, "__file__", str(tmp_path / "packages/pyarrow/__init__.py"))
    with pytest.raises(Exception, match="MonthDayNano"):
        Dataset.from_list(rows)
    write_rows(tmp_path / "rows.parquet", rows)
    assert read_rows(tmp_path / "rows.parquet") == rows


def _line(row: object) -> str:
    """Return a row as a line of JSON; a text stays as it is."""
    return (row if isinstance(row, str) else json.dumps(row)) + "\n"


def test_errors_name_the_row_and_the_field(tmp_path: Path, splits: dict[str, list[Pair]]) -> None:
    good = pair_rows([("train", splits["train"][0])])[0]
    path = tmp_path / "pairs.jsonl"

    def message(*rows: object) -> str:
        path.write_text("".join(map(_line, rows)))
        with pytest.raises(DataError) as caught:
            pairs_of(read_rows(path), str(path))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "row 2" in message(good, "{")
    assert "not JSON" in message(good, "{")
    assert "expected a JSON object" in message(good, [1])
    missing = {k: v for k, v in good.items() if k != "b_text"}
    assert "row 1: field 'b_text' is missing" in message(missing)
    assert "field 'a_correct' is 'yes', expected bool" in message({**good, "a_correct": "yes"})
    assert "field 'domain'" in message({**good, "domain": "law"})
    assert "the labels make it" in message({**good, "kind": "both_wrong"})
    path.with_suffix(".parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_rows(path.with_suffix(".parquet"))
    with pytest.raises(DataError, match="no such file"):
        read_rows(tmp_path / "none.jsonl")
