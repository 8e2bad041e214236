"""Tests of the style measures and their limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.repository import style


def _counted(source: str) -> list[tuple[int, str]]:
    return [(finding.line, finding.measure) for finding in style.find_in_source(source, "example.py")]


@pytest.mark.parametrize(
    ("source", "measure"),
    [
        ("x = [a for b in c for a in b]", style.NESTED),
        ("x = [[a for a in b] for b in c]", style.NESTED),
        ("x = sum(f({a for a in b}) for b in c)", style.NESTED),
        ("double = lambda x: 2 * x", style.LAMBDA),
        ("double: object = lambda x: 2 * x", style.LAMBDA),
        ("print(double := lambda x: 2 * x)", style.LAMBDA),
        ('"""Where the files are."""', style.FRAGMENT),
        ('def f():\n    """Of a group: its mean."""', style.FRAGMENT),
        ("one = 1", style.PRONOUN),
        ("for mine in []: pass", style.PRONOUN),
        ("x = [made for made in y]", style.PRONOUN),
        ("def f(told): pass", style.PRONOUN),
        ("try: pass\nexcept OSError as said: pass", style.PRONOUN),
        (f"x = {'1' * 107}", style.LONG),
        ("f(1, 2, 3, 4, 5, 6, 7)", style.POSITIONAL),
        ("x = [a if a else 1 for a in b]", style.CONDITIONAL),
        ("x = {a: f(a if a else 1) for a in b}", style.CONDITIONAL),
    ],
)
def test_each_habit_is_counted_once(source: str, measure: str) -> None:
    assert [counted for _, counted in _counted(source)] == [measure]


@pytest.mark.parametrize(
    "source",
    [
        "x = [a for a in b if a]",
        "x = sorted(y, key=lambda a: a.name)",
        '"""Return the mean of a group."""',
        '"""In-place update of the weights."""',
        '""""""',
        "print(one, mine)",
        "x.found = 1",
        f"x = {'1' * 106}",
        "f(1, 2, 3, 4, 5, 6, g=7, h=8)",
        "x = [a for a in (b if c else d)]",
        "x = [a for a in b if (c if a else d)]",
    ],
)
def test_plain_code_is_not_counted(source: str) -> None:
    assert _counted(source) == []


def test_findings_come_in_the_order_of_lines() -> None:
    source = 'one = 1\ndouble = lambda x: 2 * x\n\n\ndef f(told):\n    """What it is."""\n'
    assert _counted(source) == [
        (1, style.PRONOUN),
        (2, style.LAMBDA),
        (5, style.FRAGMENT),
        (5, style.PRONOUN),
    ]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository with one pronoun, at its limit."""
    (tmp_path / "corpo").mkdir()
    (tmp_path / "corpo/module.py").write_text("one = 1\n")
    monkeypatch.setattr(style, "ROOT", tmp_path)
    monkeypatch.setattr(style, "LIMITS", tmp_path / "limits.json")
    assert style.main(["--update"]) == 0
    return tmp_path


def test_a_count_above_its_limit_fails(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "corpo/module.py").write_text("one = 1\nmine = 2\n")
    assert style.main([]) == 1
    assert "2 pronouns as variables in corpo/, more than the limit of 1" in capsys.readouterr().err
    assert style.main(["--update"]) == 1, "an update never raises a limit"
    assert json.loads((repository / "limits.json").read_text())["corpo"][style.PRONOUN] == 1


def test_an_update_lowers_a_limit_for_good(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "corpo/module.py").write_text("pair = 1\n")
    assert style.main([]) == 0
    assert "--update" in capsys.readouterr().out
    assert style.main(["--update"]) == 0
    (repository / "corpo/module.py").write_text("one = 1\n")
    assert style.main([]) == 1


def test_the_list_shows_places_below_a_path(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    style.main(["--list", "corpo"])
    assert "corpo/module.py:1: pronouns as variables: one" in capsys.readouterr().out
    style.main(["--list", "corpo/other"])
    assert "module.py" not in capsys.readouterr().out
