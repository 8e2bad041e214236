"""The warm start and the training give the same policy on any number of cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from corpo.config import LossConfig, NanoConfig, WarmStartConfig
from corpo.data.types import LabelledProblem, Use
from corpo.policy.cores import map_in_processes, map_parallel
from corpo.task import Candidate, Domain, render_prompt
from corpo.train.demonstrations import Demonstrator
from corpo.train.new_nano import new_nano
from corpo.train.sft import warm_start
from corpo.train.teachers import PairTeacher
from tests.train.tiny_trainer import example_pairs, metrics_without_seconds, tiny_trainer, weights_of

CPU = torch.device("cpu")
STATEMENTS = ("reversed: f([1, 2, 3]) == [3, 2, 1]", "reversed: f([5, 2]) == [2, 5]")
CANDIDATES = (
    Candidate("def f(xs):\n    xs = xs[::-1]\n    return xs", True, "reference"),
    Candidate("def f(xs):\n    xs = xs[1:]\n    return xs", False, "operator", line=2),
    Candidate("def f(xs):\n    ys = xs[::-1]\n    return ys", True, "reference"),
    Candidate("def f(xs):\n    ys = xs[2:]\n    return ys", False, "operator", line=2),
)
NANO = NanoConfig(vocabulary=300, context=256, width=32, layers=1, heads=2, mlp=64)
CONFIG = WarmStartConfig(
    steps=3, pairs=6, math_share=0.0, micro_batches=3, short_steps=0, evaluate_every=3, dev_pairs=1
)


def _problem(number: int, domain: Domain) -> LabelledProblem:
    """Return a problem. Those of mathematics have no traces, because they are sampled only."""
    return LabelledProblem(
        id=f"{domain}{number}",
        domain=domain,
        family=f"{domain}_seen_1",
        topic="seen",
        use=Use.warm_start,
        statements=STATEMENTS,
        candidates=CANDIDATES,
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
        assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)


def _warm_started(folder: Path, num_threads: int) -> dict[str, torch.Tensor]:
    problems = []
    for number in range(40):
        problems += [_problem(number, Domain.code), _problem(number, Domain.math)]
    demonstrator = Demonstrator(render_prompt, "trace", math_share=0.0)
    teacher = PairTeacher(problems, demonstrator)
    model, tokenizer = new_nano(teacher, NANO, "float32", seed=0)
    with _threads(num_threads):
        warm_start(model, tokenizer, teacher, CONFIG, max_new_tokens=8, folder=folder)
    return model.state_dict()


def _trained(folder: Path, num_threads: int, options: dict[str, Any]) -> dict[str, torch.Tensor]:
    folder.mkdir()
    with _threads(num_threads):
        trainer = tiny_trainer(baseline="static", token_budget=40, prompts_per_step=8, steps=2, **options)
        trainer.train(example_pairs(8), example_pairs(1), folder)
    return weights_of(trainer)


@pytest.mark.parametrize("num_threads", [2, 3])
def test_warm_start_does_not_depend_on_the_number_of_cores(tmp_path: Path, num_threads: int) -> None:
    single = _warm_started(tmp_path / "single", 1)
    several = _warm_started(tmp_path / "several", num_threads)
    assert all(torch.equal(single[name], several[name]) for name in single)


@pytest.mark.parametrize("num_threads", [2, 3])
@pytest.mark.parametrize(
    "options",
    [{}, {"minibatches": 2, "epochs": 2, "loss": LossConfig(ppo_clip=0.2, kl=0.1)}],
    ids=["one update", "several updates"],
)
def test_training_does_not_depend_on_the_number_of_cores(
    tmp_path: Path, num_threads: int, options: dict[str, Any]
) -> None:
    single = _trained(tmp_path / "single", 1, options)
    several = _trained(tmp_path / "several", num_threads, options)
    assert all(torch.equal(single[name], several[name]) for name in single)
    assert metrics_without_seconds(tmp_path / "single") == metrics_without_seconds(tmp_path / "several")


def test_threads_compute_side_by_side_and_results_come_in_order() -> None:
    """Let three parts wait for each other, which they can only do if they run at the same time."""
    meeting = threading.Barrier(3, timeout=30)

    def meet(part: int) -> int:
        meeting.wait()
        assert torch.get_num_threads() == 1
        return part

    with _threads(3):
        assert list(map_parallel(meet, range(6), CPU)) == list(range(6))


def test_no_more_results_are_kept_than_two_per_core() -> None:
    begun = []

    def compute(part: int) -> int:
        begun.append(part)
        return part

    with _threads(2):
        for result in map_parallel(compute, range(20), CPU):
            assert len(begun) <= result + 1 + 4


def test_processes_compute_on_one_thread_each_and_see_the_present_weights() -> None:
    weights = torch.zeros(2)

    def compute(part: int) -> tuple[float, int]:
        return float(weights[part]), torch.get_num_threads()

    with _threads(2):
        weights += torch.tensor([1.0, 2.0])
        assert list(map_in_processes(compute, range(2), CPU, max_workers=2)) == [(1.0, 1), (2.0, 1)]
