"""The stages and how they hang together: data -> (warm start) -> train -> evaluate -> report."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from corpo import ranks
from corpo.config import Config, ModelConfig, TrackConfig
from corpo.files import read_jsonl, write_json, write_text
from corpo.policy.load import ModelError, load_policy, policy_hash
from corpo.stages import Stage, provenance
from experiments.invocation import ROOT, command

if TYPE_CHECKING:  # what is heavy is imported where it is used, so that --help and errors answer at once
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from corpo.data.build import LabelledProblem, Use
    from corpo.rollout import RolloutEngine
    from corpo.task import Pair
    from corpo.track import Mirrors

log = logging.getLogger(__name__)

PAIRS, CARD, PROBLEMS, ROLLOUTS = "pairs.parquet", "card.md", "problems.parquet", "rollouts.parquet"


def outputs(config: Config) -> Path:
    return ROOT / config.outputs


def model_path(config: Config) -> str:
    """A folder below the repository where there is one, a packaged model's folder, else what was given."""
    if config.model.path.startswith("package:"):
        from corpo.policy.packaged import unpacked

        return str(unpacked(config.model.path, outputs(config) / "models"))
    local = ROOT / config.model.path
    return str(local) if local.is_dir() else config.model.path


def _is_nano(config: Config) -> bool:
    return config.model.path == ModelConfig.path


def _train_minutes(config: Config) -> float:
    if _is_nano(config):
        return config.train.steps * 1.5 / 60
    from corpo.train.budget import step_budget

    model = model_architecture(config)
    return config.train.steps * step_budget(config, model).step_seconds / 60 if model else math.nan


def _minutes(config: Config, learned_rows: int, rollouts: int) -> float:
    """Of supervised rows and of rollouts, at the speed that the config states; nan where the model is not known."""
    from corpo.train.budget import DECODING, parameter_count

    model = model_architecture(config)
    if model is None:
        return math.nan
    tokens = 6 * learned_rows * config.budget.prompt_tokens + 2 * rollouts * config.rollout.max_new_tokens / DECODING
    return tokens * parameter_count(model) / (config.budget.teraflops * 1e12 * 60)


def model_architecture(config: Config) -> PretrainedConfig | None:
    from corpo.train.budget import architecture

    return architecture(model_path(config), config.model.architecture)


# --- data ---------------------------------------------------------------------------------------------------------------


def data_stage(config: Config) -> Stage:
    spec = {key: value for key, value in asdict(config.data).items() if key != "file"}
    return Stage("data", {"data": spec}, outputs(config), "data", lambda: 1.5)


def build_data(config: Config) -> Path:
    """Training, validation and evaluation pairs with their card."""
    return data_stage(config).run(lambda folder: _build_data(config, folder))


def _build_data(config: Config, folder: Path) -> None:
    from corpo.data.bank import select
    from corpo.data.build import Use
    from corpo.data.card import write_card
    from corpo.data.pairs import TRAIN, VALIDATION, evaluation_pairs, exactly_one_pairs, without_programs
    from corpo.data.store import content_hash, pair_rows, write_rows

    data = config.data
    bank = select(data.code_families, data.math_families)
    problems = _labelled(config, {Use.train, Use.validation, Use.evaluation})
    evaluation = evaluation_pairs(problems, bank, data.pairs_per_split, data.seed)
    learnable = without_programs(problems, {c.text for _, pair in evaluation for c in (pair.a, pair.b)})
    of_use = {use: [p for p in learnable if p.use is use] for use in Use}
    pairs = [
        *exactly_one_pairs(of_use[Use.train], TRAIN, data.train_pairs, data.seed),
        *exactly_one_pairs(of_use[Use.validation], VALIDATION, data.validation_pairs, data.seed),
        *evaluation,
    ]
    rows = pair_rows(pairs)
    write_rows(folder / PAIRS, rows)
    write_card(folder / CARD, bank, problems, pairs, content_hash(rows))


def _labelled(config: Config, uses: set[Use]) -> list[LabelledProblem]:
    from corpo.data.bank import select
    from corpo.data.build import build
    from corpo.data.label import LabelCache
    from corpo.data.sandbox import Isolation, Sandbox

    data = config.data
    sandbox = Sandbox(isolation=Isolation(data.isolation) if data.isolation else None)
    if data.isolation is None and sandbox.isolation is Isolation.process:
        log.warning("sandbox isolation: process, for this machine allows no user namespaces: programs run under resource limits only")
    else:
        log.info("sandbox isolation: %s", sandbox.isolation)
    cache = LabelCache(outputs(config) / "labels.jsonl")
    return build(select(data.code_families, data.math_families), uses, data.seed, data.mutants_per_solution, sandbox, cache)


def split_pairs(config: Config) -> list[tuple[str, Pair]]:
    """The built pairs, each with its split."""
    from corpo.data.store import pairs_of, read_rows

    path = build_data(config) / PAIRS
    return pairs_of(read_rows(path), str(path))


