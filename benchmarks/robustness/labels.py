"""Count the inputs of each kind that get the right label, program, answer, verdict or message.

`python -m benchmarks.robustness.labels` writes results/robustness/labels.md. The inputs are those of the
tests with the marker `kind`, and each test is one input.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent


class KindCounter:
    """A plugin of pytest that counts tests and passed tests by kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.num_inputs: Counter[str] = Counter()
        self.num_right: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests with a kind only."""
        items[:] = [item for item in items if item.get_closest_marker("kind") is not None]
        for item in items:
            kind = str(item.get_closest_marker("kind").args[0])  # type: ignore[union-attr]
            self.kinds[item.nodeid] = kind
            self.files.setdefault(kind, item.nodeid.partition("::")[0])
            self.num_inputs[kind] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that has passed."""
        if report.when == "call" and report.passed:
            self.num_right[self.kinds[report.nodeid]] += 1


def page(counter: KindCounter) -> str:
    """Return the page with one row per kind."""
    rows = []
    for kind, count in sorted(counter.num_inputs.items()):
        file = counter.files[kind]
        rows.append([kind, count, counter.num_right[kind], f"[{file}](../../{file})"])
    rows.append(["all", counter.num_inputs.total(), counter.num_right.total(), ""])
    return f"""# Labels of what people bring

`python -m benchmarks.robustness.labels`. Each input is a test: a program, an answer, a response, a file or a
command of the kind that public reports of errors describe. *right* counts the inputs with the expected label,
program, answer, verdict or message.

{table(["kind", "inputs", "right", "first file of tests"], rows)}

[judges.md](judges.md) compares the labels with those of the benchmarks' own judges.
"""


def main() -> None:
    counter = KindCounter()
    code = pytest.main(["-q", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[counter])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):  # then tests are missing in the counts
        raise SystemExit(f"pytest ended with the exit code {int(code)}; nothing is written")
    path = ROOT / "results/robustness/labels.md"
    write_text(path, page(counter))
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
