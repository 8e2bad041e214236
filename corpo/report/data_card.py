"""Write the data card: contents and sources of a data set, and the accuracy of shortcuts on it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import median

from corpo.data.bank.selection import Bank
from corpo.data.build_bank import RANDOM_TESTS
from corpo.data.build_sources import RealData
from corpo.data.pairing.matching import TOKEN
from corpo.data.pairing.splits import SMALL_SPLIT, SMALL_SPLIT_MARK, TRAIN, is_evaluation
from corpo.data.pipelines import chains
from corpo.data.pipelines.build import BuiltPipelines
from corpo.data.pipelines.operations import BIGRAMS, HELD_OUT, LENGTHS, LONG, num_pipelines
from corpo.data.store import content_hash, pair_rows
from corpo.data.types import LabelledProblem
from corpo.evaluate.shortcut_floors import WORD_PAIRS, memory_floor, shortcut_floors
from corpo.task import Candidate, Domain, Kind, Pair
from corpo.utils.markdown import escaped, table

MAX_LISTED = 20  # problems, origins or lines that a card names
OriginRow = tuple[str, int, int]  # an origin, and the numbers of its candidates with each label
_FLOORS = """Simple classifiers show how far one gets without understanding a program. *length* calls the
longer candidate correct and the other one wrong, or the reverse, whichever did better on other problems.
*words* is a logistic regression on token counts, and *word pairs* calls the candidate correct that it finds
more probable. They are cross-validated over problems. *memory* gives a candidate the label of the training
candidates with the same text without constants, and guesses if there are none. A tie counts a half.
A verdict counts as right if it is right about both candidates. A random guess for each candidate reaches 25%;
a random choice of one correct candidate reaches 50% on pairs with exactly one correct candidate."""


def bank_card(bank: Bank, problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]]) -> str:
    """Return the card of a data set from the embedded problem bank, as Markdown."""
    candidates = _candidates(problems)
    programs = _candidates([problem for problem in problems if problem.domain is Domain.code])
    mutants = [program for program in programs if program.origin != "reference"]
    num_equivalent = sum(mutant.correct for mutant in mutants)
    by_origin = table(("mutation", "wrong", "correct"), _origin_rows(mutants, columns=(False, True)))
    return f"""# Data card

Built from the embedded problem bank: {len(bank.code)} code families and {len(bank.math)} math families,
{len(problems)} problems, {len(candidates)} candidates. Every program was labelled by running it on the edge
cases of its family and on {RANDOM_TESTS} random calls in a sandbox ({_isolation(problems)}). Every worked
solution was labelled by its final answer. Content hash of the pairs: `{content_hash(pair_rows(pairs))}`.
Licence: MIT; the bank is original work.

## Splits
Every pair appears in both orders; the column *pairs* ignores the order. Training and validation contain code
pairs with exactly one correct candidate{_other_kinds(pairs)}. Additional validation splits contain pairs with
no or two correct candidates, for learning curves. The `code` and `math` splits use families that are not used
in reinforcement learning; the `trained_families` splits use new problems of families that are used. A warm
start sees all families, with other constants.

{_splits(pairs, "families")}

## Shortcut floors
{_floors(pairs)}

## Mutations of programs
{num_equivalent} of {len(mutants)} mutants ({num_equivalent / max(len(mutants), 1):.1%}) pass every test and
are labelled correct. Labels come from execution alone.

{by_origin}

## First failure of wrong candidates
{_errors(candidates)}

## Families
{_families(bank, pairs)}
"""


def pipelines_card(built: BuiltPipelines, pairs: Sequence[tuple[str, Pair]]) -> str:
    """Return the card of a data set of pipelines, as Markdown."""
    programs = _candidates([problem for problem in built.problems if problem.domain is Domain.code])
    mutants = [program for program in programs if program.origin != "reference"]
    num_equivalent = sum(mutant.correct for mutant in mutants)
    num_wrong = len(mutants) - num_equivalent + built.num_hidden
    by_origin = table(("mutation", "wrong", "correct"), _origin_rows(mutants, columns=(False, True)))
    return f"""# Data card

