"""The data card: what a data set holds, written with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from corpo.data.bank.selection import Bank
from corpo.data.build_bank import RANDOM_TESTS
from corpo.data.build_sources import RealData
from corpo.data.pairing.matching import TOKEN
from corpo.data.pairing.splits import SMALL_SPLIT, SMALL_SPLIT_MARK, TRAIN, is_evaluation
from corpo.data.store import content_hash, pair_rows
from corpo.data.types import LabelledProblem
from corpo.evaluate.shortcut_floors import shortcut_floors
from corpo.task import Domain, Kind, Pair
from corpo.utils.markdown import table

_LISTED = 20  # single problems that a card names
_FLOORS = """*length* calls the longer candidate correct and the other wrong (or the shorter, whichever did better on other problems); *words* is a logistic
regression on the counts of a candidate's tokens. Both are cross-validated over problems; a verdict is right when it is right about both candidates. They
understand nothing: what they reach, style gives away. A coin reaches 25%, "exactly one is right" 50% where that is so."""


def _other_kinds(pairs: Sequence[tuple[str, Pair]]) -> str:
    """Of training pairs, those that have another number of correct candidates."""
    kinds = Counter(pair.kind for split, pair in pairs if split == TRAIN)
    others = [
        f"{kinds[kind] / kinds.total():.0%} {kind.replace('_', ' ')}"
        for kind in (Kind.both_wrong, Kind.both_correct)
        if kinds[kind]
    ]
    return f" ({' and '.join(others)} besides in training)" if others else ""


def bank_card(bank: Bank, problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]]) -> str:
    """Counts by split, kind, family, mutation and error, shortcut floors, and how many mutants turned out to be correct programs."""
    code = [p for p in problems if p.domain is Domain.code]
    mutants = Counter((c.origin, c.correct) for p in code for c in p.candidates if c.origin != "reference")
    origins = sorted({origin for origin, _ in mutants})
    total, equivalent = sum(mutants.values()), sum(n for (_, correct), n in mutants.items() if correct)
    families = Counter((p.family, split) for split, pair in pairs for p in [pair.problem])
    splits = sorted({split for split, _ in pairs})
    roles = {
        **{name: str(role) for name, role in bank.roles.items()},
        **{family.name: "math, held out" for family in bank.math},
    }
    return f"""# Data card

Built from the embedded bank: {len(bank.code)} code and {len(bank.math)} math families, {len(problems)} problems,
{sum(len(p.candidates) for p in problems)} candidates. Code labels come from running every candidate on the family's edge cases and
{RANDOM_TESTS} random calls in a sandbox ({_isolation(problems)}); math labels from comparing the stated answer.
Content hash of the pairs: `{content_hash(pair_rows(pairs))}`. Licence: MIT, our own work.

## Splits
Every pair comes in both orders (pairs: unordered). Training and validation hold code pairs with exactly one correct candidate{_other_kinds(pairs)}; of
validation problems there are pairs with none or two correct besides, for learning curves. The `code` and `math` splits
use families that reinforcement learning never sees; `trained_families` uses new problems of trained families.

{_splits(pairs, "families")}

## Shortcut floors
{_floors(pairs)}

## Mutations of programs
{equivalent} of {total} mutants ({equivalent / max(total, 1):.1%}) pass every test: they are labelled correct, for labels come from execution alone.

{table(("mutation", "wrong", "correct"), [(o, mutants[o, False], mutants[o, True]) for o in origins])}

## How wrong candidates fail first
{_errors(problems)}

