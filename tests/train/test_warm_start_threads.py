"""The warm start gives the same policy on any number of cores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from corpo.config import NanoConfig, WarmStartConfig
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain, render_prompt
from corpo.train.demonstrations import Demonstrator
from corpo.train.new_nano import new_nano
from corpo.train.sft import warm_start

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


def _weights(folder: Path, num_threads: int) -> dict[str, torch.Tensor]:
    problems = []
    for number in range(40):
        problems += [_problem(number, Domain.code), _problem(number, Domain.math)]
    demonstrator = Demonstrator(render_prompt, "trace", math_share=0.0)
    model, tokenizer = new_nano(problems, demonstrator, NANO, "float32", seed=0)
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        warm_start(model, tokenizer, problems, demonstrator, CONFIG, max_new_tokens=8, folder=folder)
        assert torch.get_num_threads() == num_threads
    finally:
        torch.set_num_threads(before)
    return model.state_dict()


@pytest.mark.parametrize("num_threads", [2, 3])
def test_weights_do_not_depend_on_the_number_of_threads(tmp_path: Path, num_threads: int) -> None:
    single = _weights(tmp_path / "single", 1)
    several = _weights(tmp_path / "several", num_threads)
    assert all(torch.equal(single[name], several[name]) for name in single)
