"""A study's records: what is written is read again, of studies from before lengths were kept too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from corpo.analysis.study import Run, Study, read_study, write_study
from corpo.report.explorer import examples
from corpo.task import Candidate, Domain, Pair, Problem
from corpo.utils.files import append_jsonl


def test_rewards_and_lengths_come_back(tmp_path: Path) -> None:
    rewards = {
        1: np.array([[-1.0, 0.2, 1.0], [0.4, -0.6, -0.2]]),
        2: np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, 0.6]]),
    }
    lengths = {1: np.array([[4, 5, 6], [7, 8, 9]]), 2: np.array([[1, 2, 3], [3, 2, 1]])}
    told = {
        "split": "s",
        "prompt_id": "00000",
        "pair_id": "p",
        "problem_id": "q",
        "kind": "both_wrong",
        "correct": True,
        "reward": 1.0,
    }
    rollouts = pd.DataFrame([told])
    run = Run("opo", 0, pd.DataFrame({"step": [1, 2]}), rewards, rollouts, lengths)
    shortcuts = pd.DataFrame(
        {"split": ["code_both_wrong"], "prompts": [2], "problems": [1], "length": [0.0], "words": [0.5]}
    )
    (tmp_path / "metrics").mkdir()
    for step in rewards:
        append_jsonl(tmp_path / "metrics/opo-seed0.jsonl", {"step": step})
    write_study(Study({0: rollouts}, [run], 0.0, [1], shortcuts), [], "typed", tmp_path)
    study, _ = read_study(tmp_path)
    [again] = study.runs
    pd.testing.assert_frame_equal(study.shortcuts, shortcuts)
    for step in rewards:
        assert np.array_equal(again.rewards[step], rewards[step])
        assert np.array_equal(again.lengths[step], lengths[step])
    path = tmp_path / "records/opo-seed0-rewards.parquet"
    pd.read_parquet(path).drop(columns="tokens").to_parquet(path)
    [before] = read_study(tmp_path)[0].runs
    assert np.array_equal(before.rewards[2], rewards[2])
    assert np.isnan(before.lengths[2]).all()


def test_options_come_back_and_examples_show_their_advantages(tmp_path: Path) -> None:
    told = {
        "split": "s",
        "prompt_id": "00000",
        "pair_id": "p",
        "problem_id": "q",
        "family": "f",
        "kind": "both_wrong",
        "parsed": True,
    }
    said = {"response": "", "score_a": 3.0, "score_b": 2.0, "tokens": 4}
    rollouts = pd.DataFrame(
        [{**told, **said, "reward": reward, "correct": reward > 0} for reward in (-1.0, -0.5, 0.5, 1.0)]
    )
    runs = [
        Run(
            baseline,
            0,
            pd.DataFrame({"step": [1]}),
            {1: np.ones((1, 2))},
            rollouts,
            {1: np.ones((1, 2))},
            options,
        )
        for baseline, options in (
            ("grpo", {"std": True, "ddof": 0, "eps": 0.0}),
            ("ngrpo", {"best": 2.0}),
            ("corpo", {}),
        )
    ]
    study = Study({0: rollouts}, runs, 0.0, [1], pd.DataFrame({"split": ["s"]}))
    for run in runs:
        (tmp_path / "metrics").mkdir(exist_ok=True)
        append_jsonl(tmp_path / f"metrics/{run.name}.jsonl", {"step": 1})
    write_study(study, [], "typed", tmp_path)
    again, _ = read_study(tmp_path)
    assert [again.options(name) for name in again.baselines] == [run.options for run in runs]
    pair = Pair(
        Problem("q", Domain.code, "f", "t", ""),
        Candidate("1", True, "reference"),
        Candidate("2", False, "mutation"),
    )
    [shown] = examples(study, {"00000": pair})
    found = {
        name: [row["advantages"][name] for row in shown["policies"][0]["rollouts"]]
        for name in study.baselines
    }
    assert found["grpo"] == [-1.265, -0.632, 0.632, 1.265]  # over sqrt(2.5 / 4)
    assert found["ngrpo"] == [-1.173, -0.754, 0.084, 0.503]  # mean 0.4, deviation sqrt(5.7 / 4) of the five
    assert found["corpo"] == [-1.0, -0.5, 0.5, 1.0]