## Families
{table(("family", "role", *splits), [(name, role, *(families[name, split] for split in splits)) for name, role in sorted(roles.items())])}
"""


def real_card(made: RealData, licences: Mapping[str, str], overlap: int) -> str:
    """Counts by source, kind, error class, origin and difficulty, shortcut floors, agreement with the source's own labels, licences, what was left out."""
    problems = made.problems
    sources = list(licences)
    distinct = Counter((p.family, c.correct) for p in problems for c in p.candidates)
    by_source = [
        (
            source,
            licences[source],
            sum(p.family == source for p in problems),
            made.labelled[source, True] + made.labelled[source, False],
            made.labelled[source, True],
            distinct[source, True] + distinct[source, False],
            distinct[source, True],
            _agreement(made, source),
        )
        for source in sources
    ]
    origins = Counter((c.origin, c.correct) for p in problems for c in p.candidates)
    topics = Counter(p.topic for p in problems if p.topic)
    shared = [f"{one.trained} ({one.evaluated}: {one.words!r})" for one in made.overlapping]
    return f"""# Data card

Built from {", ".join(sources)}: {len(problems)} problems, {made.labelled.total()} candidates. A program's label comes from running it on its
problem's tests in a sandbox ({_isolation(problems)}), a worked solution's from its final answer. Content hash of the pairs:
`{content_hash(pair_rows(made.pairs))}`.

## Sources
*different* candidates differ in more than names, layout and comments. *agreement*: of the labels with what the source itself says of its candidates.

{table(("source", "licence", "problems", "candidates", "correct", "different", "correct of these", "agreement"), by_source)}

## Splits
Every pair comes in both orders (pairs: unordered). Of a problem's candidates those were paired first that are alike in length and words and whose wrong side
gives a wrong answer rather than crashing. {SMALL_SPLIT_MARK}: fewer than {SMALL_SPLIT} problems.

{_splits(made.pairs, "sources")}

## Shortcut floors
{_floors(made.pairs)}

## Who wrote the candidates
{table(("origin", "correct", "wrong"), [(o, origins[o, True], origins[o, False]) for o in sorted({origin for origin, _ in origins})])}

## How wrong candidates fail first
{_errors(problems)}
{_topics(topics)}
## Left out
{len(made.failing)} problems whose own reference fails the tests{_names(made.failing)}.
{len(made.overlapping)} training problems that share {overlap} words in a row with an evaluation problem{_names(shared)}.
"""


def _isolation(problems: Sequence[LabelledProblem]) -> str:
    levels = sorted({c.isolation for p in problems for c in p.candidates if c.isolation})
    return f"isolation: {', '.join(levels)}" if levels else "nothing had to be run"


def _agreement(made: RealData, source: str) -> str:
    same, other = made.claims[source, True], made.claims[source, False]
    return f"{same} of {same + other} ({same / (same + other):.2%})" if same + other else "–"


def _splits(pairs: Sequence[tuple[str, Pair]], families: str) -> str:
    rows = []
    for split in dict.fromkeys(name for name, _ in pairs):
        mine = [pair for name, pair in pairs if name == split]
        problems = len({p.problem.id for p in mine})
        tokens = [len(TOKEN.findall(text)) for p in mine for text in (p.a.text, p.b.text)]
        kinds = ", ".join(
            f"{kind} {count}" for kind, count in sorted(Counter(str(pair.kind) for pair in mine).items())
        )
        mark = f" {SMALL_SPLIT_MARK}" if is_evaluation(split) and problems < SMALL_SPLIT else ""
        rows.append(
            (
                split + mark,
                len(mine),
                len({p.id for p in mine}),
                problems,
                len({p.problem.family for p in mine}),
                f"{median(tokens):g}, {max(tokens)}",
                kinds,
            )
        )
    return table(
        ("split", "prompts", "pairs", "problems", families, "tokens of a candidate: median, most", "kinds"),
        rows,
    )


def _floors(pairs: Sequence[tuple[str, Pair]]) -> str:
    evaluation = [(split, pair) for split, pair in pairs if is_evaluation(split)]
    if not evaluation:
        return "No split evaluates."
    floors = shortcut_floors(evaluation)
    percent = lambda value: "–" if value != value else f"{100 * value:.0f}%"
    rows = [
        (row["split"], row["prompts"], percent(row["length"]), percent(row["words"]))
        for row in floors.to_dict("records")
    ]
    return f"{_FLOORS}\n\n{table(('split', 'prompts', 'length', 'words'), rows)}"


def _errors(problems: Sequence[LabelledProblem]) -> str:
    errors = Counter(c.error for p in problems for c in p.candidates if c.error)
    return table(("error", "candidates"), errors.most_common())


def _topics(topics: Counter[str]) -> str:
    return (
        f"\n## Difficulty and subject\n{table(('topic', 'problems'), sorted(topics.items()))}\n"
        if topics
        else ""
    )


def _names(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f": {', '.join(names[:_LISTED])}{more}"
