"""Teachers of a warm start: demonstrations for each step, and a test on problems that it does not see."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any, Protocol

from corpo.config import WarmStartConfig
from corpo.data.pairing.drawing import draw_pairs
from corpo.data.pipelines.traces import BAD, OK
from corpo.data.types import LabelledProblem
from corpo.rollout import RolloutEngine
from corpo.task import Domain, Kind, Pair, Verdict, complete_responses, continuation, parse_response
from corpo.tasks import Question, QuestionTask
from corpo.train.demonstrations import Demonstration, Demonstrator

DEV_ROLLOUTS = 4  # rollouts per development pair or question
NUM_TOKENIZER_TEXTS = 3000  # pairs or questions on whose demonstrations the tokenizer is trained


class Teacher(Protocol):
    """A source of demonstrations."""

    @property
    def weighted_texts(self) -> Sequence[str]:
        """Return the tokens whose loss has the weight `warm_start.verdict_weight`."""

    def batch(self, config: WarmStartConfig, step: int) -> list[Demonstration]:
        """Return the demonstrations of a step, counted from 0."""
        ...

    def sample(self, seed: int) -> list[Demonstration]:
        """Return many demonstrations, to train a tokenizer on."""
        ...

    def accuracy(self, engine: RolloutEngine, config: WarmStartConfig) -> dict[str, float]:
        """Return pass@1 on problems that are not demonstrated, by kind, and the unparseable share."""
        ...

    def with_slips(self, slips: float) -> Teacher:
        """Return a teacher whose demonstrations contain this share of mistakes."""
        ...


def is_dev(problem_id: str) -> bool:
    """Return whether a problem is held out to measure accuracy during the warm start: one in twelve is."""
    return int(hashlib.sha256(problem_id.encode()).hexdigest(), 16) % 12 == 0


@dataclass(frozen=True)
class PairTeacher:
    """A teacher of the paper's task: pairs of problems, with rationales and scores."""

    problems: Sequence[LabelledProblem]
    demonstrator: Demonstrator
    weighted_texts: Sequence[str] = (f";{OK}", f";{BAD}")

    @cached_property
    def _taught(self) -> list[LabelledProblem]:
        return [problem for problem in self.problems if not is_dev(problem.id)]

    @cached_property
    def _short(self) -> list[LabelledProblem]:
        return short_problems(self._taught)

    def batch(self, config: WarmStartConfig, step: int) -> list[Demonstration]:
        """Return the demonstrations of a step. The first steps draw from the shorter half of the problems."""
        source = self._short if step < config.short_steps else self._taught
        return self.demonstrator.batch(source, config.pairs, Random(f"{config.seed}/{step}"))

    def sample(self, seed: int) -> list[Demonstration]:
        """Return many demonstrations, to train a tokenizer on."""
        return self.demonstrator.batch(self._taught, NUM_TOKENIZER_TEXTS, Random(f"{seed}/tokenizer"))

    def accuracy(self, engine: RolloutEngine, config: WarmStartConfig) -> dict[str, float]:
        """Return pass@1 by domain and kind, and the unparseable share."""
        pairs = self._dev_pairs(config.dev_pairs, config.seed)
        prompts = [self.demonstrator.render(pair) for pair in pairs]
        rollouts = engine.generate(prompts, DEV_ROLLOUTS, config.seed)
        is_correct: dict[str, list[bool]] = {}
        unparseable = 0
        for pair, responses in zip(pairs, complete_responses(prompts, rollouts.texts_PG), strict=True):
            for response in responses:
                verdict = parse_response(response)
                is_parsed = isinstance(verdict, Verdict)
                unparseable += not is_parsed
                outcomes = is_correct.setdefault(f"{pair.problem.domain}_{pair.kind}", [])
                outcomes.append(isinstance(verdict, Verdict) and verdict.is_correct(pair.labels))
        return {**_shares(is_correct), "unparseable": unparseable / (len(pairs) * DEV_ROLLOUTS)}

    def _dev_pairs(self, count: int, seed: int) -> list[Pair]:
        """Draw `count` pairs of every domain and kind from problems that the warm start does not train on."""
        held_out = [problem for problem in self.problems if is_dev(problem.id)]
        pairs: list[Pair] = []
        for domain in Domain:
            source = [problem for problem in held_out if problem.domain is domain]
            for kind in Kind:
                pairs += draw_pairs(source, kind, count, Random(f"{seed}/dev/{domain}/{kind}"))
        return pairs

    def with_slips(self, slips: float) -> PairTeacher:
        """Return a teacher whose demonstrations contain this share of wrong values."""
        return replace(self, demonstrator=replace(self.demonstrator, slips=slips))


