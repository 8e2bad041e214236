"""Tests that the tables of metrics list exactly what is logged, and that their page is up to date."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from corpo.evaluate.columns import ROLLOUT_COLUMNS
from corpo.evaluate.rollouts import roll_out
from corpo.task import Domain, Pair, render_prompt
from corpo.train.metrics import TRAINING_METRICS, WARM_START_METRICS, Metric
from corpo.utils.files import read_jsonl
from docs.tools import metrics as metrics_page
from tests.train.tiny_trainer import example_pairs, reversal_pair, tiny_trainer

ROOT = Path(__file__).resolve().parents[2]


def _pairs_of_every_kind() -> list[Pair]:
    first_correct = reversal_pair()
    both_correct = replace(first_correct, b=first_correct.a)
    both_wrong = replace(first_correct, a=first_correct.b)
    unseen = replace(first_correct, problem=replace(first_correct.problem, topic="unseen"))
    statement = "pens: 7, 5 more, doubled, 3 lost, how many"
    chain = replace(first_correct.problem, domain=Domain.math, statement=statement)
    word_problem = replace(first_correct, problem=chain)
    pairs = [first_correct, first_correct.swapped(), both_correct, both_wrong, unseen, unseen.swapped()]
    return [*pairs, word_problem, word_problem.swapped()]


def _names(metrics: tuple[Metric, ...]) -> set[str]:
    return {metric.name for metric in metrics}


def test_training_logs_exactly_the_listed_metrics(tmp_path: Path) -> None:
    tiny_trainer(baseline="corpo", steps=3, validate_every=3).train(
        example_pairs(4), _pairs_of_every_kind(), tmp_path
    )
    first, without_validation, last = read_jsonl(tmp_path / "metrics.jsonl")
    listed = _names(TRAINING_METRICS)
    assert set(first) == set(last) == listed
    assert first["validation/kl_from_start"] == pytest.approx(0, abs=1e-4), "the policy before training"
    assert last["validation/kl_from_start"] > 1e-4
    assert set(without_validation) == {name for name in listed if not name.startswith("validation/")}


def test_warm_start_logs_exactly_the_listed_metrics() -> None:
    """Check the records of the warm start of the base policy that ships with corpo."""
    provenance = json.loads((ROOT / "data/nano_base/provenance.json").read_text(encoding="utf-8"))
    for record in provenance["curve"]:
        assert set(record) == _names(WARM_START_METRICS)


def test_rollouts_have_exactly_the_listed_columns(tmp_path: Path) -> None:
    trainer = tiny_trainer()
    pairs = [("split", pair) for pair in example_pairs(1)]
    rollouts: pd.DataFrame = roll_out(
        pairs,
        trainer.engine,
        render_prompt,
        bool,
        task=trainer.task,
        num_rollouts=2,
        seed=0,
        folder=tmp_path,
        title="evaluate",
    )
    assert list(rollouts.columns) == [name for name, _, _ in ROLLOUT_COLUMNS]


@pytest.mark.parametrize("metric", [*TRAINING_METRICS, *WARM_START_METRICS], ids=lambda metric: metric.name)
def test_metric_has_formula_and_meaning(metric: Metric) -> None:
    assert metric.formula
    assert metric.meaning
    assert "|" not in metric.formula + metric.meaning, "a bar would break the table of the page"


def test_page_is_up_to_date() -> None:
    text = metrics_page.PAGE.read_text(encoding="utf-8")
    assert text == metrics_page.page(), "run python -m docs.tools.metrics"
