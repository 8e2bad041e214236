"""The warm start stage: supervised fine-tuning of the policy that reinforcement learning starts from."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.config import BANK, NEW, PIPELINES, REWRITE, TRACE, Config, WarmStartConfig
from corpo.pipeline.data import data_stage, labelled_problems, split_pairs
from corpo.pipeline.models import (
    estimated_minutes,
    model_hash,
    model_path,
    outputs,
    prompt_renderer,
    prompt_spec,
)
from corpo.pipeline.provenance import provenance, typed_command
from corpo.pipeline.questions import question_task, read_questions
from corpo.pipeline.stage import Stage
from corpo.tasks import is_verify, task_of
from corpo.utils.errors import ConfigError
from corpo.utils.files import write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpo.data.types import LabelledProblem
    from corpo.train.teachers import Teacher

POLICY, PROBLEMS = "policy", "problems.parquet"
SECOND = "second"  # the folder of the second phase, for its checkpoints
NANO_PAIRS_PER_MINUTE = 2100  # learned by a nano on two quiet cores, in pairs with traces


def warm_start_stage(config: Config) -> Stage:
    """Return the stage that trains a nano from nothing, or teaches the task to a pretrained model."""
    sft_config = _sft_config(config)
    spec: dict[str, Any] = {
        "max_new_tokens": config.rollout.max_new_tokens,
        "warm_start": asdict(sft_config),
    }
    if starts_from_a_model(config):
        spec["model"] = {"policy": model_hash(config), **prompt_spec(config)}
    else:
        spec |= {"nano": asdict(config.nano), "dtype": config.model.dtype}

    def minutes() -> float:
        num_pairs = sft_config.pairs * (sft_config.steps + sft_config.second_steps)
        if not starts_from_a_model(config):
            return num_pairs / NANO_PAIRS_PER_MINUTE
        return estimated_minutes(config, 2 * num_pairs, 0)

    return Stage(
        name="warm_start",
        title="warm start" + warm_start_suffix(config),
        inputs=(data_stage(config),),
        spec=spec,
        outputs=outputs(config),
        work=lambda folder: _make_policy(config, spec, folder),
        minutes=minutes,
    )


def starts_from_a_model(config: Config) -> bool:
    """Return whether the warm start teaches a pretrained model instead of training a nano from nothing."""
    return config.model.warm_start and config.model.path != NEW


def warm_start_suffix(config: Config) -> str:
    """Return which of several warm starts this is, for the titles of stages."""
    return f" {config.seed % config.study.warm_starts}" if config.study.warm_starts else ""


def _sft_config(config: Config) -> WarmStartConfig:
    """Return the settings of the warm start, with its number as the seed if the study has several.

    Raises ConfigError if the problems have no traces to demonstrate.
    """
    data = config.data
    has_pairs = is_verify(config)
    if has_pairs and config.warm_start.rationale == TRACE and (data.problems != PIPELINES or data.sources):
        source = "data.sources" if data.sources else f"data.problems={data.problems}"
        raise ConfigError(
            f"warm_start.rationale={TRACE}: problems of {source} have no traces; "
            f"choose warm_start.rationale={REWRITE} data.problems={BANK}, "
            f"or data.problems={PIPELINES} without sources"
        )
    if config.study.warm_starts:
        return replace(config.warm_start, seed=config.seed % config.study.warm_starts)
    return config.warm_start


def _make_policy(config: Config, spec: dict[str, Any], folder: Path) -> None:
    from corpo.policy.load import load_policy
    from corpo.train.new_nano import new_nano
    from corpo.train.sft import warm_start

    sft_config = _sft_config(config)
    model = None
    render: Callable[[Any], str] = partial(task_of(config).prompt, style=config.model.style)
    if starts_from_a_model(config):
        model, tokenizer = load_policy(config.model, model_path(config))
        render = prompt_renderer(config, tokenizer)
    teacher, problem_record = _teacher(config, render, folder)
    record = {"command": typed_command("warm-start"), **provenance(), **problem_record, **spec}
    if model is None:
        model, tokenizer = new_nano(teacher, config.nano, config.model.dtype, sft_config.seed)
    started, cpu_started = time.time(), time.process_time()
    teach = partial(warm_start, model, tokenizer, max_new_tokens=config.rollout.max_new_tokens)
    curve, second_curve = teach(teacher, sft_config, folder=folder), []
    if sft_config.second_steps:
        second = sft_config.second_phase
        less_careful = teacher.with_slips(second.slips)
        second_curve = teach(less_careful, second, folder=folder / SECOND, title="warm start, second phase")
    record |= {
        "warm_start_seconds": round(time.time() - started, 1),
        "warm_start_cpu_seconds": round(time.process_time() - cpu_started, 1),
        "parameters": model.num_parameters(),
        "curve": curve,
        "second_curve": second_curve,
    }
    model.save_pretrained(folder / POLICY)
    tokenizer.save_pretrained(folder / POLICY)
    write_json(folder / POLICY / "provenance.json", record)


def _teacher(config: Config, render: Callable[[Any], str], folder: Path) -> tuple[Teacher, dict[str, Any]]:
    """Return what the policy learns from, and what its provenance says about it.

    The labelled problems of pairs are written into `folder`.
    """
    from corpo.data.store import content_hash, problem_rows, write_rows
    from corpo.tasks.questions import WARM_START
    from corpo.train.demonstrations import Demonstrator
    from corpo.train.teachers import PairTeacher, QuestionTeacher, is_dev

    data, sft_config = data_stage(config), _sft_config(config)
    if not is_verify(config):
        questions = [question for question in read_questions(config) if question.split == WARM_START]
        num_dev = sum(is_dev(question.id) for question in questions)
        if num_dev in (0, len(questions)):
            raise ConfigError(
                f"model.warm_start=true: task.name={config.task.name} has {len(questions)} questions of the "
                f"split {WARM_START!r}, of which one in twelve measures the accuracy; give more questions, "
                "or set model.warm_start=false"
            )
        rows = [asdict(question) for question in questions]
        record: dict[str, Any] = {
            "data_hash": content_hash(rows),
            "task": asdict(config.task),
            "data": data.key,
        }
        return QuestionTeacher(question_task(config), questions, render, sft_config.slips), record
    problems = _demonstrated_problems(config)
    rows = problem_rows(problems)
    write_rows(folder / PROBLEMS, rows)
    demonstrator = Demonstrator(
        render,
        rationale=sft_config.rationale,
        math_share=sft_config.math_share,
        both_orders=sft_config.both_orders,
        slips=sft_config.slips,
    )
    record = {"data_hash": content_hash(rows), **_problem_set(config), "data": data.key}
    return PairTeacher(problems, demonstrator), record


def _problem_set(config: Config) -> dict[str, Any]:
    """Return what the provenance of a policy says about the problems that it was taught."""
    from corpo.data.bank.selection import names, select

    if config.data.problems == PIPELINES:
        return {"problems": PIPELINES, "pipelines": asdict(config.data.pipelines)}
    bank = select(config.data.code_families, config.data.math_families)
    return {"code_families": names(bank.code), "math_families": names(bank.math)}


def _demonstrated_problems(config: Config) -> list[LabelledProblem]:
    """Return the problems of the warm start, without any program that is evaluated."""
    from corpo.data.pairing.drawing import without_programs
    from corpo.data.pairing.splits import is_evaluation
    from corpo.data.types import Use

    evaluated = set()
    for split, pair in split_pairs(config):
        if is_evaluation(split):
            evaluated |= {pair.a.text, pair.b.text}
    return without_programs(labelled_problems(config, {Use.warm_start}), evaluated)
