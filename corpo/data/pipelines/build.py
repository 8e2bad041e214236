"""Build labelled problems about pipelines: a statement with one example, correct programs, and mutants.

Uses are kept apart: no words of a problem and no program occur in two uses. Programs of ours that differ in
text differ in more than names, so comparing texts is enough. The parts of `_plan` are drawn in order, before
any program is run. So a use gets the same problems whether or not later uses are built.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from corpo.config import PipelinesConfig
from corpo.data.build_bank import with_label
from corpo.data.execution.labelling import Job, LabelCache, expected_outputs, label_programs
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pipelines.chains import chain_problems
from corpo.data.pipelines.mutations import mutate
from corpo.data.pipelines.operations import (
    HELD_OUT_FOR_EVALUATION,
    HELD_OUT_FOR_VALIDATION,
    LENGTHS,
    LIST,
    LONG,
    SEEN,
    UNSEEN,
    Pipeline,
    draw_pipeline,
    is_seen,
)
from corpo.data.pipelines.programs import STYLES, write_program
from corpo.data.pipelines.traces import read_example, write_example
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain
from corpo.utils.errors import DataError
from corpo.utils.progress import progress

_CORRECT_PROGRAMS = 3  # per problem
_EXAMPLES = 12  # drawn per problem; the one that shows the most mutants to be wrong is kept
_RANDOM_TESTS = 20
_ATTEMPTS = 6  # draws per candidate; many are texts that occurred before or mutations that do not apply


@dataclass(frozen=True)
class BuiltPipelines:
    """Labelled problems, and what was drawn to get them."""

    problems: list[LabelledProblem]
    num_hidden: int  # wrong programs that were left out because they pass the example
    taught: list[LabelledProblem]  # problems of the warm start and of training; no program of them was run


@dataclass
class _Reservations:
    """The words and the programs that are in use."""

    words: set[str] = field(default_factory=set)
    use_by_text: dict[str, Use] = field(default_factory=dict)

    def claim(self, text: str, use: Use) -> bool:
        """Return whether a program may have this use, and reserve it if so."""
        return self.use_by_text.setdefault(text, use) is use


def build(
    uses: set[Use],
    config: PipelinesConfig,
    mutants: int,
    seed: int,
    sandbox: Sandbox,
    cache: LabelCache | None,
) -> BuiltPipelines:
    """Return the problems of these uses, code and math, with labelled candidates.

    `mutants` is the number of mutants per problem. Raises DataError if a correct program fails.
    """
    drawn = draw_problems(config, mutants, seed, uses)
    chains = chain_problems(config, seed)
    programs, num_hidden = _label([problem for problem in drawn if problem.use in uses], seed, sandbox, cache)
    solutions = [problem for problem in chains if problem.use in uses]
    taught = [problem for problem in (*drawn, *chains) if problem.use in (Use.warm_start, Use.train)]
    return BuiltPipelines([*programs, *solutions], num_hidden, taught)


def num_problems(config: PipelinesConfig, use: Use) -> int:
    """Return the number of code problems to draw for each entry of the plan with this use."""
    counts = {
        Use.evaluation: config.evaluation_problems,
        Use.validation: config.validation_problems,
        Use.train: config.train_problems,
        Use.warm_start: config.warm_start_problems,
    }
    return counts[use]


@dataclass(frozen=True)
class _Part:
    """Problems that are drawn together: those of one use, with seen or with unseen combinations."""

    use: Use
    name: str  # SEEN or UNSEEN
    lengths: tuple[int, ...]  # numbers of operations
    values: tuple[int, int] = (3, 5)  # the fewest and the most values in the list of an example

    @property
    def stream(self) -> str:
        """Return the name of the part's random stream."""
        return f"pipelines/{self.use}/{self.name}/{self.lengths}"


