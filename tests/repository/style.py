"""Measure the style of the repository and compare it with the committed limits.

`make style` runs this script, as a part of `make lint`.

Seven measures count habits that make code hard to read. CONTRIBUTING.md says what to write instead. Each
folder has a limit for each measure, in `style_limits.json`. A count above its limit fails. A lower count can
become the new limit with `python tests/repository/style.py --update`, which never raises a limit.

The file needs the standard library only and runs without the package. It lies beside the tests and not in
`docs/tools/`, because it checks the repository and writes no page.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LIMITS = Path(__file__).with_name("style_limits.json")
FOLDERS = ("corpo", "experiments", "benchmarks", "docs", "examples", "notebooks", "tests")
MAX_COLUMNS = 110
MAX_POSITIONAL = 6

NESTED = "nested comprehensions"
LAMBDA = "lambdas bound to names"
FRAGMENT = "docstring fragments"
PRONOUN = "pronouns as variables"
LONG = "long lines"
POSITIONAL = "calls with many positional arguments"
CONDITIONAL = "conditional comprehensions"
MEASURES = (NESTED, LAMBDA, FRAGMENT, PRONOUN, LONG, POSITIONAL, CONDITIONAL)

# A docstring that begins with one of these words is a fragment and not a sentence.
_FRAGMENT_OPENERS = """
    as at because by for from how if in nothing none of on ready than that these those to unless until
    what when where whether which while who whose why with without
"""
FRAGMENT_OPENERS = frozenset(_FRAGMENT_OPENERS.split())
# Variables with these names do not say what they hold.
_PRONOUNS = "asked at everyone everyones found it least made mine most one ours said shown theirs them told"
PRONOUNS = frozenset(_PRONOUNS.split())

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Limits = dict[str, dict[str, int]]


@dataclass(frozen=True, order=True)
class Finding:
    """A place that one of the measures counts."""

    path: str
    line: int
    measure: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.measure}: {self.detail}"


def find_in_source(source: str, path: str) -> list[Finding]:
    """Return all findings in the source text of a Python file, in the order of its lines."""
    findings = []
    for number, text in enumerate(source.splitlines(), 1):
        if len(text) > MAX_COLUMNS:
            findings.append(Finding(path, number, LONG, f"{len(text)} columns"))
    for node in ast.walk(ast.parse(source, path)):
        for measure, detail in _measure_node(node):
            findings.append(Finding(path, getattr(node, "lineno", 1), measure, detail))
    return sorted(findings)


def _measure_node(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the measure and a detail for each count that this node adds."""
    if isinstance(node, _COMPREHENSIONS) and _is_nested(node):
        yield NESTED, ast.unparse(node)[:60]
    if isinstance(node, _COMPREHENSIONS) and _has_conditional_element(node):
        yield CONDITIONAL, ast.unparse(node)[:60]
    if isinstance(node, ast.Call) and len(node.args) > MAX_POSITIONAL:
        yield POSITIONAL, f"{len(node.args)} arguments of {ast.unparse(node.func)[:60]}"
    if (name := _lambda_name(node)) is not None:
        yield LAMBDA, name
    docstring = (ast.get_docstring(node) or "").strip() if isinstance(node, _DOCUMENTED) else ""
    if docstring and docstring.split()[0].strip(".,:;").lower() in FRAGMENT_OPENERS:
        yield FRAGMENT, docstring.splitlines()[0][:60]
    if (variable := _new_variable(node)) in PRONOUNS:
        yield PRONOUN, str(variable)


def _has_conditional_element(node: Comprehension) -> bool:
    """Return whether there is a conditional expression in the element of a comprehension."""
    elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    children: list[ast.AST] = []
    for element in elements:
        children += ast.walk(element)
    return any(isinstance(child, ast.IfExp) for child in children)


def _is_nested(node: Comprehension) -> bool:
    """Return whether a comprehension has a second `for`, or another comprehension inside."""
    if len(node.generators) > 1:
        return True
    return any(isinstance(child, _COMPREHENSIONS) for child in ast.walk(node) if child is not node)


