"""Validation metrics and failures by verdict, with numbers worked out by hand.

Shape letters beside those of CONTRIBUTING.md: M measures of a rollout.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from corpo.task import Domain, OrdinalReward, Pair, format_response
from corpo.tasks.verify import VerifyTask
from corpo.train.failures import count_failures, count_faults
from tests.train.tiny_trainer import example_pairs, reversal_pair

RIGHT = ";A;rev:21;check:2211--;ok;B;drop1:2;check:22-1;bad"
WRONG_A = ";A;rev:22;check:2221;bad;B;drop1:2;check:22-1;bad"  # a slip, and a word that follows from it


def _metrics(pairs: list[Pair], texts_PG: list[list[str]]) -> dict[str, float]:
    task = VerifyTask(OrdinalReward())
    measures_PGM = []
    for pair, texts_G, grades_G in zip(pairs, texts_PG, task.grade(texts_PG, pairs), strict=True):
        rows_G = []
        for text, grade in zip(texts_G, grades_G, strict=True):
            columns = task.rollout_columns(text, grade, pair)
            rows_G.append([columns["correct"], grade.reward, *(columns[name] for name in task.measures)])
        measures_PGM.append(rows_G)
    measures = np.array(measures_PGM, dtype=float)
    return task.validation_metrics(measures, np.arange(len(pairs), dtype=float), pairs)


def test_validation_tells_skill_from_habit() -> None:
    pair = reversal_pair()
    both_wrong = replace(pair, a=pair.b)
    unseen = replace(pair, problem=replace(pair.problem, topic="unseen"))
    statement = "pens: 7, 5 more, doubled, 3 lost, how many"
    word_problem = replace(pair, problem=replace(pair.problem, domain=Domain.math, statement=statement))
    metrics = _metrics(
        [pair, both_wrong, unseen, word_problem],
        [
            [format_response(RIGHT, 9, 1), format_response(WRONG_A, 2, 1)],
            [format_response(RIGHT, 9, 1), format_response(RIGHT, 3, 8)],
            [format_response(RIGHT, 9, 1), "no verdict"],
            [format_response(RIGHT, 9, 1), format_response(RIGHT, 8, 2)],
        ],
    )
    assert metrics["validation/pass@1"] == 0.5
    assert metrics["validation/pass@1/first_correct"] == 0.5
    assert metrics["validation/pass@1/both_wrong"] == 0
    assert metrics["validation/pass@1/unseen"] == 0.5
    assert metrics["validation/pass@1/math"] == 1
    assert metrics["validation/exactly_one"] == 1, "both verdicts on the homogeneous pair call one correct"
    assert metrics["validation/kl_from_start"] == 0, (
        "the first pair alone is seen and has one correct candidate"
    )
    # A is correct in the first pair (scores 9 and 2) and wrong in the second one (9 and 3).
    assert metrics["validation/auc_a"] == pytest.approx((0.5 + 1 + 0 + 0) / 4)
    assert np.isnan(metrics["validation/auc_b"]), "no seen pair has a correct B"
    # The first pair has the traces right but for a slip; both verdicts follow. In the second pair A is the
    # program of B, so the trace of A is wrong and that of B is right, and one score contradicts its word.
    assert metrics["validation/traced"] == pytest.approx((1 + 0.5 + 0.5 + 0.5) / 4)
    assert metrics["validation/follows"] == pytest.approx((1 + 1 + 1 + 0) / 4)


def test_pairs_without_traces_have_no_trace_metrics() -> None:
    metrics = _metrics(example_pairs(1), [["<think></think> A: 9 B: 1"], ["<think></think> A: 9 B: 1"]])
    assert metrics["validation/pass@1"] == 0.5
    assert not {"validation/pass@1/math", "validation/auc_a/homogeneous"} & set(metrics)
    assert not {"validation/traced", "validation/exactly_one", "validation/pass@1/unseen"} & set(metrics)


def test_failures_are_counted_by_verdict() -> None:
    texts = [format_response("", a, b) for a, b in ((9, 8), (2, 1), (1, 9), (9, 1))] + ["nothing"]
    grades_PG = VerifyTask(OrdinalReward()).grade([texts], example_pairs(1)[:1])
    assert [grade.failure for grade in grades_PG[0]] == [
        "both_correct",
        "both_wrong",
        "swapped",
        "",
        "unparseable",
    ]
    assert count_faults(grades_PG, VerifyTask.faults)["fault_no_think"] == 1
    advantages_PG = torch.tensor([[0.1, -0.1, 0.3, 1.0, -0.7]])
    counts = count_failures(grades_PG, advantages_PG, VerifyTask.failures)
    assert counts == {
        "failed_both_correct": 1,
        "failed_both_wrong": 1,
        "failed_swapped": 1,
        "failed_unparseable": 1,
        "rewarded_both_correct": 1,
        "rewarded_both_wrong": 0,
        "rewarded_swapped": 1,
        "rewarded_unparseable": 0,
    }