def _plan(config: PipelinesConfig) -> tuple[_Part, ...]:
    """Return what is drawn, in order."""
    lengths = tuple(config.train_operations)
    values = (config.train_values[0], config.train_values[1])
    return (
        _Part(Use.evaluation, UNSEEN, LENGTHS),
        _Part(Use.evaluation, SEEN, LENGTHS),
        _Part(Use.evaluation, SEEN, (LONG,)),
        _Part(Use.warm_start, SEEN, LENGTHS),
        _Part(Use.validation, UNSEEN, lengths, values),
        _Part(Use.validation, SEEN, lengths, values),
        _Part(Use.train, SEEN, lengths, values),
    )


@dataclass
class _Draw:
    """One part of the plan with its random stream."""

    part: _Part
    mutants: int  # per problem
    reservations: _Reservations
    rng: Random

    def fits(self, pipeline: Pipeline) -> bool:
        """Return whether a pipeline has the combinations of this part."""
        return self.accepts(pipeline) and is_seen(pipeline) is (self.part.name == SEEN)

    def accepts(self, pipeline: Pipeline) -> bool:
        """Return whether a candidate of this part may have the combinations of a pipeline."""
        if self.part.name == SEEN:
            return is_seen(pipeline)
        is_validation = self.part.use is Use.validation
        return not pipeline.bigrams & (HELD_OUT_FOR_EVALUATION if is_validation else HELD_OUT_FOR_VALIDATION)


def draw_problems(config: PipelinesConfig, mutants: int, seed: int, uses: set[Use]) -> list[LabelledProblem]:
    """Return the code problems of these uses and of those before them in the plan, not labelled yet."""
    reservations = _Reservations()
    problems: list[LabelledProblem] = []
    plan = _plan(config)
    last = max(index for index, part in enumerate(plan) if part.use in uses)
    plan = plan[: last + 1]
    with progress("drawing programs", sum(num_problems(config, part.use) for part in plan)) as advance:
        for part in plan:
            rng = Random(f"{seed}/{part.stream}")
            draw = _Draw(part, mutants, reservations, rng)
            wanted = len(problems) + num_problems(config, part.use)
            while len(problems) < wanted:
                pipeline = draw_pipeline(rng, rng.choice(part.lengths))
                if not draw.fits(pipeline) or pipeline.words in reservations.words:
                    continue
                problem = _draw_problem(pipeline, draw)
                if problem is not None:
                    reservations.words.add(pipeline.words)
                    problems.append(problem)
                    advance(1)
    return problems


def _draw_problem(pipeline: Pipeline, draw: _Draw) -> LabelledProblem | None:
    """Return a problem with unlabelled candidates, or None if there are too few candidates or examples."""
    correct = _correct_programs(pipeline, draw)
    if len(correct) < 2:
        return None
    mutants = _mutants(pipeline, draw, correct)
    example = _most_telling_example(pipeline, list(mutants.values()), draw)
    if len(mutants) < 2 or example is None:
        return None
    return LabelledProblem(
        id=pipeline.words,
        domain=Domain.code,
        family=f"code_{draw.part.name}_{len(pipeline.operations)}",
        topic=draw.part.name,
        use=draw.part.use,
        statements=(f"{pipeline.words}: {write_example(example, pipeline(example))}",),
        candidates=(*correct.values(), *mutants),
    )


def _correct_programs(pipeline: Pipeline, draw: _Draw) -> dict[str, Candidate]:
    """Return programs of a pipeline in random styles and variants, by their text."""
    programs: dict[str, Candidate] = {}
    for _ in range(_ATTEMPTS * _CORRECT_PROGRAMS):
        text = write_program(pipeline.rewritten(draw.rng), draw.rng.choice(STYLES))
        if text not in programs and draw.reservations.claim(text, draw.part.use):
            programs[text] = Candidate(text, False, "reference")
        if len(programs) == _CORRECT_PROGRAMS:
            break
    return programs


