"""The records of a training run: metrics, rewards and lengths per group, warnings, and some responses.

P prompts, G rollouts per prompt.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from corpo.tasks import Item, Task
from corpo.train.health import health_warnings, require_answers
from corpo.utils import ranks
from corpo.utils.files import append_jsonl, read_jsonl, write_atomically, write_jsonl

log = logging.getLogger(__name__)

OnStep = Callable[[dict[str, Any]], None]
KEPT_ROLLOUTS = "rollouts"  # the folder of the responses that are kept, with a file per step
KEPT_PROMPTS = 4  # of a batch, such as both orders of two pairs
KEPT_COLUMNS = ("pair_id", "swapped", "problem_id")  # of items that have them; they identify the item


class TrainedBatch(NamedTuple):
    """The batch of a training step.

    Items and texts are those of this rank, and all other fields are those of all ranks.
    """

    metrics: dict[str, float]
    rewards_PG: Tensor
    lengths_PG: Tensor
    advantages_PG: Tensor
    items: Sequence[Item]
    texts_PG: Sequence[Sequence[str]]


class RunLog:
    """A writer of `metrics.jsonl`, `groups.jsonl`, `warnings.jsonl` and `rollouts/` in one folder.

    Ranks above 0 write nothing. On a resume it drops the records of all steps after `start`, because these
    steps are computed again. `on_step` receives the metrics of each step, including steps finished before a
    restart.
    """

    def __init__(
        self, folder: Path, start: int, title: str, baseline: str, task: Task[Any], on_step: OnStep
    ) -> None:
        """Read the records up to step `start`. `title` names the run in log messages."""
        self.metrics, self.groups = folder / "metrics.jsonl", folder / "groups.jsonl"
        self.warnings, self.rollouts = folder / "warnings.jsonl", folder / KEPT_ROLLOUTS
        self.title, self.baseline, self.task, self.on_step = title, baseline, task, on_step
        self.history: list[dict[str, Any]] = []
        self.warned: set[str] = set()
        self.is_writer = ranks.rank() == 0
        if self.is_writer:
            self._restore(start)

    def _restore(self, start: int) -> None:
        for path in (self.metrics, self.groups, self.warnings):
            write_jsonl(path, [record for record in read_jsonl(path) if record["step"] <= start])
        for path in self.rollouts.glob("step-*.parquet"):
            if int(path.stem.removeprefix("step-")) > start:
                path.unlink()
        self.history = read_jsonl(self.metrics)
        self.warned = {record["name"] for record in read_jsonl(self.warnings)}
        for record in self.history:
            self.on_step(record)

    def add(self, step: int, metrics: Mapping[str, float], rewards_PG: Tensor, lengths_PG: Tensor) -> None:
        """Write the records of one step. Rewards are rounded to 4 decimals."""
        if not self.is_writer:
            return
        record = {"step": step, **_nan_to_none(metrics)}
        append_jsonl(self.metrics, record)
        self.on_step(record)
        self.history.append(record)
        self._warn()
        rewards = [_rounded(row) for row in rewards_PG.tolist()]
        append_jsonl(self.groups, {"step": step, "rewards": rewards, "lengths": lengths_PG.tolist()})
        require_answers(self.history, self.task.faults)

    def keep_rollouts(self, step: int, batch: TrainedBatch) -> None:
        """Write the responses to the first prompts of a batch, with their rewards and advantages.

        If there are so many ranks that the first one has fewer than `KEPT_PROMPTS` prompts, it keeps those.
        """
        if not self.is_writer:
            return
        import pandas as pd

        rewards_PG, advantages_PG = batch.rewards_PG.tolist(), batch.advantages_PG.tolist()
        lengths_PG = batch.lengths_PG.tolist()
        rows = []
        for p, item in enumerate(batch.items[:KEPT_PROMPTS]):
            columns = self.task.item_columns(item)
            for g, text in enumerate(batch.texts_PG[p]):
                rows.append(
                    {
                        "step": step,
                        "prompt": p,
                        **{name: columns[name] for name in KEPT_COLUMNS if name in columns},
                        "rollout": g,
                        "response": text,
                        "tokens": lengths_PG[p][g],
                        "reward": round(rewards_PG[p][g], 4),
                        "advantage": round(advantages_PG[p][g], 4),
                    }
                )
        table = pd.DataFrame(rows)
        write_atomically(self.rollouts / f"step-{step:06d}.parquet", table.to_parquet)

    def _warn(self) -> None:
        """Write and print each health warning the first time that it occurs in this run."""
        for warning in health_warnings(self.history, self.baseline):
            if warning.name in self.warned:
                continue
            self.warned.add(warning.name)
            append_jsonl(self.warnings, {"step": warning.step, "name": warning.name, "text": warning.text})
            log.warning("step %d of %s: warning %s: %s", warning.step, self.title, warning.name, warning.text)


def _rounded(row: list[float]) -> list[float]:
    return [round(reward, 4) for reward in row]


def _nan_to_none(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Replace NaN, which JSON cannot represent, by None."""
    values: dict[str, float | None] = {}
    for name, value in metrics.items():
        values[name] = None if math.isnan(value) else value
    return values