Built from pipelines: programs composed of list operations and an optional fold, and word problems in steps.
{len(built.problems)} problems, {len(_candidates(built.problems))} candidates. Every program was labelled by
running it on the example of its statement and on random lists in a sandbox ({_isolation(built.problems)}).
Every worked solution was labelled by its final answer. Content hash of the pairs:
`{content_hash(pair_rows(pairs))}`. Licence: MIT; all problems are original work.

{built.num_hidden} of {num_wrong} wrong programs pass the example of their statement. They are left out,
because no trace on the example could find them.

## Space
{len(HELD_OUT)} of {len(BIGRAMS)} bigrams of operations and {len(chains.HELD_OUT)} of {len(chains.BIGRAMS)}
bigrams of steps are held out: no candidate of the warm start or of training contains one. Validation and
evaluation have different held-out bigrams. *Seen* problems contain none of them. Problems differ in words,
whatever their example. Programs are counted in one style.

{_space()}

## Splits
Every pair appears in both orders; the column *pairs* ignores the order. Training and validation contain code
pairs of seen combinations with exactly one correct candidate{_other_kinds(pairs)}. Additional validation
splits contain the other kinds of pairs, unseen combinations, and word problems. The `code` and `math` splits
are half seen and half unseen combinations, which the family of a problem tells apart. The `code_long` splits
have {LONG} operations, more than any training problem.

{_splits(pairs, "families")}

## Shortcut floors
{_floors(pairs)}

## Mutations of programs
{num_equivalent} of {len(mutants)} mutants ({num_equivalent / max(len(mutants), 1):.1%}) pass every test and
are labelled correct. Labels come from execution alone.

{by_origin}

## First failure of wrong candidates
{_errors(_candidates(built.problems))}
"""


def _space() -> str:
    """Return a table of the numbers of different problems and programs, by the number of operations."""
    rows = []
    for length in (*LENGTHS, LONG):
        counts = num_pipelines(length), num_pipelines(length, seen_only=True)
        rows.append((length, *counts, num_pipelines(length, variants=True)))
    return table(("operations", "problems", "of these seen", "programs, at least"), rows)


def real_card(data: RealData, licences: Mapping[str, str], overlap: int) -> str:
    """Return the card of a data set from real problems, as Markdown.

    `licences` maps sources to their licences. `overlap` is the number of consecutive words that a training
    problem may not share with an evaluation problem.
    """
    candidates = _candidates(data.problems)
    topics = Counter(problem.topic for problem in data.problems if problem.topic)
    left_out = [f"{problem} ({reason})" for problem, reason in data.labelling.left_out.items()]
    shared = [f"{pair.trained} ({pair.evaluated}: {pair.words!r})" for pair in data.overlapping]
    by_origin = table(
        ("origin", "correct", "wrong"), _capped(_origin_rows(candidates, columns=(True, False)))
    )
    return f"""# Data card

Built from {", ".join(licences)}: {len(data.problems)} problems, {data.labelled.total()} candidates. Every
program was labelled by running it on the tests of its problem in a sandbox ({_isolation(data.problems)}).
Every worked solution was labelled by its final answer. {_tests(data)}Content hash of the pairs:
`{content_hash(pair_rows(data.pairs))}`.

## Funnel
The table shows what is lost on the way from the sources to the pairs, and which option changes it.

{_funnel(data)}

## Checks after labelling
{_lines(data.findings)}

## Notes of the sources
{_lines(data.notes)}

## Sources
*different*: candidates that differ in more than names, layout and comments. *agreement*: labels that agree
with those of the source.

{_sources(data, licences)}

## Splits
Every pair appears in both orders; the column *pairs* ignores the order. Pairs of a problem are preferred if
their candidates are similar in length and words, and if the wrong candidate returns a wrong answer instead of
raising an error. {SMALL_SPLIT_MARK}: fewer than {SMALL_SPLIT} problems.