# --- warm start ---------------------------------------------------------------------------------------------------------


def warm_start_stage(config: Config) -> Stage:
    """Of the nano from nothing, or of the configured model where that wants one."""
    made_of = {"model": _model_spec(config, _policy_hash(config))} if config.model.warm_start else {"nano": asdict(config.nano)}
    spec = {"data": data_stage(config).key, **made_of, "max_new_tokens": config.rollout.max_new_tokens, "warm_start": asdict(config.warm_start)}
    rows = 2 * config.warm_start.pairs * config.warm_start.steps
    return Stage("warm_start", spec, outputs(config), "warm start", lambda: _minutes(config, rows, 0) if config.model.warm_start else 13)


def _model_spec(config: Config, policy: str) -> dict[str, object]:
    """A policy and how it is asked, for the key of a stage."""
    return {"policy": policy, **{key: getattr(config.model, key) for key in ("dtype", "style", "chat_template")}}


def _policy_hash(config: Config) -> str:
    try:
        return policy_hash(model_path(config))
    except ModelError:
        if config.dry_run:  # a plan can be made for a model that is still to be fetched
            return config.model.path
        raise


def make_base_policy(config: Config) -> Path:
    """The policy that reinforcement learning starts from, in `policy/` of the stage's folder."""
    return warm_start_stage(config).run(lambda folder: _make_base_policy(config, folder))


def _make_base_policy(config: Config, folder: Path) -> None:
    from corpo.data.bank import names, select
    from corpo.data.build import Use
    from corpo.data.pairs import EVALUATION_SPLITS, without_programs
    from corpo.data.store import content_hash, problem_rows, write_rows
    from corpo.task import render_prompt
    from corpo.train.base import new_nano
    from corpo.train.demonstrations import Demonstrator
    from corpo.train.warm_start import warm_start

    evaluated = {c.text for split, pair in split_pairs(config) if split in EVALUATION_SPLITS for c in (pair.a, pair.b)}
    problems = without_programs(_labelled(config, {Use.warm_start}), evaluated)
    rows = problem_rows(problems)
    write_rows(folder / PROBLEMS, rows)
    bank = select(config.data.code_families, config.data.math_families)
    record = {
        "command": command("experiments.warm_start"),
        **provenance(),
        "data_hash": content_hash(rows),
        "code_families": names(bank.code),
        "math_families": names(bank.math),
        **warm_start_stage(config).spec,
    }
    teach = partial(Demonstrator, rationale=config.warm_start.rationale, math_share=config.warm_start.math_share)
    if config.model.warm_start:
        model, tokenizer = load_policy(config.model, model_path(config))
        demonstrator = teach(renderer(config, tokenizer))
    else:
        demonstrator = teach(render_prompt)
        model, tokenizer = new_nano(problems, demonstrator, config.nano, config.warm_start.seed)
    started = time.time()
    curve = warm_start(model, tokenizer, problems, demonstrator, config.warm_start, config.rollout.max_new_tokens, folder)
    record |= {"warm_start_seconds": round(time.time() - started, 1), "parameters": model.num_parameters(), "curve": curve}
    model.save_pretrained(folder / "policy")
    tokenizer.save_pretrained(folder / "policy")
    write_json(folder / "policy/provenance.json", record)


def start_key(config: Config) -> str:
    """What reinforcement learning starts from, for the keys of stages."""
    if config.model.warm_start:
        return warm_start_stage(config).key
    return _policy_hash(config)


def start_path(config: Config) -> str:
    """Where that is, warm-started first where the model wants it."""
    return str(make_base_policy(config) / "policy") if config.model.warm_start else model_path(config)


# --- reinforcement learning ---------------------------------------------------------------------------------------------


def train_stage(config: Config) -> Stage:
    spec = {
        "data": data_stage(config).key,
        "model": _model_spec(config, start_key(config)),
        "reward": asdict(config.reward),
        "baseline": asdict(config.baseline),
        "rollout": _sampling(config),
        "train": asdict(config.train),
        "seed": config.seed,
    }
    return Stage("train", spec, outputs(config), f"train {config.baseline.name} seed {config.seed}", lambda: _train_minutes(config))


def train_policy(config: Config) -> Path:
    """One trained policy: `policy/`, `metrics.jsonl` and `groups.jsonl` in the stage's folder."""
    return train_stage(config).run(lambda folder: _train_policy(config, folder), together=True)