def short_problems(problems: Sequence[LabelledProblem]) -> list[LabelledProblem]:
    """Return the half of the problems of each domain whose candidates are shortest on average."""
    chosen: list[LabelledProblem] = []
    for domain in Domain:
        ordered = sorted((problem for problem in problems if problem.domain is domain), key=_mean_length)
        chosen += ordered[: math.ceil(len(ordered) / 2)]
    return chosen


def _mean_length(problem: LabelledProblem) -> float:
    """Return the mean length of a problem's candidates in characters."""
    return sum(len(candidate.text) for candidate in problem.candidates) / len(problem.candidates)


def _shares(outcomes: dict[str, list[bool]]) -> dict[str, float]:
    return {f"pass@1/{name}": sum(values) / len(values) for name, values in outcomes.items()}


@dataclass(frozen=True)
class QuestionTeacher:
    """A teacher of a task whose items are questions."""

    task: QuestionTask
    questions: Sequence[Question]  # of the warm start
    render: Callable[[Any], str]
    slips: float = 0.0
    weighted_texts: Sequence[str] = ()

    @cached_property
    def _by_family(self) -> list[list[Question]]:
        families: dict[str, list[Question]] = {}
        for question in self.questions:
            if not is_dev(question.id):
                families.setdefault(question.family, []).append(question)
        return list(families.values())

    def batch(self, config: WarmStartConfig, step: int) -> list[Demonstration]:
        """Return twice `warm_start.pairs` demonstrations. First the family is drawn, then the question."""
        return self._demonstrations(2 * config.pairs, Random(f"{config.seed}/{step}"))

    def sample(self, seed: int) -> list[Demonstration]:
        """Return many demonstrations, to train a tokenizer on."""
        return self._demonstrations(NUM_TOKENIZER_TEXTS, Random(f"{seed}/tokenizer"))

    def _demonstrations(self, count: int, rng: Random) -> list[Demonstration]:
        demonstrations = []
        for _ in range(count):
            question = rng.choice(rng.choice(self._by_family))
            prompt = self.render(question)
            response = self.task.demonstrate(question, rng, self.slips)
            demonstrations.append(Demonstration(prompt, continuation(prompt, response)))
        return demonstrations

    def accuracy(self, engine: RolloutEngine, config: WarmStartConfig) -> dict[str, float]:
        """Return pass@1 by domain, and the unparseable share, on `warm_start.dev_pairs` questions of each."""
        domains: dict[str, list[Question]] = {}
        for question in self.questions:
            if is_dev(question.id):
                domains.setdefault(question.domain, []).append(question)
        chosen: list[Question] = []
        for of_domain in domains.values():
            chosen += Random(f"{config.seed}/dev").sample(of_domain, min(len(of_domain), config.dev_pairs))
        prompts = [self.render(question) for question in chosen]
        rollouts = engine.generate(prompts, DEV_ROLLOUTS, config.seed)
        grades_PG = self.task.grade(complete_responses(prompts, rollouts.texts_PG), chosen)
        is_correct: dict[str, list[bool]] = {}
        unparseable = 0
        for question, grades_G in zip(chosen, grades_PG, strict=True):
            for grade in grades_G:
                unparseable += bool(grade.fault)
                outcomes = is_correct.setdefault(question.domain, [])
                outcomes.append(grade.reward >= self.task.threshold)
        return {**_shares(is_correct), "unparseable": unparseable / (len(chosen) * DEV_ROLLOUTS)}

    def with_slips(self, slips: float) -> QuestionTeacher:
        """Return a teacher whose demonstrations contain this share of mistakes."""
        return replace(self, slips=slips)
