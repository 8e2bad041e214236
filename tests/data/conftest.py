"""Fixtures for the tests of the bank's data: labelled problems and splits, built once."""

from __future__ import annotations

import pytest
from filelock import FileLock

from corpo.data.bank.selection import Bank, select
from corpo.data.build_bank import build
from corpo.data.execution.labelling import LabelCache
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.drawing import evaluation_pairs, train_pairs, without_programs
from corpo.data.types import LabelledProblem, Use
from corpo.task import Pair
from tests.workers import common_folder


@pytest.fixture(scope="session")
def bank() -> Bank:
    return select(20, 4)


@pytest.fixture(scope="session")
def problems(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> list[LabelledProblem]:
    """Return all problems of a part of the bank. One worker labels their programs, and the others wait."""
    folder = common_folder(tmp_path_factory)
    with FileLock(folder / "bank.lock"):
        cache = LabelCache(folder / "labels.jsonl")
        return build(bank, set(Use), seed=0, mutants_per_solution=2, sandbox=Sandbox(), cache=cache)


@pytest.fixture(scope="session")
def splits(bank: Bank, problems: list[LabelledProblem]) -> dict[str, list[Pair]]:
    """Return training, validation and evaluation pairs by split."""
    evaluation = evaluation_pairs(problems, bank, 30, seed=0)
    evaluated_texts = {pair.a.text for _, pair in evaluation} | {pair.b.text for _, pair in evaluation}
    learnable = without_programs(problems, evaluated_texts)
    train = [problem for problem in learnable if problem.use is Use.train]
    validation = [problem for problem in learnable if problem.use is Use.validation]
    pairs_by_split: dict[str, list[Pair]] = {}
    for split, pair in [
        *train_pairs(train, "train", 200, 0),
        *train_pairs(validation, "validation", 20, 0),
        *evaluation,
    ]:
        pairs_by_split.setdefault(split, []).append(pair)
    return pairs_by_split
