"""The reanalysis of the published table agrees with known numbers, and its tests with simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from corpo.analysis.published import (
    OTHERS,
    by_size,
    possible_sizes,
    power_of,
    problems_needed,
    published_rows,
    reanalysis,
    seeds_needed,
)
from corpo.analysis.splits import PUBLISHED
from corpo.report.published_section import section


def test_the_smallest_sizes_and_their_counts() -> None:
    rows = {row.split: row for row in published_rows()}
    assert [row.size for row in rows.values()] == [101, 95, 50, 48, 87, 70]
    assert rows["code_both_wrong"].counts == {"grpo": 25, "static": 32, "corpo": 28}
    assert rows["code_both_correct"].counts == {"grpo": 43, "static": 45, "corpo": 46}
    for split, row in rows.items():
        for name, percent in PUBLISHED[split].items():
            assert abs(100 * row.counts[name] / row.size - percent) <= 0.05 + 1e-9
            interval = row.interval(name)
            assert interval.low < percent / 100 < interval.high


def test_no_difference_is_significant_at_those_sizes() -> None:
    p = {}
    for row in published_rows():
        for name in OTHERS:
            p[row.split, name] = row.p_value(name)
    assert p["code_both_wrong", "corpo"] == pytest.approx(0.69, abs=0.005)
    assert p["code_both_wrong", "static"] == pytest.approx(0.23, abs=0.005)
    assert p["code_both_correct", "corpo"] == pytest.approx(0.44, abs=0.005)
    assert min(value for key, value in p.items() if key != ("code_both_wrong", "static")) >= 0.25


def test_a_tie_that_was_printed_down_decides_one_row() -> None:
    percentages = list(PUBLISHED["code_both_correct"].values())
    assert possible_sizes(percentages)[0] == 48
    assert possible_sizes(percentages, ties=False)[0] == 335
    p_values = by_size().set_index(["split", "baseline", "size"])["p"]
    assert p_values["code_both_correct", "corpo", 335] < 0.01


def test_problems_needed_give_the_stated_power() -> None:
    # The number is that of Fleiss's table, without continuity correction.
    assert problems_needed(0.6, 0.5) == pytest.approx(388, abs=1)
    assert problems_needed(0.5, 0.5) == math.inf
    for first, second in ((0.56, 0.50), (0.958, 0.896)):
        enough = int(problems_needed(first, second))
        assert power_of(first, second, enough) == pytest.approx(0.8, abs=0.01)
        rng = np.random.default_rng(0)
        a, b = rng.binomial(enough, first, 20_000) / enough, rng.binomial(enough, second, 20_000) / enough
        mean = (a + b) / 2
        assert np.mean(np.abs(a - b) > 1.959964 * np.sqrt(2 * mean * (1 - mean) / enough)) == pytest.approx(
            0.8, abs=0.02
        )


def test_seeds_needed_are_the_fewest_with_the_stated_power() -> None:
    seeds = int(seeds_needed(3.0, 4.0))
    rng = np.random.default_rng(0)
    for count, enough in ((seeds, True), (seeds - 1, False)):
        p_values = np.mean(ttest_1samp(rng.normal(3.0, 4.0, (20_000, count)), 0, axis=1).pvalue < 0.05)
        assert p_values == pytest.approx(0.8, abs=0.03)
        assert bool(p_values > 0.795) == enough
    assert seeds_needed(0.0, 4.0) == math.inf


def test_the_table_and_the_section_say_so() -> None:
    table = reanalysis(seed_deviation=5.0)
    assert len(table) == 12
    assert (table["p"] > 0.2).all()
    assert (table["power"] < 0.35).all()
    assert (table.loc[table["points"] == 0, ["problems", "seeds"]] == math.inf).all().all()
    text = section()
    assert "no difference\nto GRPO is significant (smallest p: 0.23)" in text
    assert "corpo on code_both_correct from" in text
