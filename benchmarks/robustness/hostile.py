"""Run hostile candidates against the sandbox and tabulate their outcomes.

`python -m benchmarks.robustness.hostile` writes results/robustness/hostile.md. The candidates are those of
`tests/data/execution/test_hostile.py`.
"""

from __future__ import annotations

from pathlib import Path

from corpo.data.execution.sandbox import Isolation
from corpo.pipeline.provenance import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table
from tests.data.execution.hostile_programs import (
    CPU_SECONDS,
    HOSTILE_PROGRAMS,
    LEVELS,
    SECONDS,
    Observed,
    available_protections,
    observe,
    open_scene,
)

ROOT = Path(__file__).parent.parent.parent
COLUMNS = ["program", "outcome", "label", "neighbours", "leftovers", "seconds"]


def observe_all(isolation: Isolation) -> list[Observed]:
    """Run all hostile programs that cannot harm this machine."""
    with open_scene() as scene:
        protections = available_protections(isolation, scene)
        return [
            observe(hostile, isolation, scene)
            for hostile in HOSTILE_PROGRAMS
            if hostile.needs in ("", *protections)
        ]


def section(isolation: Isolation, observations: list[Observed]) -> str:
    """Return the page's section on a level of isolation."""
    rows = []
    for observed in observations:
        outcomes = dict.fromkeys(str(label.error) for label in observed.labels)
        rows.append(
            [
                observed.hostile.name,
                " / ".join(outcomes),
                "correct" if observed.labelled_correct else "wrong",
                "right" if observed.neighbours_right else "HARMED",
                ", ".join(observed.leftovers) or "none",
                f"{observed.seconds:.2f}",
            ]
        )
    as_expected = sum(observed.as_expected for observed in observations)
    labelled_correct = sum(observed.labelled_correct for observed in observations)
    return (
        f"## Isolation: {isolation}\n\n"
        f"{as_expected} of {len(observations)} as expected; {labelled_correct} labelled correct.\n\n"
        + table(COLUMNS, rows)
    )


def main() -> None:
    sections = [section(isolation, observe_all(isolation)) for isolation in LEVELS]
    facts = provenance()
    head = (
        "# Hostile candidates\n\n"
        "`python -m benchmarks.robustness.hostile`. Every program is labelled by assertions and by calls, "
        "in one "
        "batch with an honest program before and after it. It has "
        f"{CPU_SECONDS:g} s of processor time and {SECONDS:g} s on the clock for each. The seconds are "
        f"those of the "
        f"batch, including the start of a worker. Commit {facts['commit']}; {facts['cpu']}.\n\n"
    )
    path = ROOT / "results/robustness/hostile.md"
    write_text(path, head + "\n\n".join(sections) + "\n")
    print(path)


if __name__ == "__main__":
    main()
