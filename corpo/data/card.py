"""The data card: what a data set holds, written with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from corpo.data.bank import Bank
from corpo.data.build import RANDOM_TESTS, LabelledProblem
from corpo.files import write_text
from corpo.task import Domain, Pair


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def write_card(path: Path, bank: Bank, problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]], digest: str) -> None:
    """Counts by split, kind, family, mutation and error, and how many mutants turned out to be correct programs."""
    splits = sorted({split for split, _ in pairs})
    by_split = [
        (split, len(mine), len({p.id for p in mine}), len({p.problem.id for p in mine}), len({p.problem.family for p in mine}), _kinds(mine))
        for split in splits
        if (mine := [pair for name, pair in pairs if name == split])
    ]
    code = [p for p in problems if p.domain is Domain.code]
    mutants = Counter((c.origin, c.correct) for p in code for c in p.candidates if c.origin != "reference")
    origins = sorted({origin for origin, _ in mutants})
    total, equivalent = sum(mutants.values()), sum(n for (_, correct), n in mutants.items() if correct)
    families = Counter((p.family, split) for split, pair in pairs for p in [pair.problem])
    roles = {**{name: str(role) for name, role in bank.roles.items()}, **{family.name: "math, held out" for family in bank.math}}
    errors = Counter(c.error for p in problems for c in p.candidates if c.error)
    write_text(
        path,
        f"""# Data card

Built from the embedded bank: {len(bank.code)} code and {len(bank.math)} math families, {len(problems)} problems,
{sum(len(p.candidates) for p in problems)} candidates. Code labels come from running every candidate on the family's edge cases and
{RANDOM_TESTS} random calls in a sandbox; math labels from comparing the stated answer. Content hash of the pairs: `{digest}`.

## Splits
Every pair comes in both orders (pairs: unordered). Training and validation hold code pairs with exactly one correct candidate. The `code` and `math` splits
use families that reinforcement learning never sees; `trained_families` uses new problems of trained families.

{table(("split", "prompts", "pairs", "problems", "families", "kinds"), by_split)}

## Mutations of programs
{equivalent} of {total} mutants ({equivalent / max(total, 1):.1%}) pass every test: they are labelled correct, for labels come from execution alone.

{table(("mutation", "wrong", "correct"), [(o, mutants[o, False], mutants[o, True]) for o in origins])}

## How wrong candidates fail first
{table(("error", "candidates"), errors.most_common())}

## Families
{table(("family", "role", *splits), [(name, role, *(families[name, split] for split in splits)) for name, role in sorted(roles.items())])}
""",
    )


def _kinds(pairs: Sequence[Pair]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(Counter(str(pair.kind) for pair in pairs).items()))
