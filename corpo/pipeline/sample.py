"""The sampling stage: a language model answers real problems, and its answers become candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import Config
from corpo.data.candidates.requests import instruction, solution, text_to_continue
from corpo.data.sources import RawCandidate, RealProblem
from corpo.pipeline.models import (
    estimated_minutes,
    model_hash,
    model_path,
    outputs,
    prompt_spec,
    rollout_engine,
    sampling_spec,
)
from corpo.pipeline.plugin_sources import plugin_spec
from corpo.pipeline.stage import Stage
from corpo.utils.files import read_jsonl, write_jsonl
from corpo.utils.progress import progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from corpo.rollout import RolloutEngine

PROBLEMS_PER_PART = 16  # problems between two savings


def sample_stage(config: Config) -> Stage:
    """Return the stage in which the model of `candidates.model` answers every problem several times."""
    from corpo.data.build_sources import problems_cache_spec

    writer = _writer_config(config)
    limits = [source.limit or 1000 for source in config.data.sources.values()]
    spec = {
        "problems": problems_cache_spec(config.data),
        "model": {"policy": model_hash(writer), **prompt_spec(writer)},
        "rollout": sampling_spec(writer),
        "samples": config.candidates.samples,
        "seed": config.candidates.seed,
        **plugin_spec(config),
    }
    return Stage(
        name="sample",
        title="sample candidates",
        inputs=(),
        spec=spec,
        outputs=outputs(config),
        work=lambda folder: _sample(config, writer, folder),
        minutes=lambda: estimated_minutes(writer, 0, sum(limits) * config.candidates.samples),
    )


def _writer_config(config: Config) -> Config:
    """Return this config with the model and the sampling settings that write candidates."""
    return replace(config, model=config.candidates.model, rollout=config.candidates.rollout)


def _sample(config: Config, writer: Config, folder: Path) -> None:
    from corpo.data.build_sources import read_all
    from corpo.policy.load import load_policy

    problems = list(chain.from_iterable(read_all(config.data).values()))
    path = model_path(writer)
    model, tokenizer = load_policy(writer.model, path)
    chat_tokenizer = tokenizer if writer.model.chat_template else None
    with rollout_engine(writer, model, tokenizer, path) as engine:
        sample_candidates(
            problems, engine, chat_tokenizer, config.candidates.samples, config.candidates.seed, folder
        )


def request(problem: RealProblem, tokenizer: PreTrainedTokenizerBase | None) -> str:
    """Return the prompt for a problem: a chat message, or, without a tokenizer, a text to continue."""
    if tokenizer is None:
        return text_to_continue(problem)
    messages = [{"role": "user", "content": instruction(problem)}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def sample_candidates(
    problems: Sequence[RealProblem],
    engine: RolloutEngine,
    tokenizer: PreTrainedTokenizerBase | None,
    samples: int,
    seed: int,
    folder: Path,
) -> None:
    """Write `samples` answers to each problem into `folder`, and continue after the last complete part.

    Give the tokenizer if the model is to be prompted in its chat format.
    """
    parts = {}
    for start in range(0, len(problems), PROBLEMS_PER_PART):
        numbers = range(start, min(start + PROBLEMS_PER_PART, len(problems)))
        parts[folder / f"answers-{start:06d}.jsonl"] = numbers
    done = sum(len(numbers) for path, numbers in parts.items() if path.exists())
    with progress("sampling candidates", len(problems), done) as advance:
        for path, numbers in parts.items():
            if path.exists():
                continue
            prompts = [request(problems[number], tokenizer) for number in numbers]
            answers_by_problem = engine.generate(prompts, samples, seed, numbers, advance).texts_PG
            rows = []
            for number, answers in zip(numbers, answers_by_problem, strict=True):
                problem_id = problems[number].id
                rows.append({"problem": problem_id, "chat": tokenizer is not None, "answers": answers})
            write_jsonl(path, rows)


def read_candidates(
    problems: Sequence[RealProblem], folder: Path, origin: str
) -> dict[str, list[RawCandidate]]:
    """Return by problem id the candidates in the answers that `sample_candidates` wrote into `folder`."""
    by_id = {problem.id: problem for problem in problems}
    candidates = {}
    for path in sorted(folder.glob("answers-*.jsonl")):
        for row in read_jsonl(path):
            problem = by_id[row["problem"]]
            programs = [solution(problem, answer, row["chat"]) for answer in row["answers"]]
            candidates[problem.id] = [RawCandidate(program, origin) for program in programs]
    return candidates
