"""Recognise other spellings of the fields of a row, of a candidate and of a test."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from corpo.data.json_lines import check_depth

Names = Mapping[str, tuple[str, ...]]

ROW: Names = {
    "id": ("task_id", "problem_id", "question_id", "uid", "slug", "key", "name"),
    "statement": (
        "problem",
        "question",
        "description",
        "problem_statement",
        "question_content",
        "prompt",
        "task",
        "instruction",
        "text",
    ),
    "tests": (
        "test",
        "test_list",
        "test_cases",
        "testcases",
        "unit_tests",
        "input_output",
        "assertions",
        "asserts",
    ),
    "setup": ("test_setup_code", "setup_code", "test_imports"),
    "entry": ("entry_point", "fn_name", "func_name", "function_name", "function"),
    "answer": ("final_answer", "expected_answer", "ground_truth", "gold", "target"),
    "references": ("reference", "reference_solution", "canonical_solution", "gold_solution"),
    "candidates": (
        "candidate",
        "completions",
        "completion",
        "samples",
        "responses",
        "response",
        "programs",
        "program",
        "submissions",
        "submission",
        "generations",
        "solutions",
        "solution",
        "code",
    ),
    "topic": ("difficulty", "category", "subject", "level"),
}
_CORRECT = ("is_correct", "passed", "label", "verdict")
# The fields of a row with a single candidate that belong to the candidate and not to the problem.
ONLY_CANDIDATE: Names = {"origin": ("model", "author"), "correct": _CORRECT}
CANDIDATE: Names = {
    "text": ("code", "program", "solution", "completion", "response", "content", "source"),
    "origin": ("model", "author", "name"),
    "correct": _CORRECT,
}
CALL: Names = {
    "args": ("arguments", "inputs", "input"),
    "value": ("expected", "expected_output", "output", "result", "return"),
}
RUN: Names = {
    "input": ("stdin", "in"),
    "output": ("stdout", "expected_output", "expected", "out"),
}
_LABELS = {
    **dict.fromkeys(("correct", "right", "true", "pass", "passed", "accepted", "ac", "ok", "yes"), True),
    **dict.fromkeys(("wrong", "incorrect", "false", "fail", "failed", "rejected", "wa", "no"), False),
    **dict.fromkeys(
        ("wrong answer", "tle", "mle", "re", "ce", "runtime error", "time limit exceeded"), False
    ),
    **{"1": True, "1.0": True, "0": False, "0.0": False},
}


def with_standard_names(
    row: Mapping[str, Any], names: Names, taken: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return a row with the standard names of its fields. `taken` receives the standard name by spelling.

    A spelling counts only if the standard name is missing.
    """
    result = dict(row)
    for name, spellings in names.items():
        if result.get(name) is not None:
            continue
        for spelling in spellings:
            if result.get(spelling) is not None:
                result[name] = result.pop(spelling)
                if taken is not None:
                    taken[spelling] = name
                break
    return result


def ignored_fields(row: Mapping[str, Any], names: Names, used: Collection[str]) -> list[str]:
    """Return the fields that could have a meaning, because their names are spellings, but are not used.

    `used` are the fields that are used under the name that they have.
    """
    spellings: set[str] = set()
    for choices in names.values():
        spellings.update(choices)
    return sorted(name for name in row if name in spellings and name not in used)


def decoded(value: Any) -> Any:
    """Return the list or object that a text holds as JSON, as in APPS; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        content = json.loads(value)
        check_depth(content, "a field")
    except (ValueError, RecursionError):
        return value
    return content


def read_label(value: Any) -> bool | None:
    """Return a label that a source claims, or None if there is none. Raises ValueError for other values."""
    if value is None or isinstance(value, bool):
        return value
    label = _LABELS.get(str(value).strip().lower().replace("_", " "))
    if label is None:
        raise ValueError(f"the label {value!r:.40} is neither true nor false")
    return label
