"""The data stage: labelled pairs of embedded problems or from other sources."""

from __future__ import annotations

import logging
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import BANK, PIPELINES, VERIFY, Config
from corpo.pipeline.models import outputs
from corpo.pipeline.plugin_sources import plugin_spec
from corpo.pipeline.questions import CARD, QUESTIONS, question_stage, read_questions
from corpo.pipeline.stage import Stage
from corpo.tasks import is_verify
from corpo.tasks.questions import is_evaluated
from corpo.utils.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpo.data.execution.labelling import LabelCache
    from corpo.data.execution.sandbox import Sandbox
    from corpo.data.pipelines.build import BuiltPipelines
    from corpo.data.types import LabelledProblem, Use
    from corpo.task import Pair
    from corpo.tasks import Item

log = logging.getLogger(__name__)

# The files of the stage.
PAIRS, CANDIDATES = "pairs.parquet", "candidates.parquet"
SHEET, PAGE = "sheet.png", "pairs.html"
DISAGREEMENTS = "disagreements.jsonl"  # of real problems only: labels that differ from those of the source
TAUGHT = "taught.parquet"  # of data=pipelines only


def data_stage(config: Config) -> Stage:
    """Return the stage that builds the items of all splits, with a card.

    For pairs, it also draws plots and writes a page to look at.
    """
    if not is_verify(config):
        return question_stage(config)
    if config.data.sources:
        return _source_stage(config)
    spec = asdict(config.data)
    unused = ("problems", "pipelines") if config.data.problems == BANK else ("code_families", "math_families")
    for key in ("file", "sources", "pairing", *unused):
        del spec[key]
    build = _build_from_bank if config.data.problems == BANK else _build_from_pipelines
    spec |= {key: getattr(config.data.pairing, key) for key in ("both_wrong", "both_correct")}
    return Stage(
        name="data",
        title="data",
        inputs=(),
        spec={"data": spec},
        outputs=outputs(config),
        work=lambda folder: build(config, folder),
        minutes=lambda: 1.5,
    )


def data_files(config: Config) -> dict[str, str]:
    """Return the files of the data stage that are for reading, by what they hold."""
    if not is_verify(config):
        return {"questions": QUESTIONS, "card": CARD}
    return {"pairs": PAIRS, "card": CARD, "plots": SHEET, "page": PAGE}


def _source_stage(config: Config) -> Stage:
    from corpo.data.build_sources import cache_spec, wants_samples
    from corpo.pipeline.sample import sample_stage

    sampled = sample_stage(config) if wants_samples(config.candidates) else None
    return Stage(
        name="data",
        title="data",
        inputs=() if sampled is None else (sampled,),
        spec={**cache_spec(config.data, config.candidates), **plugin_spec(config)},
        outputs=outputs(config),
        work=lambda folder: _build_from_sources(config, sampled, folder),
        minutes=lambda: 3.0,
    )


def _build_from_bank(config: Config, folder: Path) -> None:
    from corpo.data.bank.selection import select
    from corpo.data.pairing.drawing import evaluation_pairs, monitored_pairs, train_pairs, without_programs
    from corpo.data.pairing.splits import TRAIN, VALIDATION
    from corpo.data.types import Use
    from corpo.report.data_card import bank_card

    data = config.data
    bank = select(data.code_families, data.math_families)
    problems = labelled_problems(config, {Use.train, Use.validation, Use.evaluation})
    evaluation = evaluation_pairs(problems, bank, data.pairs_per_split, data.seed)
    learnable = without_programs(problems, _programs(evaluation))
    train = [problem for problem in learnable if problem.use is Use.train]
    validation = [problem for problem in learnable if problem.use is Use.validation]
    both_wrong, both_correct = data.pairing.both_wrong, data.pairing.both_correct
    pairs = [
        *train_pairs(train, TRAIN, data.train_pairs, data.seed, both_wrong, both_correct),
        *train_pairs(validation, VALIDATION, data.validation_pairs, data.seed),
        *monitored_pairs(validation, data.validation_pairs, data.seed),
        *evaluation,
    ]
    _write(folder, problems, pairs, bank_card(bank, problems, pairs))


def _build_from_pipelines(config: Config, folder: Path) -> None:
    from corpo.data.pipelines.splits import all_pairs
    from corpo.data.pipelines.taught import taught_table
    from corpo.data.types import Use
    from corpo.report.data_card import pipelines_card
    from corpo.utils.files import write_atomically

    data = config.data
    built = _built_pipelines(config, {Use.train, Use.validation, Use.evaluation})
    pairs = all_pairs(
        built.problems,
        num_train=data.train_pairs,
        num_validation=data.validation_pairs,
        num_evaluation=data.pairs_per_split,
        seed=data.seed,
        both_wrong=data.pairing.both_wrong,
        both_correct=data.pairing.both_correct,
    )
    taught = taught_table(built.taught, data.seed)
    write_atomically(folder / TAUGHT, lambda partial: taught.to_parquet(partial, compression="zstd"))
    _write(folder, built.problems, pairs, pipelines_card(built, pairs))