{_splits(data.pairs, "sources")}

## Shortcut floors
{_floors(data.pairs)}

## Origin of the candidates
{by_origin}

## First failure of wrong candidates
{_errors(candidates)}
{_topics(topics)}
## Problems left out
{len(data.labelling.left_out)} problems without a label{_names(left_out)}.
{len(data.overlapping)} training problems that share {overlap} consecutive words with an evaluation
problem{_names(shared)}.
"""


def _funnel(data: RealData) -> str:
    rows = [(loss.step, loss.problems or "", loss.candidates, loss.option) for loss in data.losses]
    for split in dict.fromkeys(name for name, _ in data.pairs):
        problems: set[str] = set()
        candidates: set[tuple[str, str]] = set()
        for name, pair in data.pairs:
            if name == split:
                problems.add(pair.problem.id)
                candidates |= {(pair.problem.id, pair.a.text), (pair.problem.id, pair.b.text)}
        rows.append((f"paired in {split}", len(problems), len(candidates), ""))
    return table(("step", "problems", "candidates", "option"), rows)


def _lines(lines: Sequence[str]) -> str:
    """Return a list of lines, cut to a maximum number."""
    if not lines:
        return "Nothing."
    more = [f"{len(lines) - MAX_LISTED} more"] if len(lines) > MAX_LISTED else []
    return "\n".join(f"- {escaped(line)}" for line in [*lines[:MAX_LISTED], *more])


def _tests(data: RealData) -> str:
    """Return a sentence about the number of tests, or an empty string if no program was run."""
    if not data.tests:
        return ""
    unused = data.labelling.unused_tests.total() + data.labelling.unusable_tests.total()
    return (
        f"A problem has {data.tests[0]} to {data.tests[-1]} tests, {median(data.tests):g} in the median; "
        f"{unused} tests were not used. "
    )


def _capped(rows: Sequence[OriginRow]) -> list[OriginRow]:
    """Return the most frequent origins, and the sum of all others in one row."""
    if len(rows) <= MAX_LISTED:
        return list(rows)
    ordered = sorted(rows, key=_num_candidates, reverse=True)
    others = ordered[MAX_LISTED:]
    first, second = sum(row[1] for row in others), sum(row[2] for row in others)
    return [*ordered[:MAX_LISTED], (f"{len(others)} others", first, second)]


def _num_candidates(row: OriginRow) -> int:
    return row[1] + row[2]


def _candidates(problems: Sequence[LabelledProblem]) -> list[Candidate]:
    return list(chain.from_iterable(problem.candidates for problem in problems))


def _other_kinds(pairs: Sequence[tuple[str, Pair]]) -> str:
    """Return the shares of training pairs without exactly one correct candidate, or an empty string."""
    kinds = Counter(pair.kind for split, pair in pairs if split == TRAIN)
    shares = []
    for kind in (Kind.both_wrong, Kind.both_correct):
        if kinds[kind]:
            shares.append(f"{kinds[kind] / kinds.total():.0%} {kind.replace('_', ' ')}")
    return f" (training also contains {' and '.join(shares)})" if shares else ""


def _isolation(problems: Sequence[LabelledProblem]) -> str:
    levels = sorted({candidate.isolation for candidate in _candidates(problems) if candidate.isolation})
    return f"isolation: {', '.join(levels)}" if levels else "no program had to be run"


def _origin_rows(candidates: Sequence[Candidate], columns: tuple[bool, bool]) -> list[OriginRow]:
    """Return one row per origin: its name and the number of candidates with each of the labels `columns`."""
    counts = Counter((candidate.origin, candidate.correct) for candidate in candidates)
    origins = sorted({origin for origin, _ in counts})
    first, second = columns
    return [(origin, counts[origin, first], counts[origin, second]) for origin in origins]


def _families(bank: Bank, pairs: Sequence[tuple[str, Pair]]) -> str:
    """Return a table of the families: role and number of pairs per split."""
    roles = {name: str(role) for name, role in bank.roles.items()}
    roles |= {family.name: "math, held out" for family in bank.math}
    counts = Counter((pair.problem.family, split) for split, pair in pairs)
    splits = sorted({split for split, _ in pairs})
    rows = []
    for name, role in sorted(roles.items()):
        rows.append((name, role, *(counts[name, split] for split in splits)))
    return table(("family", "role", *splits), rows)


def _sources(data: RealData, licences: Mapping[str, str]) -> str:
    """Return a table of the sources: licence, problems, labels, and agreement with the source's labels."""
    distinct: Counter[tuple[str, bool]] = Counter()
    for problem in data.problems:
        distinct.update((problem.family, candidate.correct) for candidate in problem.candidates)
    rows = []
    for source, licence in licences.items():
        rows.append(
            (
                source,
                licence,
                sum(problem.family == source for problem in data.problems),
                data.labelled[source, True] + data.labelled[source, False],
                data.labelled[source, True],
                distinct[source, True] + distinct[source, False],
                distinct[source, True],
                _agreement(data, source),
            )
        )
    header = ("source", "licence", "problems", "candidates", "correct", "different", "of these correct")
    return table((*header, "agreement"), rows)


