"""A study's records: what is written is read again, of studies from before lengths were kept too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from corpo.files import append_jsonl
from corpo.report.records import Run, Study, read_study, write_study


def test_rewards_and_lengths_come_back(tmp_path: Path) -> None:
    rewards = {1: np.array([[-1.0, 0.2, 1.0], [0.4, -0.6, -0.2]]), 2: np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, 0.6]])}
    lengths = {1: np.array([[4, 5, 6], [7, 8, 9]]), 2: np.array([[1, 2, 3], [3, 2, 1]])}
    told = {"split": "s", "prompt_id": "00000", "pair_id": "p", "problem_id": "q", "kind": "both_wrong", "correct": True, "reward": 1.0}
    rollouts = pd.DataFrame([told])
    run = Run("opo", 0, pd.DataFrame({"step": [1, 2]}), rewards, rollouts, lengths)
    shortcuts = pd.DataFrame({"split": ["code_both_wrong"], "prompts": [2], "problems": [1], "length": [0.0], "words": [0.5]})
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