def _mutants(pipeline: Pipeline, draw: _Draw, correct: Container[str]) -> dict[Candidate, Pipeline]:
    """Return different mutants with their pipelines, without the texts of correct programs."""
    mutants: dict[Candidate, Pipeline] = {}
    texts: set[str] = set()
    for _ in range(_ATTEMPTS * draw.mutants):
        drawn = mutate(pipeline.rewritten(draw.rng), draw.rng, max(draw.part.lengths))
        if drawn is None or not draw.accepts(drawn[1]):
            continue
        mutation, mutant = drawn
        style = draw.rng.choice(STYLES)
        text = write_program(mutant, style)
        if text not in correct and text not in texts and draw.reservations.claim(text, draw.part.use):
            line = _first_difference(text, pipeline, mutant, style)
            mutants[Candidate(text, False, mutation, line)] = mutant
            texts.add(text)
        if len(mutants) == draw.mutants:
            break
    return mutants


def _first_difference(text: str, pipeline: Pipeline, mutant: Pipeline, style: str) -> int:
    """Return the 1-based line in which a mutant first differs from the problem's program in its variants."""
    operations = list(pipeline.operations)
    for index, (own, other) in enumerate(zip(pipeline.operations, mutant.operations, strict=False)):
        if own.name == other.name and own.argument == other.argument:
            operations[index] = other
    correct = write_program(replace(pipeline, operations=tuple(operations)), style).split("\n")
    lines = text.split("\n")
    for number, (line, correct_line) in enumerate(zip(lines, correct, strict=False), start=1):
        if line != correct_line:
            return number
    return min(len(lines), len(correct))


def _most_telling_example(pipeline: Pipeline, mutants: Sequence[Pipeline], draw: _Draw) -> list[int] | None:
    """Return the input on which most mutants give another value, or None if no input keeps enough values."""
    best, most_differing = None, -1
    for _ in range(_EXAMPLES):
        values = _draw_list(draw.rng, *draw.part.values)
        wanted = pipeline(values)
        before_fold = Pipeline(pipeline.operations)(values)
        assert isinstance(before_fold, list)
        if len(before_fold) <= (pipeline.ending == LIST):
            continue
        differing = sum(mutant(values) != wanted for mutant in mutants)
        if differing > most_differing:
            best, most_differing = values, differing
    return best


def _draw_list(rng: Random, shortest: int, longest: int) -> list[int]:
    """Draw a list of few different digits, so that some repeat."""
    digits = rng.sample(range(10), rng.randint(4, 8))
    return [rng.choice(digits) for _ in range(rng.randint(shortest, longest))]


def problem_calls(problem: LabelledProblem, seed: int) -> tuple[tuple[list[int]], ...]:
    """Return the arguments on which all candidates are run: the example, then random lists."""
    example, _ = read_example(problem.statements[0])
    rng = Random(f"{seed}/{problem.id}/tests")
    return ((example,), *((_draw_list(rng, 0, 7),) for _ in range(_RANDOM_TESTS)))


def _label(
    problems: list[LabelledProblem], seed: int, sandbox: Sandbox, cache: LabelCache | None
) -> tuple[list[LabelledProblem], int]:
    """Run all candidates, and leave out the wrong ones that give the wanted value on the example.

    Return the problems and the number of candidates left out.
    """
    calls = [problem_calls(problem, seed) for problem in problems]
    references = [
        (problem.candidates[0].text, calls_of) for problem, calls_of in zip(problems, calls, strict=True)
    ]
    with progress("expected outputs", len(references)) as advance:
        expected = expected_outputs(references, sandbox, cache, advance)
    jobs: list[Job] = []
    for problem, calls_of, outputs in zip(problems, calls, expected, strict=True):
        jobs += [(candidate.text, calls_of, outputs) for candidate in problem.candidates]
    with progress("labelling programs", len(jobs)) as advance:
        labels = iter(zip(label_programs(jobs, sandbox, cache, advance), jobs, strict=True))
    labelled, num_hidden = [], 0
    for problem in problems:
        kept = []
        for candidate in problem.candidates:
            label, job = next(labels)
            if candidate.origin == "reference" and not label.correct:
                raise DataError(f"pipelines: a correct program of {problem.id!r} fails: {candidate.text}")
            fails_example = any(index == 0 for index, _ in label.failures)
            if label.correct or fails_example:
                kept.append(with_label(candidate, label, job))
            else:
                num_hidden += 1
        labelled.append(replace(problem, candidates=tuple(kept)))
    return labelled, num_hidden
