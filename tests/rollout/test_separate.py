"""Candidates that are judged in prompts of their own: prompts, joined responses, log-probs and updates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from corpo.cli.compose import load_config
from corpo.rollout.separate import SeparatePromptsEngine, join_responses
from corpo.task import (
    Fault,
    Verdict,
    format_response,
    parse_response,
    render_prompt,
    separate_prompts,
)
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.errors import ConfigError
from corpo.utils.files import read_jsonl
from tests.train.tiny_trainer import example_pairs, reversal_pair, tiny_trainer


def _trainer() -> PolicyGradientTrainer:
    # The static baseline learns from groups without any success, too.
    trainer = tiny_trainer(baseline="static", lr=1e-2)
    trainer.engine = SeparatePromptsEngine(trainer.engine)
    return trainer


# --- prompts and responses ---


@pytest.mark.parametrize("start", ["", "<think></think>"])
def test_each_prompt_shows_one_candidate_in_both_places(start: str) -> None:
    pair = reversal_pair()
    prompt_a, prompt_b, kept = separate_prompts(render_prompt(pair) + start)
    assert prompt_a == render_prompt(replace(pair, b=pair.a)) + start
    assert prompt_b == render_prompt(replace(pair, a=pair.b)) + start
    assert kept == start


def test_a_prompt_without_two_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="does not show one candidate A"):
        separate_prompts("Return 1.\n[A]\nreturn 1\n")


def test_joined_response_has_the_first_judgement_of_each_response() -> None:
    judged_a = format_response(";A;rev:21;check:2211--;ok;B;rev:12;check:12;bad", 9, 2)
    judged_b = format_response(";A;drop1:2;check:22-1;bad;B;drop1:2;check:22-1;bad", 3, 1)
    joined = join_responses(judged_a, judged_b)
    assert joined == format_response(";A;rev:21;check:2211--;ok;B;drop1:2;check:22-1;bad", 9, 3)
    assert join_responses(judged_b, judged_a) == format_response(
        ";A;drop1:2;check:22-1;bad;B;rev:21;check:2211--;ok", 3, 9
    )
    start = "<think></think>"
    assert start + join_responses(" A: 9 B: 2", " A: 3 B: 1", start) == format_response("", 9, 3)


def test_joined_response_is_a_fault_if_one_of_the_two_is() -> None:
    right = format_response("", 9, 2)
    for broken in (
        "<think>cut",
        " A: 9 B: 2",
        "",
        "<think></think> A: 11 B: 2",
        "</think></think> A: 1 B: 1",
    ):
        for texts in ((right, broken), (broken, right), (broken, broken)):
            assert isinstance(parse_response(join_responses(*texts)), Fault)
    # Two halves that would be one valid response, if they were only put together.
    assert isinstance(parse_response(join_responses("<think>", "</think> A: 9 B: 1")), Fault)
    assert isinstance(parse_response(join_responses(right, right)), Verdict)


# --- sampling and training ---


def test_judgement_of_a_candidate_does_not_depend_on_the_other_one() -> None:
    engine = _trainer().engine
    pair = example_pairs(1)[0]
    other = replace(pair, b=replace(pair.b, text="return 77"))
    first, second = (engine.generate([render_prompt(p)], 8, seed=0) for p in (pair, other))
    assert first.prompt_ids == second.prompt_ids
    assert first.second_prompt_ids != second.second_prompt_ids
    judged_a, other_judged_a = first.parts[0], second.parts[0]
    mask_GT = judged_a.mask_PGT[0]
    assert torch.equal(mask_GT.sum(-1), other_judged_a.mask_PGT[0].sum(-1))
    length = int(mask_GT.sum(-1).max())
    assert torch.equal(
        judged_a.completion_ids_PGT[..., :length], other_judged_a.completion_ids_PGT[..., :length]
    )


def test_log_probs_of_both_halves_are_those_of_the_engine() -> None:
    trainer = _trainer()
    rollouts = trainer.engine.generate([render_prompt(pair) for pair in example_pairs(3)], 4, seed=0)
    with torch.no_grad():
        logprobs_PGT, entropy_PGT = trainer.logprobs(trainer.compute, rollouts)
    torch.testing.assert_close(logprobs_PGT, rollouts.logprobs_PGT, atol=2e-5, rtol=0)
    assert bool((entropy_PGT[rollouts.mask_PGT] > 0).all())
    assert [part.prompt_ids for part in rollouts.of([1, 4]).parts] == [
        [part.prompt_ids[1], part.prompt_ids[4]] for part in rollouts.parts
    ]


def test_one_advantage_trains_both_halves() -> None:
    trainer = _trainer()
    rollouts = trainer.engine.generate([render_prompt(pair) for pair in example_pairs(2)], 4, seed=0)
    advantages_PG = torch.zeros(4, 4)
    advantages_PG[:, 0], advantages_PG[:, 1] = 1.0, -1.0

    def logprobs_of_halves() -> list[torch.Tensor]:
        with torch.no_grad():
            logprobs_PGT, _ = trainer.logprobs(trainer.compute, rollouts)
        return [half_PGT.sum(-1) for half_PGT in logprobs_PGT.chunk(2, dim=-1)]

    before = logprobs_of_halves()
    trainer.update(rollouts, advantages_PG, lr=1e-3)
    for before_PG, after_PG in zip(before, logprobs_of_halves(), strict=True):
        change_PG = after_PG - before_PG
        assert bool((change_PG[:, 0] > change_PG[:, 1]).all())


def test_a_run_trains_and_validates(tmp_path: Path) -> None:
    _trainer().train(example_pairs(4), example_pairs(1), tmp_path)
    records = read_jsonl(tmp_path / "metrics.jsonl")
    assert len(records) == 4
    assert records[0]["tokens_mean"] > 6, "two responses of at most six tokens each"
    assert records[0]["mismatch_kl"] == pytest.approx(0, abs=1e-4)
    assert records[0]["validation/kl_from_start"] == pytest.approx(0, abs=1e-4)
    assert records[-1]["validation/kl_from_start"] != 0


def test_prompts_of_another_style_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"rollout\.separate_prompts=true: .* choose model.style=compact"):
        load_config(["rollout.separate_prompts=true", "model.style=instruct"])