def _lambda_name(node: ast.AST) -> str | None:
    """Return the variable to which this node assigns a lambda, if it does."""
    if isinstance(node, ast.Assign):
        target: ast.AST = node.targets[0]
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        target = node.target
    else:
        return None
    return target.id if isinstance(node.value, ast.Lambda) and isinstance(target, ast.Name) else None


def _new_variable(node: ast.AST) -> str | None:
    """Return the variable or parameter that this node creates, if it does."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    if isinstance(node, ast.arg):
        return node.arg
    return node.name if isinstance(node, ast.ExceptHandler) else None


def find_in_folder(root: Path, folder: str) -> list[Finding]:
    """Return the findings in all Python files below a folder of the repository."""
    findings: list[Finding] = []
    for path in sorted((root / folder).rglob("*.py")):
        findings += find_in_source(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    return findings


def count(findings: list[Finding]) -> dict[str, int]:
    """Return the number of findings for each measure."""
    counts = Counter(finding.measure for finding in findings)
    return {measure: counts[measure] for measure in MEASURES}


def exceeded(counts: Limits, limits: Limits) -> list[tuple[str, str]]:
    """Return the folders and measures whose count is above its limit. A limit that is not given is 0."""
    pairs = []
    for folder, measured in counts.items():
        for measure, number in measured.items():
            if number > limits.get(folder, {}).get(measure, 0):
                pairs.append((folder, measure))
    return pairs


def lowered(counts: Limits, limits: Limits) -> Limits:
    """Return the smaller of count and limit everywhere. A limit that is not given becomes the count."""
    result: Limits = {}
    for folder, measured in counts.items():
        known = limits.get(folder, {})
        result[folder] = {
            measure: min(number, known.get(measure, number)) for measure, number in measured.items()
        }
    return result


def table(counts: Limits, limits: Limits) -> str:
    """Return a table of all counts, each followed by its limit in brackets if it differs."""
    rows = [["", *MEASURES]]
    for folder, measured in counts.items():
        row = [folder]
        for measure, number in measured.items():
            limit = limits.get(folder, {}).get(measure, 0)
            row.append(str(number) if number == limit else f"{number} ({limit})")
        rows.append(row)
    label_width = max(len(row[0]) for row in rows)
    lines = []
    for row in rows:
        cells = [text.rjust(len(measure)) for text, measure in zip(row[1:], MEASURES, strict=True)]
        lines.append("  ".join([row[0].ljust(label_width), *cells]))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the table and return the exit code: 1 if a count is above its limit."""
    parser = argparse.ArgumentParser(description="Measure the style of the repository.")
    parser.add_argument("--update", action="store_true", help="lower the limits to the present counts")
    parser.add_argument("--list", metavar="PATH", help="show every counted place below this path")
    options = parser.parse_args(arguments)
    limits: Limits = json.loads(LIMITS.read_text(encoding="utf-8")) if LIMITS.exists() else {}
    counts: Limits = {}
    for folder in FOLDERS:
        if not (ROOT / folder).is_dir():
            continue
        findings = find_in_folder(ROOT, folder)
        counts[folder] = count(findings)
        for finding in findings:
            if options.list is not None and f"{finding.path}/".startswith(f"{options.list.rstrip('/')}/"):
                print(finding)
    if options.update:
        limits = lowered(counts, limits)
        LIMITS.write_text(json.dumps(limits, indent=2) + "\n", encoding="utf-8")
    print(table(counts, limits))
    failures = exceeded(counts, limits)
    for folder, measure in failures:
        limit = limits.get(folder, {}).get(measure, 0)
        print(
            f"style: {counts[folder][measure]} {measure} in {folder}/, more than the limit of {limit}; "
            f"python tests/repository/style.py --list {folder} shows where",
            file=sys.stderr,
        )
    if not failures and counts != limits:
        print("The style became better: lower the limits with python tests/repository/style.py --update")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
