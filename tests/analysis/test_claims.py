"""Estimates agree with scipy and simulations, verdicts follow their rule, and results are rebuilt."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from corpo.analysis import claims
from corpo.analysis.ablation import measured
from corpo.analysis.claims import (
    FAILS,
    HOLDS,
    NO_SUBJECT,
    STATEMENTS,
    UNDECIDED,
    UNTESTABLE,
    Comparison,
    all_tests,
    findings,
    points,
)
from corpo.analysis.compare import aggregates, difference, differences
from corpo.analysis.frontier import difference_at_equal_gain, gain_curve, out_of_domain_weights
from corpo.analysis.runs import ratio_curve, rewarded_failures, runs_markdown, runs_table
from corpo.analysis.study import Study, read_variants, write_variants
from corpo.data.pairing.splits import OUT_OF_DOMAIN
from corpo.evaluate.intervals import Estimate, Variance, over_seeds, over_seeds_and_problems
from corpo.utils.errors import DataError
from docs.tools import coverage
from tests.command import run
from tests.synthetic_study import synthetic_study

FALL = "fall of the share of groups below R_min_correct, first 5 steps - last 5"


def test_over_seeds_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 1, 8), rng.normal(0, 1, 8)
    estimate, reference = over_seeds(first - second), ttest_rel(first, second)
    low, high = reference.confidence_interval(0.99)
    assert estimate.interval(0.99) == pytest.approx((float(np.mean(first - second)), low, high))
    assert math.isnan(over_seeds([1.0]).error)


def _estimate(mean: float, error: float, df: float = 1000) -> Estimate:
    return Estimate(mean, (Variance(error**2, df),))


def test_without_spread_over_problems_or_seeds_the_other_one_is_left() -> None:
    by_seed = np.array([1.0, 2.0, 4.0])
    alike = over_seeds_and_problems(np.repeat(by_seed[:, None], 5, axis=1), [0] * 5, range(5))
    assert alike.interval() == pytest.approx(over_seeds(by_seed).interval())
    by_problem = np.array([0.0, 1.0, 1.0, 3.0])
    same = over_seeds_and_problems(np.repeat(by_problem[None], 6, axis=0), [0] * 4, range(4))
    assert same.interval() == pytest.approx(over_seeds(by_problem).interval())


def test_seeds_that_share_warm_starts_count_as_their_means_if_these_differ_more() -> None:
    values, groups = np.array([0.0, 4.0, 0.2, 4.2, 0.1, 4.4]), [0, 1, 0, 1, 0, 1]
    shared = over_seeds(values, groups)
    means = np.array([values[::2].mean(), values[1::2].mean()])
    assert shared.interval() == pytest.approx(over_seeds(means).interval())
    assert shared.by_seed == tuple(values)
    alike = np.array([0.0, 4.0, 4.2, 0.2, 0.1, 4.4])
    assert over_seeds(alike, [0, 0, 1, 1, 2, 2]).interval() == over_seeds(alike).interval()
    assert over_seeds(values, range(6)).interval() == over_seeds(values, [0] * 6).interval()


def test_strata_weigh_alike_and_what_differs_between_them_is_no_chance() -> None:
    values_KN = np.repeat([[9.0, 9.0, 9.0, 3.5]], 6, axis=0)
    estimate = over_seeds_and_problems(values_KN, ["a", "a", "a", "b"], range(4))
    assert (estimate.mean, estimate.error) == (6.25, 0)
    assert estimate.interval() == (6.25, 6.25, 6.25)


@pytest.mark.parametrize("level", coverage.LEVELS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_intervals_of_seeds_that_share_warm_starts_cover_the_truth(share: float, level: float) -> None:
    assert coverage.coverage("normal", share, level, draws=4000) >= level - 0.01


def test_intervals_as_if_seeds_were_independent_would_not_cover_the_truth() -> None:
    assert coverage.coverage("normal", 0.9, 0.95, draws=1000, knows_groups=False) < 0.85


@pytest.mark.parametrize(
    ("seeds", "by_seed", "max_coverage"), [(6, 1.0, 0.99), (8, 0.3, 0.99), (2, 1.0, 1.0)]
)
def test_two_way_intervals_cover_the_truth(seeds: int, by_seed: float, max_coverage: float) -> None:
    """Check that 95% intervals cover new seeds and problems, and are not much too wide with several seeds."""
    rng = np.random.default_rng(1)
    problems = np.repeat(np.arange(30), 2)
    inside = []
    for _ in range(600):
        values_KN = (
            rng.normal(0, by_seed, (seeds, 1))
            + rng.normal(0, 2, 30)[problems]
            + rng.normal(0, 1, (seeds, 60))
        )
        low, high = over_seeds_and_problems(values_KN, [0] * 60, list(problems)).interval()[1:]
        inside.append(low <= 0 <= high)
    assert 0.935 <= np.mean(inside) <= max_coverage


@pytest.mark.parametrize(("smallest", "above"), [(0.05, 0.0), (1.0, 0.0), (0.8, 0.8)])
def test_claims_hold_with_80_percent_probability_at_the_detectable_effect(
    smallest: float, above: float
) -> None:
    """Check it for effects of interest that are small and large compared with the spread over seeds."""
    rng = np.random.default_rng(2)
    test = Comparison("C1", "a quantity", points, smallest, (), over_seeds, above=above)
    effect = _estimate(0.0, 1 / math.sqrt(9), 8).detectable(0.95, smallest, above)
    verdicts = []
    for _ in range(4000):
        verdicts.append(claims._verdict(test, over_seeds(rng.normal(effect, 1, 9)), 0.95))
    assert np.mean(np.array(verdicts) == HOLDS) == pytest.approx(0.8, abs=0.02)


def test_detectable_effect_allows_for_seeds_and_problems() -> None:
    """Check the power of an interval whose variance has two parts, one with few degrees of freedom."""
    rng = np.random.default_rng(4)
    sizes = (1.0, 1.5)
    test = Comparison("C1", "a quantity", points, 1.0, (), over_seeds)
    estimate = Estimate(0.0, (Variance(sizes[0], 3), Variance(sizes[1], 30)))
    effect = estimate.detectable(0.95, 1.0)
    verdicts = []
    for _ in range(4000):
        variances = tuple(
            Variance(size * rng.chisquare(df) / df, df) for size, df in zip(sizes, (3, 30), strict=True)
        )
        drawn = Estimate(rng.normal(effect, math.sqrt(sum(sizes))), variances)
        verdicts.append(claims._verdict(test, drawn, 0.95))
    assert np.mean(np.array(verdicts) == HOLDS) == pytest.approx(0.8, abs=0.02)


def test_equal_quantities_are_shown_to_be_equal_with_80_percent_probability() -> None:
    rng = np.random.default_rng(3)
    margin = _estimate(0.0, 1 / math.sqrt(9), 8).provable(0.95)
    is_within = []
    for _ in range(4000):
        _, low, high = over_seeds(rng.normal(0, 1, 9)).interval()
        is_within.append(-margin < low and high < margin)
    assert np.mean(is_within) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("mean", "error", "verdict"),
    [
        (0.10, 0.01, HOLDS),
        (0.04, 0.01, UNDECIDED),  # above zero, and 0.05 is not ruled out
        (0.05, 0.01, HOLDS),
        (0.10, 0.0, UNDECIDED),  # seeds that are all alike
        (0.03, 0.001, FAILS),  # above zero, but too small to matter
        (0.00, 0.01, FAILS),
        (-0.10, 0.01, FAILS),
        (0.04, 0.05, UNDECIDED),
        (0.20, math.nan, UNDECIDED),  # one seed
    ],
)
def test_verdict_follows_from_the_interval_and_the_smallest_effect(
    mean: float, error: float, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = Comparison("C1", "a quantity", points, 0.05, (), lambda study: _estimate(mean, error))
    monkeypatch.setattr(claims, "all_tests", lambda study: (test,))
    [finding] = findings(synthetic_study(1, 0.0))
    assert finding.verdict == verdict


def test_interval_of_a_share_must_exceed_the_effect_of_interest() -> None:
    tests = all_tests(synthetic_study(1, 0.0))
    [early] = [test for test in tests if isinstance(test, Comparison) and test.claim == "C1"]
    assert early.above == early.smallest_effect


def test_intervals_are_corrected_for_the_tests_of_a_part_of_a_claim() -> None:
    study = synthetic_study(1, 0.0)
    num_tests = {}
    for test in all_tests(study):
        if isinstance(test, Comparison):
            num_tests[test.claim, test.part] = claims._num_tests(study, test)
    assert num_tests == {
        ("C1", ""): 1,
        ("C2", ""): 1,
        ("C3", ""): 2,
        ("C4", ""): 4,
        ("C5", "out of domain"): 4,
        ("C5", "at equal gain"): 2,
        ("C5", "in domain"): 2,
        ("C6", ""): 5,
        ("C7", ""): 1,
    }


def test_a_study_without_verifying_base_policies_has_no_subject() -> None:
    study = synthetic_study(5, 0.15)
    guessing = replace(study, bases=study.floors)
    for other in (guessing, replace(study, floors={})):
        verdicts = {finding.verdict for finding in findings(other) if finding.claim == "C5"}
        assert verdicts == {NO_SUBJECT}
    [reason] = {finding.reason for finding in findings(guessing) if finding.claim == "C5"}
    assert "on code pairs of equal labels" in reason


def test_update_sizes_are_testable_with_plain_sgd_only() -> None:
    study = synthetic_study(5, 0.15)
    assert {finding.verdict for finding in findings(study) if finding.claim == "C6"} == {UNTESTABLE}
    free = findings(replace(study, updates_scale_with_gradient=True))
    verdicts = {finding.quantity: finding.verdict for finding in free if finding.claim == "C6"}
    assert verdicts["update norm over learning rate, GRPO over CoRPO"] == FAILS, "they are equal"
    assert UNTESTABLE not in verdicts.values()


def test_every_test_lists_the_value_of_each_seed() -> None:
    study = synthetic_study(3, 0.15)
    by_quantity = {finding.quantity: finding.by_seed for finding in findings(study)}
    listed = by_quantity["KL from the warm start at the end, GRPO over CoRPO"]
    assert listed == ("1.00", "1.00", "1.00")
    gains = []
    for corpo, grpo in zip(study.of("corpo"), study.of("grpo"), strict=True):
        by_split = [
            run.rollouts[run.rollouts["split"].isin(OUT_OF_DOMAIN)].groupby("split")["correct"].mean().mean()
            for run in (corpo, grpo)
        ]
        gains.append(points(by_split[0] - by_split[1]))
    assert by_quantity["out of domain, mean of four splits, pass@1: corpo - GRPO"] == tuple(gains)


def _validations(in_domain: list[float], out_of_domain: list[float]) -> pd.DataFrame:
    """Return the metrics of a run whose kinds of pairs out of domain are all alike."""
    columns = {"step": list(range(len(in_domain))), "validation/pass@1": in_domain}
    for kind in ("both_wrong", "both_correct", "math"):
        columns[f"validation/pass@1/{kind}"] = out_of_domain
    return pd.DataFrame(columns)


def test_accuracy_out_of_domain_is_compared_at_equal_accuracy_in_domain() -> None:
    """Check a faster run that is on the same line, and one that lies 3 points above it."""
    slow = _validations([0.5, 0.55, 0.6], [0.4, 0.42, 0.44])
    fast = _validations([0.5, 0.65, 0.8], [0.4, 0.46, 0.52])
    higher = _validations([0.5, 0.65, 0.8], [0.43, 0.49, 0.55])
    study = synthetic_study(2, 0.0)
    metrics = {"grpo": slow, "static": fast, "corpo": higher}
    runs = [replace(trained, metrics=metrics[trained.baseline]) for trained in study.runs]
    study = replace(study, runs=runs)
    static, corpo = (difference_at_equal_gain(study, name, "grpo") for name in ("static", "corpo"))
    assert static is not None
    assert corpo is not None
    assert static.by_seed == pytest.approx((0, 0))
    assert corpo.by_seed == pytest.approx((0.03, 0.03))
    assert difference_at_equal_gain(_without_math(study), "static", "grpo") is None


def _without_math(study: Study) -> Study:
    runs = []
    for trained in study.runs:
        metrics = trained.metrics.drop(columns="validation/pass@1/math")
        runs.append(replace(trained, metrics=metrics))
    return replace(study, runs=runs)


def test_a_fall_in_domain_is_averaged_with_the_rise_before_it() -> None:
    weights = out_of_domain_weights(synthetic_study(1, 0.0))
    curve = gain_curve(_validations([0.5, 0.7, 0.6, 0.8], [0.4, 0.5, 0.3, 0.6]), weights)
    assert curve[0] == pytest.approx([0.5, 0.65, 0.8])
    assert curve[1] == pytest.approx([0.4, 0.4, 0.6])


def test_shares_and_ratios_of_a_run_are_those_of_all_its_rollouts() -> None:
    study = synthetic_study(2, 0.0)
    [first, _] = study.of("grpo")
    num_failed, num_rewarded = 0, 0.0
    for step in range(1, 6):
        failed = int((first.rewards[step] < 0).sum())
        num_failed += failed
        num_rewarded += failed * first.metrics["failed_positive_fraction"][step - 1]
    assert rewarded_failures(study, "grpo", late=False)[0] == pytest.approx(num_rewarded / num_failed)
    around = first.metrics.iloc[3:8]
    curve = ratio_curve(study, "grpo", "count", steps=5)
    assert curve.loc[6, 0] == pytest.approx(around["positive_count"].sum() / around["negative_count"].sum())


def test_a_study_with_an_effect_and_one_without() -> None:
    verdicts = {}
    for finding in findings(synthetic_study(5, 0.15)):
        verdicts[finding.claim, finding.quantity] = finding.verdict
    assert {claim for claim, _ in verdicts} == set(STATEMENTS)
    assert verdicts["C5", "out of domain, mean of four splits, pass@1: corpo - GRPO"] == HOLDS
    assert verdicts["C5", "out of domain, mean of four splits, pass@1: static - GRPO"] == UNDECIDED, (
        "none, but 2 points are not excluded"
    )
    assert verdicts["C1", "failures that GRPO rewards, first 5 steps"] == UNDECIDED, (
        "6%: above 0, not surely above 5%"
    )
    assert verdicts["C2", "static: batches in which a failure is rewarded"] == HOLDS
    assert verdicts["C3", f"{FALL}: CoRPO - GRPO"] in (FAILS, UNDECIDED), (
        "all baselines draw the same rewards"
    )
    assert verdicts["C7", "update seconds per token, GRPO over CoRPO"] == HOLDS, "as equal as claimed"
    single = {}
    for finding in findings(synthetic_study(1, 0.15)):
        single[finding.claim, finding.quantity] = finding
    assert single["C5", "out of domain, mean of four splits, pass@1: corpo - GRPO"].verdict == UNDECIDED
    assert "one seed" in single["C5", "out of domain, mean of four splits, pass@1: corpo - GRPO"].estimate


def test_the_paper_s_ratio_is_of_sums_over_steps() -> None:
    study = synthetic_study(3, 0.0)
    early = [run.metrics.iloc[:5] for run in study.of("static")]
    expected = [
        np.log(metrics["negative_count"].sum() / metrics["positive_count"].sum()) for metrics in early
    ]
    assert claims._below_one(study, "static").by_seed == pytest.approx(expected)


def test_runs_table_keeps_the_numbers_of_each_run_in_any_order() -> None:
    """Check the table of runs given in another order; values that were never measured are empty."""
    study = synthetic_study(3, 0.1)
    table = runs_table(replace(study, runs=list(reversed(study.runs)))).set_index(["seed", "policy"])
    runs = [(run.seed, run.baseline) for run in reversed(study.runs)]
    assert list(table.index) == [(0, "base"), *sorted(runs, key=lambda run: run[0])]
    for trained in study.runs:
        row, late = table.loc[(trained.seed, trained.baseline)], trained.metrics.iloc[-5:]
        assert row["failed_positive_most"] == trained.metrics["failed_positive_fraction"].max()
        assert row["count_ratio_last"] == pytest.approx(
            late["positive_count"].sum() / late["negative_count"].sum()
        )
        assert row["kl"] == 2.0 + trained.seed / 100
        both = trained.rollouts[trained.rollouts["split"].isin(["code_first_correct", "code_second_correct"])]
        assert row["code_exactly_one"] == pytest.approx(both["correct"].mean())
        assert np.isnan(row["sum_ratio_first"]), "sums are not in these records"
    lines = runs_markdown(table.reset_index()).splitlines()
    assert len(lines) == 2 + 10
    assert lines[2].startswith("| 0 | base | – |")


def test_an_ablation_of_few_seeds_shows_each_of_them() -> None:
    few, enough = (
        measured(synthetic_study(2, 0.15)).set_index("baseline"),
        measured(synthetic_study(5, 0.15)).set_index("baseline"),
    )
    assert np.isnan(few.loc["corpo", "out of domain: low"])
    assert np.mean(
        [float(points) for points in few.loc["corpo", "out of domain: by seed"].split()]
    ) == pytest.approx(few.loc["corpo", "out of domain: difference"], abs=0.06)
    gap = difference(synthetic_study(5, 0.15), "corpo", "grpo", OUT_OF_DOMAIN, 1)
    assert gap is not None
    assert enough.loc["corpo", "out of domain: low"] == pytest.approx(100 * gap.interval().low)
    assert enough.loc["corpo", "out of domain: difference"] == pytest.approx(100 * gap.mean)
    assert enough.loc["static", "failures rewarded"] == 0 < enough.loc["grpo", "failures rewarded"]


def test_an_ablation_is_measured_alike_from_its_records(tmp_path: Path) -> None:
    studies = {
        "more": synthetic_study(5, 0.15),
        "less": replace(synthetic_study(2, 0.0), threshold=0.2, ks=[1]),
    }
    write_variants(studies, tmp_path)
    kept = read_variants(tmp_path)
    assert list(kept) == ["more", "less"]
    for variant, study in studies.items():
        pd.testing.assert_frame_equal(measured(kept[variant]), measured(study))
        assert (kept[variant].threshold, list(kept[variant].ks)) == (study.threshold, list(study.ks))
    (tmp_path / "records/passed.parquet").write_bytes(b"cut off")
    with pytest.raises(DataError, match=r"passed\.parquet: is damaged"):
        read_variants(tmp_path)


def test_a_steady_gain_is_not_rough() -> None:
    steady = pd.DataFrame({"validation/pass@1": np.linspace(0.5, 0.8, 8)})
    assert claims._roughness(steady) == pytest.approx(0, abs=1e-12)
    assert claims._roughness(steady + np.tile([0.01, -0.01], 4)[:, None]) == pytest.approx(0.04)


def test_runs_pair_up_by_seed_and_none_may_be_missing() -> None:
    study = synthetic_study(3, 0.1)
    shuffled = replace(study, runs=[*reversed(study.runs[:6]), *study.runs[6:]])
    assert difference(shuffled, "corpo", "grpo", ["code_both_wrong"], 1) == difference(
        study, "corpo", "grpo", ["code_both_wrong"], 1
    )
    with pytest.raises(ValueError, match="without static-seed1: every baseline needs the same seeds"):
        replace(study, runs=[run for run in study.runs if run.name != "static-seed1"])


def test_differences_and_aggregates_agree_with_plain_means() -> None:
    study = synthetic_study(5, 0.1)
    table = differences(study).set_index(["split", "baseline", "k"])
    estimate = difference(study, "corpo", "grpo", ["code_both_wrong"], 1)
    row = table.loc[("code_both_wrong", "corpo", 1)]
    assert estimate is not None
    assert row["points"] == pytest.approx(100 * estimate.mean)
    assert row["points"] == pytest.approx(np.mean(list(map(float, row["by_seed"].split()))), abs=0.05)
    assert row["both_high"] - row["both_low"] > row["high"] - row["low"] - 0.5, "seeds add to the spread"
    middle = aggregates(study).set_index(["baseline", "k"])
    shares: list[float] = []
    for trained in study.of("corpo"):
        shares += trained.rollouts.groupby("split")["correct"].mean().tolist()
    scores = 100 * np.sort(shares)
    quarter = len(scores) // 4
    assert middle.loc[("corpo", 1), "iqm"] == pytest.approx(scores[quarter:-quarter].mean())
    assert middle.loc[("corpo", 1), "better"] > 0.95
    assert middle.loc[("corpo", 1), "better_paired"] > 0.95
    assert (
        middle.loc[("corpo", 1), "iqm_low"]
        < middle.loc[("corpo", 1), "iqm"]
        < middle.loc[("corpo", 1), "iqm_high"]
    )
    assert "iqm_low" not in aggregates(synthetic_study(4, 0.1)), "too few seeds to resample"
    assert math.isnan(middle.loc[("grpo", 1), "better"])


def test_results_are_rebuilt_byte_for_byte(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results/tiny"
    shutil.copytree(results, folder)
    kept = {"data_card.md", "config.yaml", "provenance.json"}
    before = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).parts[0] != "records":
            before[path] = path.read_bytes()
            if path.name not in kept:
                path.unlink()
    run("report", "--claims", str(folder.parent))
    assert {path: path.read_bytes() for path in before} == before
    page = (folder.parent / "README.md").read_text()
    assert all(f"**{claim}**" in page for claim in STATEMENTS)
    assert "[Report](tiny/report.md)" in page
    assert "### Does the policy verify?" in page
    shutil.rmtree(folder / "records")
    assert "no finished study" in run("report", "--claims", str(folder.parent), code=2).stderr
