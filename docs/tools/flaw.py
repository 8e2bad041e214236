"""Draw the figure at the top of the README: one group of rollouts, and the failures that GRPO rewards in it.

    python -m docs.tools.flaw             draw docs/flaw.png from docs/tools/flaw.json
    python -m docs.tools.flaw --sample    sample the group again first (building the data takes minutes)

The group has the index PROMPT in the first training batch of `make study` with seed 0. It holds sixteen
responses of the shipped base policy to one prompt. No update comes before that batch, so that every baseline
sees the same group.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.baselines import advantages
from corpo.task import OrdinalReward, parse_response

RECORD = Path(__file__).with_suffix(".json")
PICTURE = RECORD.parent.parent / "flaw.png"
STEP, PROMPT = 1, 10
THRESHOLD = OrdinalReward().threshold  # R_min_correct
# Colours of Okabe and Ito, which colour-blind readers can tell apart; the markers differ as well.
GREY, VERMILION, BLUE = "#8a8a8a", "#d55e00", "#0072b2"
DOT_HEIGHT = 1.0  # rollouts with equal rewards are stacked


def read_group() -> dict[str, Any]:
    """Read the group from the committed record."""
    return json.loads(RECORD.read_text(encoding="utf-8"))


def group_rewards(group: dict[str, Any]) -> list[float]:
    """Return the reward of each response, computed from its text and the labels of the two programs."""
    reward = OrdinalReward()
    labels = (group["a_correct"], group["b_correct"])
    return [reward(parse_response(response), labels) for response in group["responses"]]


def group_advantages(rewards: list[float], baseline: str) -> list[float]:
    """Return the advantage of each response under a baseline."""
    rewards_PG = torch.tensor([rewards], dtype=torch.float64)
    return advantages(rewards_PG, baseline, threshold=THRESHOLD)[0].tolist()


def draw(group: dict[str, Any]) -> Figure:
    """Draw the rewards of a group on a number line, with the baselines of GRPO, static and CoRPO."""
    rewards = group_rewards(group)
    mean = sum(rewards) / len(rewards)
    with plt.rc_context({"font.size": 11, "font.family": "DejaVu Sans"}):
        figure, axes = plt.subplots(figsize=(8.0, 3.8), dpi=200)
        axes.axvspan(mean, THRESHOLD, color=VERMILION, alpha=0.12, linewidth=0)
        _draw_rollouts(axes, rewards, group_advantages(rewards, "grpo"))
        top = 8.3
        _draw_baseline(axes, mean, top, "group mean\n(GRPO's baseline)", "right")
        _draw_baseline(axes, THRESHOLD, top, "R_min_correct\n(baseline of static and CoRPO)", "left")
        axes.set(xlim=(-1.08, 1.08), ylim=(0, 9.9), yticks=[], xlabel="reward of a response")
        axes.set_xticks([-1, -0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8, 1])
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
        axes.legend(loc="center right", frameon=False, fontsize=10.5, handletextpad=0.3, borderaxespad=0.0)
        figure.tight_layout()
        plt.close(figure)
    return figure


def _draw_rollouts(axes: Axes, rewards: list[float], grpo: list[float]) -> None:
    """Draw one marker per rollout. Shape and colour tell successes, rewarded failures and the rest apart."""
    points: dict[str, list[tuple[float, float]]] = {"success": [], "rewarded": [], "penalised": []}
    heights: dict[float, float] = {}
    for reward, advantage in sorted(zip(rewards, grpo, strict=True)):
        heights[reward] = heights.get(reward, -0.3) + DOT_HEIGHT
        if reward >= THRESHOLD:
            group = "success"
        elif advantage > 0:
            group = "rewarded"
        else:
            group = "penalised"
        points[group].append((reward, heights[reward]))
    looks = {
        "success": ("s", BLUE, "correct response"),
        "rewarded": ("^", VERMILION, "failure that GRPO rewards"),
        "penalised": ("o", GREY, "failure that GRPO penalises"),
    }
    for group, (marker, colour, label) in looks.items():
        across, up = zip(*points[group], strict=True)
        axes.plot(across, up, marker, color=colour, markersize=11, label=f"{label} ({len(across)})")


def _draw_baseline(axes: Axes, place: float, top: float, label: str, side: str) -> None:
    """Draw a baseline as a vertical line with its name above it, on the given side of the line."""
    axes.vlines(place, 0, top + 1.4, color="#222222", linewidth=1.4, linestyle="--" if place else "-")
    gap = -0.02 if side == "right" else 0.02
    axes.text(place + gap, top + 0.1, f"{label}: {_two_digits(place)}", ha=side, va="bottom", fontsize=10.5)


def _two_digits(value: float) -> str:
    """Format a number with two digits and a typographic minus sign."""
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def sample(overrides: Sequence[str] = ("experiment=study",), prompt: int = PROMPT) -> dict[str, Any]:
    """Sample the first training batch of a run with its base policy and return the group of one prompt."""
    from corpo.cli.compose import load_config
    from corpo.data.pairing.splits import TRAIN
    from corpo.pipeline.data import data_stage, split_pairs
    from corpo.pipeline.models import model_path, prompt_renderer, rollout_engine
    from corpo.policy.load import load_policy
    from corpo.train.rl import _seed, batch_at

    config = load_config(overrides)
    data_stage(config).run()
    pairs = [pair for split, pair in split_pairs(config) if split == TRAIN]
    batch = batch_at(pairs, config.train.prompts_per_step, STEP, config.seed)
    path = model_path(config)
    model, tokenizer = load_policy(config.model, path)
    render = prompt_renderer(config, tokenizer)
    prompts = [render(pair) for pair in batch]
    with rollout_engine(config, model, tokenizer, path) as engine:
        seed = _seed("rollout", config.seed, STEP)
        rollouts = engine.generate(prompts, config.train.group_size, seed, range(len(batch)))
    pair = batch[prompt]
    return {
        "source": "shipped base policy data/nano_base, first training batch of `make study`",
        "record": "results/study/records/rewards.parquet",
        "seed": config.seed,
        "step": STEP,
        "prompt": prompt,
        "statement": pair.problem.statement,
        "a": pair.a.text,
        "a_correct": pair.a.correct,
        "b": pair.b.text,
        "b_correct": pair.b.correct,
        "evidence": pair.a.evidence or pair.b.evidence,
        "responses": rollouts.texts_PG[prompt],
    }


def main() -> None:
    """Draw the figure, from a new sample if the command line has `--sample`."""
    if "--sample" in sys.argv[1:]:
        text = json.dumps(sample(), indent=2, ensure_ascii=False)
        RECORD.write_text(text + "\n", encoding="utf-8")
    draw(read_group()).savefig(PICTURE, metadata={"Software": None})
    print(PICTURE)


if __name__ == "__main__":
    main()
