"""The data stage: pairs out of the embedded bank or of real sources, whose candidates a language model may write in a stage of its own."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import Config
from corpo.pipeline.models import (
    estimated_minutes,
    model_hash,
    model_path,
    model_spec,
    outputs,
    rollout_engine,
    sampling_spec,
)
from corpo.pipeline.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpo.data.execution.labelling import LabelCache
    from corpo.data.execution.sandbox import Sandbox
    from corpo.data.sources import RawCandidate, RealProblem
    from corpo.data.types import LabelledProblem, Use
    from corpo.task import Pair

log = logging.getLogger(__name__)

PAIRS, CARD, CANDIDATES, SHEET, PAGE = (
    "pairs.parquet",
    "card.md",
    "candidates.parquet",
    "sheet.png",
    "pairs.html",
)


# --- the stage ----------------------------------------------------------------------------------------------------------


def data_stage(config: Config) -> Stage:
    if not config.data.sources:
        spec = {
            key: value
            for key, value in asdict(config.data).items()
            if key not in ("file", "sources", "pairing")
        }
        spec |= {key: getattr(config.data.pairing, key) for key in ("both_wrong", "both_correct")}
        return Stage("data", {"data": spec}, outputs(config), "data", lambda: 1.5)
    from corpo.data.build_sources import cache_spec, wants_samples

    sampled = {"sampled": sample_stage(config).key} if wants_samples(config.candidates) else {}
    return Stage(
        "data", {**cache_spec(config.data, config.candidates), **sampled}, outputs(config), "data", lambda: 3
    )


def build_data(config: Config) -> Path:
    """Training, validation and evaluation pairs with their card, a sheet of plots and a page to look through."""
    return data_stage(config).run(
        lambda folder: _from_sources(config, folder) if config.data.sources else _from_bank(config, folder)
    )


def _from_bank(config: Config, folder: Path) -> None:
    from corpo.data.bank.selection import select
    from corpo.data.pairing.drawing import evaluation_pairs, monitored_pairs, train_pairs, without_programs
    from corpo.data.pairing.splits import TRAIN, VALIDATION
    from corpo.data.types import Use
    from corpo.report.data_card import bank_card

    data = config.data
    bank = select(data.code_families, data.math_families)
    problems = labelled_problems(config, {Use.train, Use.validation, Use.evaluation})
    evaluation = evaluation_pairs(problems, bank, data.pairs_per_split, data.seed)
    learnable = without_programs(problems, {c.text for _, pair in evaluation for c in (pair.a, pair.b)})
    of_use = {use: [p for p in learnable if p.use is use] for use in Use}
    pairs = [
        *train_pairs(
            of_use[Use.train],
            TRAIN,
            data.train_pairs,
            data.seed,
            data.pairing.both_wrong,
            data.pairing.both_correct,
        ),
        *train_pairs(of_use[Use.validation], VALIDATION, data.validation_pairs, data.seed),
        *monitored_pairs(of_use[Use.validation], data.validation_pairs, data.seed),
        *evaluation,
    ]
    _write(folder, problems, pairs, bank_card(bank, problems, pairs))


def _from_sources(config: Config, folder: Path) -> None:
    from corpo.data.build_sources import build_real, licences, read_all, wants_samples
    from corpo.report.data_card import real_card

    read = read_all(config.data)
    sampled = (
        _sampled(config, [problem for problems in read.values() for problem in problems])
        if wants_samples(config.candidates)
        else {}
    )
    made = build_real(
        config.data,
        config.candidates,
        read,
        sampled,
        _sandbox(config, config.candidates.cpu_seconds),
        _label_cache(config),
    )
    _write(
        folder,
        made.problems,
        made.pairs,
        real_card(made, licences(config.data), config.data.pairing.overlap_words),
    )


def _write(
    folder: Path, problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]], card: str
) -> None:
    from corpo.data.store import pair_rows, problem_rows, write_rows
    from corpo.report.data_sheet import write_page, write_sheet
    from corpo.utils.files import write_text

    write_rows(folder / CANDIDATES, problem_rows(problems))
    write_rows(folder / PAIRS, pair_rows(pairs))
    write_sheet(folder / SHEET, problems, pairs)
    write_page(folder / PAGE, folder / SHEET, pairs)
    write_text(folder / CARD, card)


def labelled_problems(config: Config, uses: set[Use]) -> list[LabelledProblem]:
    """The bank's problems of some uses, every candidate run."""
    from corpo.data.bank.selection import select
    from corpo.data.build_bank import build

    data = config.data
    return build(
        select(data.code_families, data.math_families),
        uses,
        data.seed,
        data.mutants_per_solution,
        _sandbox(config),
        _label_cache(config),
    )


