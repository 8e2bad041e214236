"""The questions of `task=solve`: problems of real sources, with what their answers are checked against."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from corpo.config import CandidatesConfig, Config, SourceConfig
from corpo.data.build_sources import problems_cache_spec, read_all, use_of_problem
from corpo.data.execution.check_texts import checks_of_row, row_of_checks
from corpo.data.execution.checks import Answer, CallChecks, Checks, ScriptChecks, StdioChecks
from corpo.data.execution.label_problems import label_problems
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.contamination import overlaps
from corpo.data.sources import SOURCES
from corpo.data.types import RealProblem, UnlabelledProblem, Use
from corpo.task import Domain
from corpo.tasks.questions import Question, is_evaluated
from corpo.tasks.two_domains import train_split, validation_split
from corpo.utils.errors import ConfigError
from corpo.utils.files import hash_of

log = logging.getLogger(__name__)

_MAX_EXAMPLES = 3  # problems that a message names, or tests that readers see
_MAX_SHOWN_CHARS = 200  # of a test


def evaluation_splits(sources: Mapping[str, SourceConfig], domain: Domain) -> tuple[str, ...]:
    """Return the names of all evaluation splits that a domain can have.

    Raises ConfigError if a name is one of training or validation.
    """
    names = []
    for name, source in sources.items():
        if _domain_of(name, source) in (None, domain):
            names.append(_evaluation_split(name, source, domain))
    for name in names:
        if not is_evaluated(name):
            raise ConfigError(
                f"data.sources: {name!r} is the name of a split of training or validation; "
                "give another name as data.sources.NAME.splits"
            )
    return tuple(dict.fromkeys(names))


def _domain_of(name: str, source: SourceConfig) -> Domain | None:
    """Return the domain of a source, or None if it can have problems of both."""
    registered = SOURCES.get(source.loader or name)
    return registered.domain if registered is not None else None


def _evaluation_split(name: str, source: SourceConfig, domain: Domain) -> str:
    prefix = source.splits or name
    return prefix if _domain_of(name, source) is not None else f"{prefix}_{domain}"


def questions_spec(config: Config) -> dict[str, Any]:
    """Return what the questions depend on, for the key of a stage.

    Files are represented by hashes of their content.
    """
    return {
        "problems": problems_cache_spec(config.data),
        "overlap_words": config.data.pairing.overlap_words,
        "seed": config.data.seed,
        "isolation": config.data.isolation,
        "execution": execution_options(config.candidates),
    }


def execution_options(candidates: CandidatesConfig) -> dict[str, Any]:
    """Return the options that decide how programs run and how their values are compared."""
    names = ("max_tests", "tolerance", "cpu_seconds")
    return {name: value for name, value in asdict(candidates).items() if name in names}


def read_questions(config: Config, sandbox: Sandbox) -> list[Question]:
    """Return the questions of all splits, in an order that mixes the sources.

    Problems are left out if their own reference fails, if their calls cannot be written, or if they are for
    training and share words with an evaluation problem.
    """
    questions = []
    for problem in _usable_problems(config, sandbox):
        split = _split(problem, config.data.sources[problem.source])
        try:
            questions.append(_question(problem, split))
        except TypeError as error:
            log.warning("left out %s: its calls cannot be written (%s)", problem.problem.id, error)
    seed = config.data.seed
    return sorted(questions, key=lambda question: hash_of([seed, "order", question.id]))


def _usable_problems(config: Config, sandbox: Sandbox) -> list[UnlabelledProblem]:
    """Return the problems without those that cannot be solved or that overlap. Log what is left out."""
    data, candidates = config.data, config.candidates
    notes: list[str] = []
    problems: dict[str, UnlabelledProblem] = {}
    for name, of_source in read_all(data, notes).items():
        for problem in of_source:
            use = use_of_problem(problem.id, data.sources[name], data.seed)
            problems[problem.id] = UnlabelledProblem(name, replace(problem, given=()), (), use)
    for note in notes:
        log.warning("%s", note)
    labelled = label_problems(
        list(problems.values()), sandbox, None, candidates.max_tests, candidates.tolerance
    )
    _log_left_out("that cannot be checked", labelled.left_out)
    overlapping = overlaps(
        [problem for problem in labelled.problems if problem.use is not Use.evaluation],
        [problem for problem in labelled.problems if problem.use is Use.evaluation],
        data.pairing.overlap_words,
    )
    reasons = {overlap.trained: f"{overlap.words!r} is in {overlap.evaluated}" for overlap in overlapping}
    _log_left_out("of training that share words with problems of evaluation", reasons)
    for problem_id in (*labelled.left_out, *reasons):
        del problems[problem_id]
    return list(problems.values())


def _log_left_out(kind: str, reasons: Mapping[str, str]) -> None:
    """Log how many problems of a kind are left out, and the reasons of the first."""
    if reasons:
        examples = [f"{problem}: {reason}" for problem, reason in reasons.items()][:_MAX_EXAMPLES]
        log.warning("left out %d problems %s, such as %s", len(reasons), kind, "; ".join(examples))


def _split(problem: UnlabelledProblem, source: SourceConfig) -> str:
    domain = problem.problem.domain
    if problem.use is Use.evaluation:
        return _evaluation_split(problem.source, source, domain)
    return validation_split(domain) if problem.use is Use.validation else train_split(domain)


def _question(problem: UnlabelledProblem, split: str) -> Question:
    """Return a problem as a question. Raises TypeError if its calls have a value that cannot be written."""
    real = problem.problem
    answer: dict[str, Any] = {"checks": row_of_checks(real.checks)}
    if real.prompt:
        answer |= {"prompt": real.prompt, "starter": real.starter}
    if isinstance(real.checks, CallChecks) and real.checks.values is None:
        answer["references"] = list(real.references[:1])  # it gives the expected values
    return Question(real.id, split, real.statement, json.dumps(answer), problem.source, str(real.domain))


def problem_of(question: Question) -> RealProblem:
    """Return the problem of a question, with what grading needs."""
    answer = json.loads(question.answer)
    return RealProblem(
        id=question.id,
        domain=Domain(question.domain),
        statement=question.statement,
        checks=checks_of_row(answer["checks"]),
        references=tuple(answer.get("references", ())),
        prompt=answer.get("prompt", ""),
        starter=answer.get("starter", ""),
    )


def describe_checks(checks: Checks) -> str:
    """Return the answer that is right, or the first tests of a program, one per line and not too long."""
    match checks:
        case Answer():
            tests = [checks.value]
        case ScriptChecks():
            tests = list(checks.tests)
        case CallChecks():
            tests = [f"{checks.entry}{arguments!r}" for arguments in checks.arguments]
        case StdioChecks():
            tests = [
                f"{given!r} gives {wanted!r}"
                for given, wanted in zip(checks.inputs, checks.outputs, strict=True)
            ]
    return "\n".join(test[:_MAX_SHOWN_CHARS] for test in tests[:_MAX_EXAMPLES])