def _agreement(data: RealData, source: str) -> str:
    same, other = data.claims[source, True], data.claims[source, False]
    return f"{same} of {same + other} ({same / (same + other):.2%})" if same + other else "–"


def _splits(pairs: Sequence[tuple[str, Pair]], families: str) -> str:
    """Return a table of the splits; `families` is the header of the column that counts families."""
    rows = []
    for split in dict.fromkeys(name for name, _ in pairs):
        split_pairs = [pair for name, pair in pairs if name == split]
        num_problems = len({pair.problem.id for pair in split_pairs})
        candidates = list(chain.from_iterable((pair.a, pair.b) for pair in split_pairs))
        tokens = [len(TOKEN.findall(candidate.text)) for candidate in candidates]
        kinds = sorted(Counter(str(pair.kind) for pair in split_pairs).items())
        is_small = is_evaluation(split) and num_problems < SMALL_SPLIT
        rows.append(
            (
                f"{split} {SMALL_SPLIT_MARK}" if is_small else split,
                len(split_pairs),
                len({pair.id for pair in split_pairs}),
                num_problems,
                len({pair.problem.family for pair in split_pairs}),
                f"{median(tokens):g}, {max(tokens)}",
                ", ".join(f"{kind} {count}" for kind, count in kinds),
            )
        )
    header = ("split", "prompts", "pairs", "problems", families)
    return table((*header, "tokens per candidate: median, maximum", "kinds"), rows)


def _floors(pairs: Sequence[tuple[str, Pair]]) -> str:
    evaluation = [(split, pair) for split, pair in pairs if is_evaluation(split)]
    if not evaluation:
        return "The data set has no evaluation split."
    memory = memory_floor(pairs, TRAIN)
    rows = []
    for row in shortcut_floors(evaluation).to_dict("records"):
        shares = [row["length"], row["words"], row[WORD_PAIRS], memory.get(row["split"], math.nan)]
        rows.append((row["split"], row["prompts"], *map(_percent, shares)))
    return f"{_FLOORS}\n\n{table(('split', 'prompts', 'length', 'words', WORD_PAIRS, 'memory'), rows)}"


def _percent(share: float) -> str:
    return "–" if share != share else f"{100 * share:.0f}%"


def _errors(candidates: Sequence[Candidate]) -> str:
    errors = Counter(candidate.error for candidate in candidates if candidate.error)
    return table(("error", "candidates"), errors.most_common())


def _topics(topics: Counter[str]) -> str:
    if not topics:
        return ""
    return f"\n## Difficulty and subject\n{table(('topic', 'problems'), sorted(topics.items()))}\n"


def _names(names: Sequence[str]) -> str:
    """Return the first names of a list after a colon; empty if there are none."""
    if not names:
        return ""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f": {', '.join(names[:MAX_LISTED])}{more}"
