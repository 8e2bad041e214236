"""Malformed input gets one line that names the mistake and the remedy, and exit code 2, before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpo.data.store import pairs_of, read_rows
from corpo.task import Fault, Verdict, parse_response
from corpo.utils.errors import DataError
from tests.cli.malformed_inputs import (
    CHECKPOINTS,
    COMMANDS,
    GOOD_ROW,
    OPTIONS,
    POLICIES,
    RECORDS,
    ROWS,
    compose_options,
    load_checkpoint,
    read_policy,
    read_row,
    rebuild_results,
    run_command,
)


def _check_one_line(outcome: tuple[int, str], expected: str) -> None:
    code, error = outcome
    assert code == 2
    assert error.startswith("corpo: ")
    assert error.count("\n") == 1
    assert expected in error


@pytest.mark.parametrize("case", OPTIONS)
def test_a_wrong_option_gets_one_line(case: str) -> None:
    overrides, expected = OPTIONS[case]
    _check_one_line(compose_options(overrides), expected)


@pytest.mark.parametrize("case", ROWS)
def test_a_wrong_row_gets_one_line(case: str, tmp_path: Path) -> None:
    row, expected = ROWS[case]
    outcome = read_row(row, tmp_path)
    _check_one_line(outcome, expected)
    assert "mine.jsonl, row 2" in outcome[1]


@pytest.mark.parametrize("case", COMMANDS)
def test_a_wrong_command_gets_one_line(case: str, tmp_path: Path) -> None:
    arguments, expected = COMMANDS[case]
    _check_one_line(run_command(arguments, tmp_path), expected)


@pytest.mark.parametrize("case", POLICIES)
def test_a_damaged_policy_gets_one_line(case: str, tmp_path: Path) -> None:
    files, expected = POLICIES[case]
    _check_one_line(read_policy(files, tmp_path), expected)


@pytest.mark.parametrize("case", RECORDS)
def test_a_damaged_record_of_a_study_gets_one_line(case: str, tmp_path: Path) -> None:
    file, content, expected = RECORDS[case]
    _check_one_line(rebuild_results(file, content, tmp_path), expected)


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_damaged_checkpoint_is_skipped_with_a_warning(case: str, tmp_path: Path) -> None:
    file, content, expected = CHECKPOINTS[case]
    step, warning = load_checkpoint(file, content, tmp_path)
    assert step == 1
    assert expected in warning


def _read(path: Path) -> None:
    pairs_of(read_rows(path), str(path))


@given(st.text() | st.from_regex(r"<think>.{0,9}</think> ?A: ?[0-9.]{0,6}[ ,;]*B: ?[0-9.]{0,6}"))
def test_any_response_gives_a_verdict_or_a_fault(text: str) -> None:
    assert isinstance(parse_response(text), Verdict | Fault)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@given(
    st.binary(max_size=60)
    | st.dictionaries(st.sampled_from([*GOOD_ROW, "kind"]), json_values).map(
        lambda d: json.dumps({**GOOD_ROW, **d}).encode()
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_file_is_read_or_gets_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(data)
    refused = ""
    try:
        _read(path)
    except DataError as error:
        refused = str(error)
    assert not refused or (str(path) in refused and "\n" not in refused)


keys = st.sampled_from(
    [
        "train.steps",
        "train.lr",
        "name",
        "study.seeds",
        "data.isolation",
        "reward.threshold",
        "baseline.options",
        "nope",
        "rollout.stop",
    ]
)


@given(keys, st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_option_is_accepted_or_gets_one_line(key: str, value: str) -> None:
    code, error = compose_options([f"{key}={value}"])
    assert (code, error.count("\n")) in ((0, 0), (2, 1))
