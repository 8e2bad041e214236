"""Test studies of tasks whose items are questions: records, tables and claims have nothing about pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from corpo.analysis.ablation import measured
from corpo.analysis.claims import NO_SUBJECT, findings
from corpo.analysis.frontier import difference_at_equal_gain, out_of_domain_weights
from corpo.analysis.regrade import regraded
from corpo.analysis.runs import mean_failures, runs_table, validation_markdown, validation_table
from corpo.analysis.runs import validation_columns as columns_of
from corpo.analysis.splits import results_table
from corpo.analysis.study import read_records, read_variants, write_study, write_variants
from corpo.analysis.subject import reason_for_no_subject
from corpo.analysis.summary import summary_table
from corpo.report.tables import failures_table, floors_note, wide_table
from tests.question_study import FLOOR, IN_DOMAIN, OUT_OF_DOMAIN, question_study


def test_records_say_what_the_task_is(tmp_path: Path) -> None:
    study = question_study(2, 0.0)
    write_study(study, [], [], "typed", tmp_path)
    read = read_records(tmp_path).study
    for study_again in (read, _as_variant(tmp_path)):
        assert (study_again.task, study_again.failures) == ("sums", ("close", "far", "unparseable"))
        assert (study_again.in_domain, study_again.out_of_domain) == (IN_DOMAIN, OUT_OF_DOMAIN)
        assert not study_again.has_pairs
        pd.testing.assert_frame_equal(
            study_again.prompts("corpo")[["problem_id", "pass@1"]],
            study.prompts("corpo")[["problem_id", "pass@1"]],
        )
    pd.testing.assert_frame_equal(read.shortcuts, study.shortcuts)


def _as_variant(folder: Path):  # type: ignore[no-untyped-def]
    write_variants({"only": question_study(2, 0.0)}, folder)
    return read_variants(folder)["only"]


def test_table_has_the_floors_of_the_task_and_nothing_about_pairs() -> None:
    table = results_table(question_study(2, 0.1))
    assert not {"pairs", "published", "coin_floor", "length_floor"} & set(table.columns)
    wide = wide_table(table, 16)
    assert wide["split"].tolist() == ["sums", "chains seen", "chains unseen"]
    assert list(wide.columns) == ["split", "base", "grpo", "static", "corpo", FLOOR]
    assert wide[FLOOR].tolist() == ["10", "5", "15"]
    assert "need no understanding" in floors_note(table)
    assert floors_note(table.drop(columns=f"{FLOOR}_floor")) == ""
    assert {"split", "prompts", "problems", "unparseable"} <= set(summary_table(question_study(2, 0.1)))


def test_runs_have_the_validations_and_failures_of_the_task() -> None:
    study = question_study(2, 0.0)
    header = validation_markdown(validation_table(study), columns_of(study)).splitlines()[0]
    assert header == "| seed | policy | pass@1 | unseen | chains |"
    assert list(runs_table(study).columns[-3:]) == [*IN_DOMAIN, *OUT_OF_DOMAIN]
    first = mean_failures(study).set_index(["policy", "end"]).loc[("grpo", "first")]
    assert first["failed_close"] + first["failed_far"] == pytest.approx(1)
    assert first["rewarded"] == pytest.approx(first["rewarded_close"] + first["rewarded_far"])
    assert "rewarded, close" in failures_table(study)


def test_splits_without_a_row_of_floors_have_floors_of_zero() -> None:
    study = question_study(2, 0.0)
    of_one_split = study.shortcuts[study.shortcuts["split"] == IN_DOMAIN[0]]
    assert reason_for_no_subject(replace(study, shortcuts=of_one_split)) is None
    hardest = study.shortcuts.assign(**{FLOOR: [0.0, 0.0, 1.9]})
    reason = reason_for_no_subject(replace(study, shortcuts=hardest))
    assert reason is not None
    assert reason.endswith("must exceed 95.0%, the highest floor")
    assert "95.0%" in (reason_for_no_subject(replace(study, shortcuts=hardest[hardest[FLOOR] > 0])) or "")


def test_validation_out_of_domain_is_named_after_the_splits_out_of_domain() -> None:
    study = question_study(2, 0.0)
    assert out_of_domain_weights(study) == {"validation/pass@1/chains": 1.0}
    assert difference_at_equal_gain(study, "corpo", "grpo") is not None
    elsewhere = replace(study, out_of_domain=("chain",))
    assert out_of_domain_weights(elsewhere) == {}
    assert difference_at_equal_gain(elsewhere, "corpo", "grpo") is None


def test_c5_is_tested_on_the_splits_of_the_task() -> None:
    quantities = [finding.quantity for finding in findings(question_study(3, 0.2)) if finding.claim == "C5"]
    assert len(quantities) == 8
    assert "out of domain, mean of two splits, pass@1: corpo - GRPO" in quantities
    assert "in domain, pass@16: static - CoRPO" in quantities
    [gain] = [
        finding.estimate
        for finding in findings(question_study(3, 0.2))
        if finding.quantity == "out of domain, mean of two splits, pass@1: corpo - GRPO"
    ]
    differences = (
        results_table(question_study(3, 0.2)).query("k == 1").set_index(["policy", "split"])["percent"]
    )
    expected = np.mean([differences["corpo", split] - differences["grpo", split] for split in OUT_OF_DOMAIN])
    assert gain.startswith(f"{expected:+.1f} [")


def test_a_task_without_named_splits_has_no_test_of_c5() -> None:
    study = replace(question_study(2, 0.0), in_domain=(), out_of_domain=())
    assert {finding.claim for finding in findings(study)} == {"C1", "C2", "C3", "C4", "C6", "C7"}
    assert list(runs_table(study).columns[-3:]) == [*IN_DOMAIN, *OUT_OF_DOMAIN], "all splits"


def test_subject_requires_a_base_above_every_floor_by_its_interval() -> None:
    study = question_study(2, 0.0)
    assert reason_for_no_subject(study) is None
    prompts = study.prompts("base")
    means = prompts[prompts["split"].isin(OUT_OF_DOMAIN)].groupby("split")["pass@1"].mean()
    high = replace(study, shortcuts=study.shortcuts.assign(knows=means.mean() - 0.01))
    reason = reason_for_no_subject(high)
    assert reason is not None
    assert f"have a pass@1 of {means.mean():.1%} [" in reason
    assert f"must exceed {means.mean() - 0.01:.1%}" in reason
    assert {finding.verdict for finding in findings(high) if finding.claim == "C5"} == {NO_SUBJECT}
    failing = {0: study.base.assign(correct=False)}
    no_floors = study.shortcuts[["split", "prompts"]]
    assert reason_for_no_subject(replace(study, bases=failing, shortcuts=no_floors)) is not None


def test_rollouts_without_scores_are_regrouped_but_not_graded_again() -> None:
    assert set(regraded(question_study(1, 0.0))["by"]) == {"group", "passed", "split", "baseline"}


def test_ablation_has_a_column_for_each_split_of_the_task() -> None:
    table = measured(question_study(2, 0.1)).set_index("baseline")
    assert list(table.columns[-3:]) == [*IN_DOMAIN, *OUT_OF_DOMAIN]
    assert table.loc["corpo", "out of domain"] == pytest.approx(
        table.loc["corpo", list(OUT_OF_DOMAIN)].astype(float).mean()
    )
