"""Tests of the letters that name the dimensions of tensors, as in `rewards_PG`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("corpo", "benchmarks", "docs", "examples", "experiments", "tests")  # notebooks have no docstrings
SHAPE = re.compile(r"[a-z0-9]_([A-Zghr0-9]*[A-Z][A-Zghr0-9]*)$")
TABLE_ROW = re.compile(r"^\| ([A-Z]) \| [a-z]", re.MULTILINE)
# The letters that have one meaning in the whole repository.
GLOSSARY = (ROOT / "docs/explanation/glossary.md").read_text(encoding="utf-8")
TABLE = set(TABLE_ROW.findall(GLOSSARY))


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield every variable, attribute and argument of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            yield node.arg


def _is_defined(letter: str, docstring: str) -> bool:
    """Return whether a docstring says what a letter counts, such as "W tokens of a row" or "R = T r rows"."""
    return re.search(rf"(?<!\w){letter} (= \w|(?!is |has |in )[a-z])", docstring) is not None


def _undefined_letters(source: str) -> dict[str, str]:
    """Return each letter without a meaning, with a name that uses it."""
    tree = ast.parse(source)
    docstring = ast.get_docstring(tree) or ""
    undefined = {}
    for name in _names(tree):
        shape = SHAPE.search(name)
        if shape is None or name.isupper():
            continue
        for letter in set(re.sub(r"\d", "", shape[1])) - TABLE:
            if not _is_defined(letter, docstring):
                undefined[letter] = name
    return undefined


def test_table_of_the_guide_equals_that_of_the_glossary() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("| letter | size |")[1]
    section = section.split("\n\n")[0]
    assert set(re.findall(r"\| ([A-Z]) (?=\|)", section)) == TABLE
    assert len(TABLE) == 11


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_shape_letter_is_in_the_table_or_in_the_docstring_of_its_module(folder: str) -> None:
    undefined = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        letters = _undefined_letters(path.read_text(encoding="utf-8"))
        if letters:
            undefined[path.relative_to(ROOT).as_posix()] = letters
    assert undefined == {}, "define these letters in the docstring of the module"


def test_letter_without_a_meaning_is_found() -> None:
    assert _undefined_letters("rewards_PG = ids_PQ = mean_P1 = NAME_X = None") == {"Q": "ids_PQ"}
    assert _undefined_letters('"""Q tokens of a chunk."""\nids_PQ = None') == {}
    assert _undefined_letters('"""Q is even."""\nids_PQ = None') == {"Q": "ids_PQ"}