def _train_policy(config: Config, folder: Path) -> None:
    import torch

    from corpo.data.pairs import TRAIN, VALIDATION
    from corpo.train.model_card import model_card
    from corpo.train.parallel import join
    from corpo.train.reinforce import Learner

    join()
    pairs = split_pairs(config)
    torch.manual_seed(config.seed)
    path = start_path(config)
    # Of several processes each holds the weights whole only for its engine; vLLM copies them from main memory.
    model, tokenizer = load_policy(config.model, path, "cpu" if ranks.size() > 1 and config.rollout.engine == "vllm" else None)
    learner = Learner(
        model,
        tokenizer,
        make_engine(config, model, tokenizer, path),
        config.reward.build(),
        config.baseline.name,
        config.baseline.options,
        renderer(config, tokenizer),
        config.train,
        config.seed,
        config.rollout.temperature,
    )
    train = [pair for split, pair in pairs if split == TRAIN]
    validation = [pair for split, pair in pairs if split == VALIDATION][: config.train.validation_prompts]
    mirrors = mirrors_of(config, f"{config.baseline.name}-seed{config.seed}", train_stage(config).key)
    learner.train(train, validation, folder, mirrors.step)
    mirrors.close()
    learner.save(folder / "policy")
    if ranks.rank() == 0:
        card = model_card(config, start_key(config), data_stage(config).key, read_jsonl(folder / "metrics.jsonl"), provenance())
        write_text(folder / "policy/README.md", card)


def mirrors_of(config: Config, name: str, key: str) -> Mirrors:
    """Where people look at a run of this experiment, if anywhere."""
    from corpo.track import Mirrors

    return Mirrors(config.track if ranks.rank() == 0 else TrackConfig(), outputs(config) / "tracking", config.name, name, key, asdict(config))


def _sampling(config: Config) -> dict[str, object]:
    """What rollouts depend on, for the key of a stage."""
    return {key: getattr(config.rollout, key) for key in ("engine", "max_new_tokens", "temperature", "stop")}


def make_engine(config: Config, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: str) -> RolloutEngine:
    """The engine that the config names, for a model that was loaded from `path`."""
    rollout = config.rollout
    if rollout.engine == "vllm":
        from corpo.rollout.vllm import VllmEngine

        return VllmEngine(model, tokenizer, path, rollout.max_new_tokens, rollout.temperature, rollout.vllm, rollout.stop)
    from corpo.rollout.shared_prefix import SharedPrefixEngine

    return SharedPrefixEngine(model, tokenizer, rollout.max_new_tokens, rollout.temperature, rollout.rows, rollout.stop)


def renderer(config: Config, tokenizer: PreTrainedTokenizerBase) -> Callable[[Pair], str]:
    """How the config's model is asked about a pair."""
    from corpo.task import chat_prompt, render_prompt

    style = config.model.style
    return (lambda pair: chat_prompt(pair, tokenizer, style)) if config.model.chat_template else (lambda pair: render_prompt(pair, style))


# --- evaluation ---------------------------------------------------------------------------------------------------------


def evaluate_stage(config: Config, trained: bool) -> Stage:
    """Evaluation of the trained policy of this config, or of the base it starts from."""
    policy = train_stage(config).key if trained else start_key(config)
    spec = {
        "model": _model_spec(config, policy),
        "data": _file_key(config) or data_stage(config).key,
        "reward": asdict(config.reward),
        "rollout": _sampling(config),
        "evaluate": {"group": config.evaluate.group, "seed": config.evaluate.seed},
    }
    title = f"evaluate {config.baseline.name} seed {config.seed}" if trained else "evaluate base"
    rollouts = 10 * config.data.pairs_per_split * config.evaluate.group
    return Stage("evaluate", spec, outputs(config), title, lambda: 1.5 if _is_nano(config) else _minutes(config, 0, rollouts))


def _file_key(config: Config) -> str | None:
    from corpo.data.store import DataError
    from corpo.files import file_hash

    if config.data.file is None:
        return None
    path = Path(config.data.file)
    if not path.is_file():
        raise DataError(f"data.file={path}: no such file")
    return file_hash(path)


def evaluate_policy(config: Config, trained: bool) -> Path:
    """Every rollout of a policy on the evaluation splits (or on `data.file`), as Parquet."""
    return evaluate_stage(config, trained).run(lambda folder: _evaluate_policy(config, trained, folder))


def _evaluate_policy(config: Config, trained: bool, folder: Path) -> None:
    from corpo.evaluate.run import roll_out
    from corpo.files import write_atomically

    pairs = evaluated_pairs(config)
    path = str(train_policy(config) / "policy") if trained else start_path(config)
    model, tokenizer = load_policy(config.model, path)
    title = evaluate_stage(config, trained).title
    engine = make_engine(config, model, tokenizer, path)
    rollouts = roll_out(pairs, engine, renderer(config, tokenizer), config.reward.build(), config.evaluate.group, config.evaluate.seed, folder, title)
    write_atomically(folder / ROLLOUTS, lambda beside: rollouts.to_parquet(beside))
    for part in folder.glob("part-*.parquet"):
        part.unlink()


def evaluated_pairs(config: Config) -> list[tuple[str, Pair]]:
    """What policies are evaluated on, in that order: `data.file`, or the bank's evaluation splits."""
    from corpo.data.pairs import EVALUATION_SPLITS
    from corpo.data.store import pairs_of, read_rows

    if config.data.file:
        return pairs_of(read_rows(Path(config.data.file)), config.data.file)
    return [(split, pair) for split, pair in split_pairs(config) if split in EVALUATION_SPLITS]