def _programs(pairs: Sequence[tuple[str, Pair]]) -> set[str]:
    """Return the texts of all candidates of some pairs."""
    texts = set()
    for _, pair in pairs:
        texts |= {pair.a.text, pair.b.text}
    return texts


def _build_from_sources(config: Config, sampled: Stage | None, folder: Path) -> None:
    from corpo.data.build_sources import build_real, licences, read_all
    from corpo.pipeline.sample import read_candidates
    from corpo.report.data_card import real_card
    from corpo.utils.files import write_jsonl

    notes: list[str] = []
    problems_by_source = read_all(config.data, notes)
    for note in notes:
        log.warning("%s", note)
    candidates = {}
    if sampled is not None:
        problems = list(chain.from_iterable(problems_by_source.values()))
        candidates = read_candidates(problems, sampled.checked(), Path(config.candidates.model.path).name)
    sandbox = _sandbox(config, config.candidates.cpu_seconds)
    built = build_real(
        config.data,
        config.candidates,
        problems_by_source,
        candidates,
        sandbox=sandbox,
        cache=_label_cache(config),
        notes=notes,
    )
    write_jsonl(folder / DISAGREEMENTS, built.disagreements)
    card = real_card(built, licences(config.data), config.data.pairing.overlap_words)
    _write(folder, built.problems, built.pairs, card)


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
    """Return the embedded problems of these uses, with every candidate executed and labelled."""
    if config.data.problems == PIPELINES:
        return _built_pipelines(config, uses).problems
    from corpo.data.bank.selection import select
    from corpo.data.build_bank import build

    data = config.data
    bank = select(data.code_families, data.math_families)
    return build(bank, uses, data.seed, data.mutants_per_solution, _sandbox(config), _label_cache(config))


def _built_pipelines(config: Config, uses: set[Use]) -> BuiltPipelines:
    from corpo.data.pipelines.build import build

    data = config.data
    sandbox, cache = _sandbox(config), _label_cache(config)
    return build(uses, data.pipelines, data.mutants_per_solution, data.seed, sandbox, cache)


def _sandbox(config: Config, cpu_seconds: float = 0.3) -> Sandbox:
    from corpo.data.execution.sandbox import configured_sandbox

    return configured_sandbox(config.data.isolation, cpu_seconds)


def _label_cache(config: Config) -> LabelCache:
    from corpo.data.execution.labelling import LabelCache

    return LabelCache(outputs(config) / "labels.jsonl")


# --- reading what the stage wrote ---------------------------------------------------------------------------


def require_pairs(config: Config) -> None:
    """Raise ConfigError if the items of the task are not pairs."""
    if not is_verify(config):
        raise ConfigError(f"task.name={config.task.name}: this needs pairs; choose task={VERIFY}")


def split_pairs(config: Config) -> list[tuple[str, Pair]]:
    """Return the built pairs, each with its split. The data stage must be done.

    Raises ConfigError if the task has no pairs.
    """
    require_pairs(config)
    from corpo.data.store import pairs_of, read_rows

    path = data_stage(config).checked(PAIRS)
    return pairs_of(read_rows(path), str(path))


def split_items(config: Config) -> list[tuple[str, Item]]:
    """Return the items that the data stage has built, each with its split."""
    if is_verify(config):
        return list(split_pairs(config))
    return [(question.split, question) for question in read_questions(config)]


def evaluated_items(config: Config) -> list[tuple[str, Item]]:
    """Return the items that policies are evaluated on, each with its split.

    Raises DataError if a task has no such questions.
    """
    if is_verify(config):
        return list(evaluated_pairs(config))
    items = [(split, item) for split, item in split_items(config) if is_evaluated(split)]
    if not items:
        raise DataError(
            f"task.name={config.task.name}: no questions to evaluate on; "
            "give some a split that is not for the warm start, training or validation"
        )
    return items


def evaluated_pairs(config: Config) -> list[tuple[str, Pair]]:
    """Return the pairs that policies are evaluated on: those of `data.file`, or the evaluation splits."""
    from corpo.data.pairing.splits import is_evaluation
    from corpo.data.store import pairs_of, read_rows

    if config.data.file:
        return pairs_of(read_rows(Path(config.data.file)), config.data.file)
    return [(split, pair) for split, pair in split_pairs(config) if is_evaluation(split)]


def evaluated_data(config: Config) -> tuple[tuple[Stage, ...], dict[str, object]]:
    """Return the inputs and the settings that name the evaluated pairs in the key of a stage.

    Raises DataError if `data.file` is missing.
    """
    from corpo.utils.files import file_hash

    if config.data.file is None:
        return (data_stage(config),), {}
    path = Path(config.data.file)
    if not path.is_file():
        raise DataError(f"data.file={path}: no such file; give a JSONL or Parquet file of pairs")
    return (), {"file": file_hash(path)}
