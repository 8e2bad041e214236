"""Rollouts in which each candidate is judged in a prompt of its own, and the two responses are joined.

A policy that judges both candidates in one response can make its second judgement depend on the first one.
Here it cannot: the i-th responses to the two prompts are independent given the policy. They are joined into
one response in the usual grammar, which is graded and rewarded as a whole. Only the judgement of candidate A
is taken from each of the two responses, because both prompts show their candidate in both places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from corpo.data.pipelines.responses import written_traces
from corpo.rollout.engine import RolloutEngine, Rollouts
from corpo.task import Verdict, format_response, parse_response, separate_prompts


@dataclass
class SeparatePromptsEngine:
    """An engine that asks another one about each candidate of a pair alone.

    Its prompts are those of pairs in the style `compact`. The completion of a rollout holds the tokens of
    both responses, so that both are trained with the advantage of the joined response.
    """

    engine: RolloutEngine

    def __post_init__(self) -> None:
        self.max_new_tokens = self.engine.max_new_tokens  # of one of the two responses

    def sync(self) -> None:
        """Take over the trainer's weights."""
        self.engine.sync()

    def close(self) -> None:
        """Release what the engine holds."""
        self.engine.close()

    def generate(
        self,
        prompts: Sequence[str],
        group: int,
        seed: int,
        numbers: Sequence[int] | None = None,
        advance: Callable[..., None] | None = None,
    ) -> Rollouts:
        """Sample `group` joined completions per prompt; see `RolloutEngine`."""
        numbers = numbers or range(len(prompts))
        single_prompts: list[str] = []
        single_numbers: list[int] = []
        starts = []
        for prompt, number in zip(prompts, numbers, strict=True):
            prompt_a, prompt_b, start = separate_prompts(prompt)
            single_prompts += [prompt_a, prompt_b]
            single_numbers += [2 * number, 2 * number + 1]
            starts.append(start)
        rollouts = self.engine.generate(single_prompts, group, seed, single_numbers)
        if advance:
            advance(len(prompts))
        return _joined(rollouts, starts)


def _joined(rollouts: Rollouts, starts: Sequence[str]) -> Rollouts:
    """Join the responses to each two neighbouring prompts. `starts` begin the responses of each two."""
    indices = range(len(rollouts.prompt_ids))
    first, second = rollouts.of(indices[::2]), rollouts.of(indices[1::2])
    texts_PG = []
    for texts_a, texts_b, start in zip(first.texts_PG, second.texts_PG, starts, strict=True):
        texts_G = zip(texts_a, texts_b, strict=True)
        texts_PG.append([join_responses(text_a, text_b, start) for text_a, text_b in texts_G])
    return Rollouts(
        first.prompt_ids,
        torch.cat([first.completion_ids_PGT, second.completion_ids_PGT], dim=-1),
        torch.cat([first.mask_PGT, second.mask_PGT], dim=-1),
        torch.cat([first.logprobs_PGT, second.logprobs_PGT], dim=-1),
        texts_PG,
        second.prompt_ids,
    )


def join_responses(text_a: str, text_b: str, start: str = "") -> str:
    """Return one response with the judgements of candidate A in two responses, as those of A and B.

    `start` is the part of all three responses that is in the prompt. If one of the two cannot be parsed, the
    result cannot be parsed, either.
    """
    verdict_a, verdict_b = parse_response(start + text_a), parse_response(start + text_b)
    if not isinstance(verdict_a, Verdict) or not isinstance(verdict_b, Verdict):
        return f"[A]{text_a}\n[B]{text_b}"
    traces_a, traces_b = written_traces(start + text_a), written_traces(start + text_b)
    thought = ""
    if traces_a is not None and traces_b is not None:
        thought = f";A{traces_a[0].text};B{traces_b[0].text}"
    return format_response(thought, verdict_a.score_a, verdict_b.score_a).removeprefix(start)
