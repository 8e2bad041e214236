"""Damaged lines of the label cache are dropped with a warning, and its keys see what results depend on."""

from __future__ import annotations

import platform
import random
from dataclasses import replace
from pathlib import Path

import pytest

from corpo.data.execution.labelling import LabelCache, run_cached
from corpo.data.execution.sandbox import Isolation, Mode, Program, Sandbox

RESULTS = {"a" * 32: ["=1", "!timeout"], "b" * 32: ["=[1, 2]"], "c" * 32: ["='\ud800'"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    cache = LabelCache(tmp_path / "labels.jsonl")
    for key, results in RESULTS.items():
        cache.add(key, results)
    return cache.path


def test_any_flipped_bit_drops_its_line_and_changes_no_result(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    intact = path.read_bytes()
    for position in random.Random(0).sample(range(8 * len(intact)), 80):
        data = bytearray(intact)
        data[position // 8] ^= 1 << position % 8
        path.write_bytes(bytes(data))
        caplog.clear()
        known = LabelCache(path).known
        assert known.items() <= RESULTS.items()
        assert len(known) >= len(RESULTS) - 2, "a flipped bit in a newline joins two lines"
        assert len(known) == len(RESULTS) or "damaged" in caplog.text or not bytes(data).endswith(b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"key": "d", "results": ["=1"]}',
        b'{"key": ["d"], "results": 3, "checksum": ""}',
    ],
)
def test_an_unreadable_line_is_dropped_with_a_warning(
    path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(line + b"\n" + path.read_bytes())
    assert LabelCache(path).known == RESULTS
    assert "dropped 1 damaged lines" in caplog.text
    caplog.clear()
    assert LabelCache(path).known == RESULTS, "the file was written again without that line"
    assert not caplog.text


def test_results_are_not_shared_between_limits_levels_and_versions_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    def run(sandbox: Sandbox, programs: list[Program], advance: object) -> list[tuple[str, ...]]:
        runs.append(len(programs))
        return [("=1",) for _ in programs]

    monkeypatch.setattr(Sandbox, "run", run)
    cache = LabelCache(tmp_path / "labels.jsonl")
    program = Program("def f(): return 1", ((),))
    box = Sandbox(Isolation.process)
    other_boxes = [
        replace(box, cpu_seconds=0.4),
        replace(box, seconds=6.0),
        replace(box, memory=1 << 30),
    ]
    other_programs = [
        replace(program, source="def f(): return 2"),
        replace(program, calls=((1,),)),
        replace(program, entry="g"),
        replace(program, mode=Mode.script),
    ]
    for sandbox in (box, *other_boxes, box):
        run_cached([program], sandbox, cache)
    assert len(runs) == 1 + len(other_boxes)
    for other in other_programs:
        run_cached([other], box, cache)
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    run_cached([program], box, cache)
    assert len(runs) == 2 + len(other_boxes) + len(other_programs)
