"""The records of a study are read as they were written, and damaged ones are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from corpo.analysis.study import (
    METRICS,
    REWARDS,
    ROLLOUTS,
    STUDY,
    Run,
    Study,
    read_records,
    read_study,
    read_variants,
    write_study,
    write_variants,
)
from corpo.report.explorer import examples
from corpo.task import Candidate, Domain, Pair, Problem
from corpo.utils.errors import DataError
from corpo.utils.files import read_json, write_json

_ROLLOUT = {
    "split": "s",
    "prompt_id": "00000",
    "pair_id": "p",
    "problem_id": "q",
    "family": "f",
    "kind": "both_wrong",
    "correct": True,
    "reward": 1.0,
}


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    rewards = {
        1: np.array([[-1.0, 0.2, 1.0], [0.4, -0.6, -0.2]]),
        2: np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, 0.6]]),
    }
    lengths = {1: np.array([[4, 5, 6], [7, 8, 9]]), 2: np.array([[1, 2, 3], [3, 2, 1]])}
    rollouts = pd.DataFrame([_ROLLOUT])
    run = Run("opo", 0, pd.DataFrame({"step": [1, 2]}), rewards, rollouts, lengths)
    shortcuts = pd.DataFrame(
        {"split": ["code_both_wrong"], "prompts": [2], "problems": [1], "length": [0.0], "words": [0.5]}
    )
    warnings = [{"run": "opo-seed0", "step": 2, "name": "kl", "text": "grows"}]
    write_study(Study({0: rollouts}, [run], 0.0, [1], shortcuts), [{"a": "é"}], warnings, "typed", tmp_path)
    records = read_records(tmp_path)
    assert (records.examples, records.warnings, records.command) == ([{"a": "é"}], warnings, "typed")
    study = records.study
    [again] = study.runs
    pd.testing.assert_frame_equal(again.metrics, run.metrics)
    pd.testing.assert_frame_equal(again.rollouts, rollouts)
    pd.testing.assert_frame_equal(study.shortcuts, shortcuts)
    for step in rewards:
        assert np.array_equal(again.rewards[step], rewards[step])
        assert np.array_equal(again.lengths[step], lengths[step])


def test_seeds_that_share_warm_starts_are_read_as_written(tmp_path: Path) -> None:
    rollouts = pd.DataFrame([_ROLLOUT])
    steps = {1: np.array([[1.0, -1.0]])}
    runs = [Run("grpo", seed, pd.DataFrame({"step": [1]}), steps, rollouts, steps) for seed in (2, 0, 1, 4)]
    bases = {0: rollouts, 1: rollouts}
    study = Study(bases, runs, 0.0, [1], pd.DataFrame(), num_warm_starts=2, updates_scale_with_gradient=True)
    write_study(study, [], [], "", tmp_path)
    again, _ = read_study(tmp_path)
    assert (again.seeds, again.groups) == ([0, 1, 2, 4], [0, 1, 0, 0])
    assert again.updates_scale_with_gradient
    description = read_json(tmp_path / STUDY)
    del description["num_warm_starts"], description["updates_scale_with_gradient"]
    write_json(tmp_path / STUDY, description)
    older, _ = read_study(tmp_path)
    assert older.num_warm_starts == 2, "older records have one base per warm start"
    assert not older.updates_scale_with_gradient
    write_variants({"plain": study}, tmp_path)
    assert read_variants(tmp_path)["plain"].groups == study.groups


def test_metrics_of_one_run_only_are_null_in_the_others(tmp_path: Path) -> None:
    rollouts = pd.DataFrame([_ROLLOUT])
    steps, lengths = {1: np.array([[1.0, -1.0]])}, {1: np.array([[np.nan, np.nan]])}
    first = Run("grpo", 0, pd.DataFrame({"step": [1, 2], "kl": [None, 0.5]}), steps, rollouts, lengths)
    second = Run("corpo", 0, pd.DataFrame({"step": [1]}), steps, rollouts, lengths)
    write_study(Study({0: rollouts}, [first, second], 0.0, [1], pd.DataFrame()), [], [], "", tmp_path)
    study, _ = read_study(tmp_path)
    assert study.curve("grpo", "kl").to_dict() == {0: {2: 0.5}}
    assert study.curve("corpo", "kl").empty
    assert np.isnan(study.runs[0].lengths[1]).all()


@pytest.mark.parametrize("file", [ROLLOUTS, REWARDS, METRICS])
def test_records_without_a_run_are_refused(tmp_path: Path, file: str) -> None:
    rollouts = pd.DataFrame([_ROLLOUT])
    steps = {1: np.array([[1.0, -1.0]])}
    run = Run("grpo", 0, pd.DataFrame({"step": [1]}), steps, rollouts, steps)
    write_study(Study({0: rollouts}, [run], 0.0, [1], pd.DataFrame()), [], [], "", tmp_path)
    table = pd.read_parquet(tmp_path / file)
    table[table["policy"] != "grpo"].to_parquet(tmp_path / file)
    with pytest.raises(DataError, match="no rows of grpo, seed 0"):
        read_study(tmp_path)


def test_options_come_back_and_examples_show_their_advantages(tmp_path: Path) -> None:
    row = {
        **_ROLLOUT,
        "family": "f",
        "parsed": True,
        "response": "",
        "score_a": 3.0,
        "score_b": 2.0,
        "tokens": 4,
    }
    rewards = [-1.0, -0.5, 0.5, 1.0]
    rollouts = pd.DataFrame([row] * 4).assign(reward=rewards, correct=[reward > 0 for reward in rewards])
    runs = [
        Run(
            baseline,
            0,
            metrics=pd.DataFrame({"step": [1]}),
            rewards={1: np.ones((1, 2))},
            rollouts=rollouts,
            lengths={1: np.ones((1, 2))},
            options=options,
        )
        for baseline, options in (
            ("grpo", {"std": True, "ddof": 0, "eps": 0.0}),
            ("ngrpo", {"best": 2.0}),
            ("corpo", {}),
        )
    ]
    study = Study({0: rollouts}, runs, 0.0, [1], pd.DataFrame({"split": ["s"]}))
    write_study(study, [], [], "typed", tmp_path)
    again, _ = read_study(tmp_path)
    assert [again.options(name) for name in again.baselines] == [run.options for run in runs]
    pair = Pair(
        Problem("q", Domain.code, "f", "t", ""),
        Candidate("1", True, "reference"),
        Candidate("2", False, "mutation"),
    )
    [example] = examples(study, {"00000": pair})
    advantages = pd.DataFrame([rollout["advantages"] for rollout in example["policies"][0]["rollouts"]])
    assert advantages["grpo"].tolist() == [-1.265, -0.632, 0.632, 1.265]  # over sqrt(2.5 / 4)
    # The five rewards have the mean 0.4 and the deviation sqrt(5.7 / 4).
    assert advantages["ngrpo"].tolist() == [-1.173, -0.754, 0.084, 0.503]
    assert advantages["corpo"].tolist() == [-1.0, -0.5, 0.5, 1.0]
