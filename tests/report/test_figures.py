"""Test the figures on synthetic studies: content, layout, captions, and the data that each one requires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from corpo.analysis.claims import OUT_OF_DOMAIN
from corpo.analysis.study import Study
from corpo.analysis.verification import PARTS
from corpo.baselines import BASELINES
from corpo.report import figures
from tests.scored_study import scored_study
from tests.synthetic_study import synthetic_study


def _drawable(study: Study) -> list[Callable[[Study], Figure]]:
    return [figure.draw for figure in figures.drawable_figures(study)]


def _study_of_all_baselines() -> Study:
    """Return a study with every baseline of the package, all with the records of GRPO."""
    study = synthetic_study(2, 0.0)
    runs = []
    for name, baseline in BASELINES.items():
        if baseline.__module__.startswith("corpo."):
            runs += [replace(run, baseline=name) for run in study.of("grpo")]
    return replace(study, runs=runs)


def test_rewards_without_a_common_unit_leave_out_the_prediction_only() -> None:
    study = synthetic_study(2, 0.0)
    assert figures.predicted_failed_positive in _drawable(study)
    runs = []
    for run in study.runs:
        rewards = {}
        for step, rewards_PG in run.rewards.items():
            rewards[step] = rewards_PG + 0.0013 * (rewards_PG > 0.5)
        runs.append(replace(run, rewards=rewards))
    remaining = _drawable(replace(study, runs=runs))
    assert set(_drawable(study)) - set(remaining) == {figures.predicted_failed_positive}


def test_scoreboard_requires_all_splits_of_the_paper() -> None:
    study = synthetic_study(2, 0.0)
    assert figures.scoreboard in _drawable(study)
    runs = []
    for run in study.runs:
        runs.append(replace(run, rollouts=run.rollouts[run.rollouts["split"] != OUT_OF_DOMAIN[0]]))
    bases = {0: study.base[study.base["split"] != OUT_OF_DOMAIN[0]]}
    assert figures.scoreboard not in _drawable(replace(study, bases=bases, runs=runs))


def test_every_figure_has_a_caption_and_a_name_of_its_own() -> None:
    names = [figure.name for figure in figures.FIGURES]
    assert len(set(names)) == len(names)
    for name in names:
        assert figures.caption_of(name).endswith(".")


def test_scoreboard_shows_means_and_single_seeds() -> None:
    study = synthetic_study(3, 0.2)
    rewarded, _, out_of_domain, *_ = figures.scoreboard(study).axes
    row = study.baselines.index("corpo")
    values = {}
    for line in out_of_domain.lines:
        if len(line.get_ydata()) and line.get_ydata()[0] == row:
            values[line.get_marker()] = line.get_xdata()
    by_seed = []
    for run in study.of("corpo"):
        rollouts = run.rollouts[run.rollouts["split"].isin(OUT_OF_DOMAIN)]
        by_seed.append(100 * rollouts["correct"].mean())
    assert list(values["|"]) == pytest.approx(by_seed)
    assert list(values["o"]) == pytest.approx([np.mean(by_seed)])
    largest = max(float(np.max(line.get_xdata())) for line in rewarded.lines if line.get_ydata()[0] > 0)
    assert largest == 0, "only GRPO, in the first row, gives failed rollouts a positive advantage"


def test_baselines_differ_in_colour_or_in_marker_and_line_style() -> None:
    names = ("base", *_study_of_all_baselines().baselines)
    colour_of, marker_of = figures.colours(names), figures.markers(names)
    style_of = figures.line_styles(names)
    assert len({colour_of[name] for name in names}) == len(names)
    for name in ("grpo", "static", "corpo"):
        assert sum(marker_of[other] == marker_of[name] for other in names) == 1
    assert len({style_of[name] for name in ("grpo", "static", "corpo")}) == 3, "their curves often coincide"


def test_legend_of_many_baselines_lies_beside_the_panels_and_inside_the_figure() -> None:
    study = _study_of_all_baselines()
    for draw in (figures.failed_positive, figures.differences, figures.update_size):
        figure = draw(study)
        figure.draw_without_rendering()  # arranges the panels
        [legend] = figure.legends
        box = legend.get_window_extent()
        right_edge = max(panel.get_window_extent().x1 for panel in figure.axes)
        assert box.x0 > right_edge
        assert box.x1 <= figure.get_window_extent().x1


def test_skill_shows_all_policies_on_all_parts_and_needs_scores() -> None:
    study = scored_study()
    without_scores = {0: study.base.drop(columns=["score_a", "score_b"])}
    assert figures.skill not in _drawable(replace(study, bases=without_scores))
    assert figures.skill in _drawable(study)
    figure = figures.skill(study)
    [panel] = figure.axes
    assert [label.get_text() for label in panel.get_xticklabels()] == list(PARTS)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["memory", "no trace", "base", "GRPO", "static", "CoRPO"]
    values = {line.get_label(): line.get_ydata() for line in panel.lines}
    assert max(values["no trace"]) < min(values["CoRPO"])
    hollow = [line.get_label() for line in panel.lines if line.get_markerfacecolor() == "white"]
    assert hollow == ["memory", "no trace"]


@pytest.mark.parametrize("draw", [figures.scoreboard, figures.failed_positive, figures.differences])
def test_all_text_lies_inside_a_figure_of_the_common_width(draw: Callable[[Study], Figure]) -> None:
    figure = draw(synthetic_study(2, 0.0))
    figure.draw_without_rendering()  # arranges the panels
    assert figure.get_figwidth() <= figures.WIDTH
    frame = figure.get_window_extent()
    for panel in figure.axes:
        box = panel.get_tightbbox()
        assert box is not None
        assert box.x0 >= frame.x0
        assert box.x1 <= frame.x1


def test_a_figure_has_the_same_bytes_inside_and_outside_the_common_style(tmp_path: Path) -> None:
    study = synthetic_study(2, 0.1)
    figures.save(figures.scoreboard(study), tmp_path / "outside.png")
    with figures.figure_style():
        figures.save(figures.scoreboard(study), tmp_path / "inside.png")
    assert (tmp_path / "outside.png").read_bytes() == (tmp_path / "inside.png").read_bytes()


@pytest.mark.parametrize(("seeds", "is_cut"), [(1, False), (2, True), (5, False)])
def test_wide_intervals_of_few_seeds_are_cut_and_all_points_stay_visible(seeds: int, is_cut: bool) -> None:
    panel = figures.differences(synthetic_study(seeds, 0.0)).axes[0]
    ends = []
    for lines in panel.collections:
        ends += [float(np.abs(segment[:, 0]).max()) for segment in lines.get_segments()]
    points = []
    for line in panel.lines:
        if line.get_marker() != "None":
            points.append(float(np.abs(line.get_xdata()).max()))
    edge = max(map(abs, panel.get_xlim()))
    assert max(points) < edge
    assert (max(ends) > edge) == is_cut


def _without_metrics(study: Study, prefixes: tuple[str, ...]) -> Study:
    runs = []
    for run in study.runs:
        columns = [column for column in run.metrics if not column.startswith(prefixes)]
        runs.append(replace(run, metrics=run.metrics[columns]))
    return replace(study, runs=runs)


@pytest.mark.parametrize(
    ("draw", "metric"),
    [
        (figures.frontier, "validation/pass@1/unseen"),
        (figures.frontier, "validation/pass@1/both_wrong"),
        (figures.validation_skill, "validation/auc_b"),
        (figures.validation_skill, "validation/exactly_one"),
        (figures.rewarded_failures, "failed_swapped"),
        (figures.rewarded_failures, "rewarded_unparseable"),
    ],
)
def test_figures_of_skill_and_habit_require_their_metrics(
    draw: Callable[[Study], Figure], metric: str
) -> None:
    study = synthetic_study(2, 0.0)
    assert draw in _drawable(study)
    assert draw not in _drawable(_without_metrics(study, (metric,)))


def test_frontier_shows_means_over_seeds_and_single_seeds() -> None:
    study = synthetic_study(3, 0.0)
    unseen, *_ = figures.frontier(study).axes
    shade = figures.colour(study, "corpo")
    lines = [line for line in unseen.lines if line.get_color() == shade and len(line.get_xdata()) == 12]
    mean, *seeds = lines
    assert len(seeds) == 3
    assert list(mean.get_xdata()) == pytest.approx(np.mean([line.get_xdata() for line in seeds], axis=0))
    for seed, line in enumerate(seeds):
        metrics = study.of("corpo")[seed].metrics
        assert list(line.get_xdata()) == pytest.approx(100 * metrics["validation/pass@1"])
        assert list(line.get_ydata()) == pytest.approx(100 * metrics["validation/pass@1/unseen"])


def test_frontier_of_many_baselines_shows_means_only() -> None:
    study = _study_of_all_baselines()
    unseen, *_ = figures.frontier(study).axes
    assert sum(len(line.get_xdata()) == 12 for line in unseen.lines) == len(study.baselines)


def test_rewarded_failures_say_0_for_baselines_without_any() -> None:
    study = synthetic_study(2, 0.0)
    figure = figures.rewarded_failures(study)
    left, right = figure.axes
    names = [label.get_text() for label in left.get_yticklabels()]
    texts = dict(zip(names, [text.get_text().strip() for text in right.texts], strict=True))
    assert float(texts["GRPO, first 5 steps"]) > 0
    assert texts["static, first 5 steps"] == texts["CoRPO, last 5 steps"] == "0.0"
    totals = np.zeros(len(names))
    for bars in left.containers:
        totals += [bar.get_width() for bar in bars]
    assert list(totals) == pytest.approx([100] * len(names))


def test_panels_of_unmeasured_skill_metrics_are_left_out() -> None:
    study = synthetic_study(2, 0.0)
    assert sum(panel.axison for panel in figures.validation_skill(study).axes) == 8
    other = _without_metrics(study, ("validation/auc_a/", "validation/auc_b/", "validation/traced"))
    assert len(figures.validation_skill(other).axes) == 3


@pytest.mark.parametrize("draw", [figures.frontier, figures.rewarded_failures, figures.validation_skill])
@pytest.mark.parametrize("has_all_baselines", [False, True])
def test_titles_of_neighbouring_panels_do_not_overlap(
    draw: Callable[[Study], Figure], has_all_baselines: bool
) -> None:
    figure = draw(_study_of_all_baselines() if has_all_baselines else synthetic_study(2, 0.0))
    figure.draw_without_rendering()  # arranges the panels
    boxes = []
    for panel in figure.axes:
        boxes += [title.get_window_extent() for title in (panel.title, panel._left_title) if title.get_text()]
    boxes += [legend.get_window_extent() for legend in figure.legends]
    frame = figure.get_window_extent()
    for index, box in enumerate(boxes):
        assert box.x1 <= frame.x1
        assert not any(box.overlaps(other) for other in boxes[:index])
