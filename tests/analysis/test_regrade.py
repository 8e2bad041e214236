"""Regraded rollouts agree with the records and with counts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from corpo.analysis.regrade import GROUP, can_be_regraded, regraded
from corpo.analysis.study import Run, Study, read_study
from corpo.task import Fault, OrdinalReward, Verdict
from tests.command import ROOT


def _rollouts(
    scores: list[list[tuple[float, float] | None]], labels: list[tuple[bool, bool]]
) -> pd.DataFrame:
    """Return rollouts with ten reward levels, one split per prompt; None is an unparseable response."""
    rows = []
    for number, (responses, (a, b)) in enumerate(zip(scores, labels, strict=True)):
        for response in responses:
            verdict = Verdict(*response) if response else Fault.no_scores
            score_a, score_b = response or (None, None)
            rows.append(
                {
                    "prompt_id": f"{number:05d}",
                    "split": f"split_{number}",
                    "label_a": a,
                    "label_b": b,
                    "parsed": response is not None,
                    "reward": OrdinalReward(10)(verdict, (a, b)),
                    "score_a": score_a,
                    "score_b": score_b,
                }
            )
    return pd.DataFrame(rows)


def test_regraded_shares_agree_with_counts_by_hand() -> None:
    # One prompt that half of its rollouts pass, and one that none passes.
    first = _rollouts(
        [[(0, 3), (0, 6), (10, 0), (10, 0)], [None, (10, 10), (0, 10), (2, 10)]],
        [(True, False), (False, False)],
    )
    assert first["reward"].round(12).tolist() == [-0.6, -0.8, 1.0, 1.0, -1.0, -1.0, -0.4, -0.6]
    study = Study(
        {0: first}, [Run("grpo", 0, pd.DataFrame({"step": []}), {}, first, {})], 0.0, [1], pd.DataFrame()
    )
    indexed = regraded(study).set_index(["policy", "by", "value"])
    table, base = indexed["rewarded"], indexed["rewarded"]["base"]
    assert indexed.loc[("base", "passed", "none"), "failures"] == 4
    assert indexed.loc[("base", "passed", "to 1/2"), "failures"] == 2
    assert base["split", "split_0"] == 0, "half of the group passes: its mean is far above failures"
    assert base["split", "split_1"] == 0.5, "-0.4 and -0.6 lie above -0.75"
    assert base["passed", "none"] == 0.5
    assert base["passed", "to 1/2"] == 0
    assert np.isnan(base["passed", "more"])
    assert base["group", "4"] == base["levels", "10"] == pytest.approx(2 / 6)
    assert base["group", "2"] == pytest.approx(2 / 6), "of -0.6 and -0.8 the better one, and of -0.4 and -0.6"
    assert base["levels", "2"] == 0
    assert ("levels", "3") in base.index
    assert base["baseline", "grpo"] == base["group", "4"]
    assert base["baseline", "rloo"] == base["group", "4"], "only longer"
    assert base["baseline", "quantile"] == pytest.approx(2 / 6), "those above the second, -0.6 and -1"
    assert (base["baseline"][["static", "corpo", "corpo_loo", "maxrl"]] == 0).all()
    assert "opo" not in base["baseline"].index, "these records know no lengths"
    assert "pass_at_k" not in base["baseline"].index, "whose k is 4, of groups of 4"
    assert ("group", "8") not in base.index
    assert (table["grpo"] == base)[~base.isna()].all()
    assert can_be_regraded(study)
    assert not can_be_regraded(replace(study, bases={0: first.iloc[1:]}))


def test_regrading_with_the_recorded_levels_gives_the_recorded_rewards() -> None:
    study, _ = read_study(ROOT / "results/nano")
    table = regraded(study).set_index(["policy", "by", "value"])["rewarded"]
    for policy in ("base", *study.baselines):
        assert table[policy, "levels", "10"] == table[policy, "group", str(GROUP)]
        assert table[policy, "levels", "2"] == 0
        assert 0 < table[policy, "passed", "to 1/4"] < table[policy, "passed", "none"]