def _sandbox(config: Config, cpu_seconds: float = 0.3) -> Sandbox:
    from corpo.data.execution.sandbox import Isolation, Sandbox

    sandbox = Sandbox(
        Isolation(config.data.isolation) if config.data.isolation else None,
        cpu_seconds,
        seconds=2 * cpu_seconds + 5,
    )
    if config.data.isolation is None and sandbox.isolation is Isolation.process:
        log.warning(
            "sandbox isolation: process, for this machine allows no user namespaces: programs run under resource limits only"
        )
    else:
        log.info("sandbox isolation: %s", sandbox.isolation)
    return sandbox


def _label_cache(config: Config) -> LabelCache:
    from corpo.data.execution.labelling import LabelCache

    return LabelCache(outputs(config) / "labels.jsonl")


# --- candidates that a language model writes -------------------------------------------------------------------------------


def _writer(config: Config) -> Config:
    """This config with the model and sampling that write candidates in place of the policy's."""
    return replace(config, model=config.candidates.model, rollout=config.candidates.rollout)


def sample_stage(config: Config) -> Stage:
    from corpo.data.build_sources import problems_cache_spec

    writer = _writer(config)
    spec = {
        "problems": problems_cache_spec(config.data),
        "model": model_spec(writer, model_hash(writer)),
        "rollout": sampling_spec(writer),
        "samples": config.candidates.samples,
        "seed": config.candidates.seed,
    }
    rollouts = (
        sum(source.limit or 1000 for source in config.data.sources.values()) * config.candidates.samples
    )
    return Stage(
        "sample", spec, outputs(config), "sample candidates", lambda: estimated_minutes(writer, 0, rollouts)
    )


def _sampled(config: Config, problems: Sequence[RealProblem]) -> dict[str, list[RawCandidate]]:
    from corpo.pipeline.sample import read_candidates

    folder = sample_stage(config).run(lambda folder: _sample(config, problems, folder))
    return read_candidates(problems, folder, Path(config.candidates.model.path).name)


def _sample(config: Config, problems: Sequence[RealProblem], folder: Path) -> None:
    from corpo.pipeline.sample import sample_candidates
    from corpo.policy.load import load_policy

    writer = _writer(config)
    path = model_path(writer)
    model, tokenizer = load_policy(writer.model, path)
    with rollout_engine(writer, model, tokenizer, path) as engine:
        sample_candidates(
            problems,
            engine,
            tokenizer if writer.model.chat_template else None,
            config.candidates.samples,
            config.candidates.seed,
            folder,
        )


# --- reading ------------------------------------------------------------------------------------------------------------


def split_pairs(config: Config) -> list[tuple[str, Pair]]:
    """The built pairs, each with its split."""
    from corpo.data.store import pairs_of, read_rows

    path = build_data(config) / PAIRS
    return pairs_of(read_rows(path), str(path))


def evaluated_pairs(config: Config) -> list[tuple[str, Pair]]:
    """What policies are evaluated on, in that order: `data.file`, or whatever neither trains nor validates."""
    from corpo.data.pairing.splits import is_evaluation
    from corpo.data.store import pairs_of, read_rows

    if config.data.file:
        return pairs_of(read_rows(Path(config.data.file)), config.data.file)
    return [(split, pair) for split, pair in split_pairs(config) if is_evaluation(split)]


def evaluated_key(config: Config) -> str:
    """What that is, for the key of a stage. Raises DataError where `data.file` is missing."""
    from corpo.utils.errors import DataError
    from corpo.utils.files import file_hash

    if config.data.file is None:
        return data_stage(config).key
    path = Path(config.data.file)
    if not path.is_file():
        raise DataError(f"data.file={path}: no such file")
    return file_hash(path)
