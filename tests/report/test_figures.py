"""Test the figures on synthetic studies: content, layout, captions, and the data that each one requires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from corpo.analysis.study import Study
from corpo.analysis.verification import PARTS
from corpo.baselines import BASELINES
from corpo.data.pairing.splits import OUT_OF_DOMAIN
from corpo.report import figures
from corpo.report.figures.ablation import ablation, overview
from corpo.report.figures.style import MAX_BASELINES_WITH_BANDS, OTHER_COLOUR
from docs.tools import palette
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
        spec = figures.spec_of(name)
        assert spec.title
        assert spec.caption.endswith(".")
        assert spec.description.count(".") == 1, "one sentence"


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


def test_only_the_baselines_of_the_paper_have_a_colour() -> None:
    names = ("base", *_study_of_all_baselines().baselines)
    colour_of, marker_of = figures.colours(names), figures.markers(names)
    style_of = figures.line_styles(names)
    paper = ("base", "grpo", "static", "corpo")
    assert len({colour_of[name] for name in paper}) == len(paper)
    assert {colour_of[name] for name in names if name not in paper} == {OTHER_COLOUR}
    for name in paper:
        assert sum(marker_of[other] == marker_of[name] for other in names) == 1
    assert len({style_of[name] for name in ("grpo", "static", "corpo")}) == 3, "their curves often coincide"


# Differences of 20 are clear to see beside each other; lines that cross need more.
@pytest.mark.parametrize(
    ("group", "limit"),
    [("baselines", 25), ("baselines and others", 20), ("rollouts", 20), ("verdicts of failures", 15)],
)
@pytest.mark.parametrize("view", palette.VIEWS)
def test_colour_blind_readers_can_tell_the_colours_of_a_figure_apart(
    group: str, limit: float, view: str
) -> None:
    colours = palette.GROUPS[group]
    for shades in (colours, palette.dark_colours(colours)):
        assert palette.smallest_difference(shades, view)[0] >= limit


def test_simulation_of_colour_blindness_keeps_greys_and_confuses_red_and_green() -> None:
    assert palette.simulated(np.array([0.5, 0.5, 0.5]), "deuteranopia") == pytest.approx([0.5] * 3, abs=0.01)
    pair = {"red": "#c44e52", "green": "#55a868"}
    normal, _, _ = palette.smallest_difference(pair, "normal")
    simulated, _, _ = palette.smallest_difference(pair, "deuteranopia")
    assert normal > 70
    assert simulated < 25


def test_baselines_and_outcomes_have_different_hues() -> None:
    for name in ("grpo", "static", "corpo"):
        for outcome in palette.OUTCOMES.values():
            difference = abs(palette.hue(figures.COLOURS[name]) - palette.hue(outcome))
            assert min(difference, 360 - difference) >= 40


@pytest.mark.parametrize("draw", [figures.failed_positive, figures.advantage_ratio, figures.calibration])
@pytest.mark.parametrize("has_all_baselines", [False, True])
def test_names_at_the_ends_of_lines_do_not_overlap(
    draw: Callable[[Study], Figure], has_all_baselines: bool
) -> None:
    study = _study_of_all_baselines() if has_all_baselines else synthetic_study(2, 0.0)
    figure = draw(study)
    names = {figures.label_of(name) for name in study.baselines}
    panel = figure.axes[0]
    boxes = [Text.get_window_extent(text) for text in panel.texts if text.get_text() in names]
    assert len(boxes) == len(names)
    boxes.sort(key=attrgetter("y0"))
    for lower, upper in pairwise(boxes):
        assert lower.y1 <= upper.y0 + 1
    assert max(box.x1 for box in boxes) <= figure.get_window_extent().x1


def test_differences_from_grpo_pair_runs_by_seed() -> None:
    study = synthetic_study(3, 0.0)
    lower = figures.learning_curves(study).axes[-1]
    assert lower.get_title(loc="left") == "minus GRPO"
    [line] = [line for line in lower.lines if line.get_label() == "CoRPO"]
    gains = study.curve("corpo", "validation/pass@1") - study.curve("grpo", "validation/pass@1")
    assert list(line.get_ydata()) == pytest.approx(100 * gains.mean(axis=1))


def test_differences_of_many_baselines_are_numbers() -> None:
    study = _study_of_all_baselines()
    some = study.baselines[:MAX_BASELINES_WITH_BANDS]
    runs = [run for run in study.runs if run.baseline in ("grpo", *some)]
    figure = figures.differences(replace(study, runs=runs))
    panel = figure.axes[0]
    num_cells = len(panel.get_yticks()) * len(panel.get_xticks())
    assert len(panel.texts) == num_cells
    assert {text.get_text() for text in panel.texts} == {"+0.0"}, "all runs are those of GRPO"


def test_quadrants_of_the_scores_have_all_rollouts() -> None:
    study = synthetic_study(2, 0.0)
    figure = figures.score_maps(study)
    shares = [float(text.get_text().rstrip("%")) for text in figure.axes[0].texts]
    assert len(shares) == 4
    assert sum(shares) == pytest.approx(100, abs=2)
    rollouts = study.base[study.base["kind"] == "first_correct"]
    assert max(shares) == pytest.approx(100 * rollouts["correct"].mean(), abs=0.5)


def test_reward_map_has_the_mean_reward_of_each_pair_of_scores() -> None:
    study = scored_study()
    runs = [replace(run, rollouts=run.rollouts.assign(reward=0.5)) for run in study.runs]
    bases = {0: study.base.assign(reward=0.5)}
    panel = figures.reward_map(replace(study, runs=runs, bases=bases)).axes[0]
    values = np.ma.filled(panel.images[0].get_array().astype(float), np.nan)
    assert values.shape == (11, 11)
    assert np.nanmax(values) == np.nanmin(values) == 0.5
    assert values[0, 10] == 0.5, "A is correct and B is wrong"


def test_skill_shows_all_policies_on_all_parts_and_needs_scores() -> None:
    study = scored_study()
    without_scores = {0: study.base.drop(columns=["score_a", "score_b"])}
    assert figures.skill not in _drawable(replace(study, bases=without_scores))
    assert figures.skill in _drawable(study)
    panels = figures.skill(study).axes
    assert [panel.get_title(loc="left") for panel in panels] == list(PARTS)
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["memory", "no trace", "base", "GRPO", "static", "CoRPO"]
    for panel in panels:
        values = {line.get_label(): line.get_xdata()[0] for line in panel.lines}
        assert values["no trace"] < values["CoRPO"]
        hollow = [line.get_label() for line in panel.lines if line.get_markerfacecolor() == "white"]
        assert hollow == ["memory", "no trace"]


@pytest.mark.parametrize("name", [figure.name for figure in figures.FIGURES])
def test_text_is_large_enough_and_lies_inside_a_figure_of_the_common_width(name: str) -> None:
    figure = figures.spec_of(name).draw(synthetic_study(2, 0.0))
    assert figure.get_figwidth() <= figures.WIDTH
    frame = figure.get_window_extent()
    for panel in figure.axes:
        box = panel.get_tightbbox()
        if box is not None:
            assert box.x0 >= frame.x0 - 1
            assert box.x1 <= frame.x1 + 1
    for text in figure.findobj(Text):
        assert not text.get_text() or text.get_fontsize() >= 9, text


@pytest.mark.parametrize("image_format", figures.FORMATS)
def test_equal_figures_have_equal_bytes_in_every_format(image_format: str, tmp_path: Path) -> None:
    study = synthetic_study(2, 0.1)
    contents = []
    for index in range(2):
        path = tmp_path / f"{index}.{image_format}"
        figures.save(figures.failed_positive(study), path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    assert b"CreationDate" not in contents[0]


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
    with_differences = 2
    assert sum(panel.axison for panel in figures.validation_skill(study).axes) == 8 * with_differences
    other = _without_metrics(study, ("validation/auc_a/", "validation/auc_b/", "validation/traced"))
    assert sum(panel.axison for panel in figures.validation_skill(other).axes) == 3 * with_differences
    alone = replace(study, runs=study.of("grpo"))
    assert sum(panel.axison for panel in figures.validation_skill(alone).axes) == 8


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


def _ablation(rewarded: dict[str, float]) -> pd.DataFrame:
    """Return the table of an ablation with a given share of rewarded failures per variant."""
    rows = []
    for variant, share in rewarded.items():
        for baseline in ("base", "grpo", "corpo"):
            row = {"variant": variant, "baseline": baseline, "in domain": 70.0, "out of domain": 35.0}
            for group in ("in domain", "out of domain"):
                row |= {f"{group}: difference": 0.5, f"{group}: low": -0.5, f"{group}: high": 1.5}
                row[f"{group}: by seed"] = "+0.2 +0.8"
            rows.append({**row, "failures rewarded": share if baseline == "grpo" else 0.0})
    return pd.DataFrame(rows)


def test_overview_of_ablations_shows_their_common_variant_once() -> None:
    tables = {"ablate_kl": _ablation({"none": 0.11, "0.03": 0.12}), "ablate_group": _ablation({"16": 0.11})}
    tables["ablate_group"] = pd.concat([tables["ablate_group"], _ablation({"64": 0.08})])
    rewarded, *_ = overview(tables).axes
    assert [label.get_text() for label in rewarded.get_yticklabels()] == ["default", "0.03", "64"]
    assert [text.get_text() for text in rewarded.texts] == ["kl", "group"]
    shares = [float(line.get_xdata()[0]) for line in rewarded.lines if line.get_marker() == "o"]
    assert shares == pytest.approx([11, 12, 8])


def test_differences_of_an_ablation_are_not_magnified() -> None:
    _, _, gap, _ = ablation(_ablation({"none": 0.11, "0.03": 0.12})).axes
    assert gap.get_ylim() == (-5, 5)
