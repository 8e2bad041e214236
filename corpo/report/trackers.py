"""Mirrors of a run for people to look at: Weights & Biases, TensorBoard. The JSONL files are the truth.

A mirror is made from the records, so a run that goes on fills it up from the first step, and a finished one can still be given one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from corpo.config import TrackConfig

Record = Mapping[str, float | None]


class Tracker(Protocol):
    def step(self, record: Record) -> None:
        """Metrics of one step; `record["step"]` says which."""

    def table(self, name: str, rows: pd.DataFrame) -> None:
        """A table to read, such as single rollouts."""

    def chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        """Lines by step, one for each label, drawn by the tracker itself."""

    def close(self) -> None:
        """Nothing follows."""


class Trackers:
    """All the mirrors that a config asks for, as one; none by default."""

    def __init__(
        self, config: TrackConfig, folder: Path, group: str, name: str, key: str, settings: Mapping[str, Any]
    ) -> None:
        """`group` is the experiment and `name` the run in it; `key` tells the run from any other, so that a resumed one is the same."""
        kinds: dict[str, type[TensorBoard] | type[WandB]] = {"tensorboard": TensorBoard, "wandb": WandB}
        self.all: list[Tracker] = [
            kinds[kind](config, folder, group, name, key, settings) for kind in config.trackers
        ]

    def step(self, record: Record) -> None:
        for mirror in self.all:
            mirror.step(record)

    def table(self, name: str, rows: pd.DataFrame) -> None:
        for mirror in self.all:
            mirror.table(name, rows)

    def chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        for mirror in self.all:
            mirror.chart(name, curves)

    def close(self) -> None:
        for mirror in self.all:
            mirror.close()


class TensorBoard:
    """`tensorboard --logdir` on the folder's `tensorboard`."""

    def __init__(
        self, config: TrackConfig, folder: Path, group: str, name: str, key: str, settings: Mapping[str, Any]
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = (
            folder / "tensorboard" / group / f"{name}-{key[:6]}"
        )  # variants of an experiment share the rest
        shutil.rmtree(self.folder, ignore_errors=True)  # the records fill it again
        self.writer = SummaryWriter(str(self.folder))
        self.writers: dict[str, Any] = {}  # of charts, by label
        self.writer.add_text(
            "configuration", pd.Series(_flat(settings), dtype=object).to_frame("value").to_html()
        )

    def step(self, record: Record) -> None:
        for name, value in record.items():
            if name != "step" and value is not None:
                self.writer.add_scalar(name, value, int(record["step"] or 0))

    def table(self, name: str, rows: pd.DataFrame) -> None:
        self.writer.add_text(name, rows.to_html(index=False))

    def chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for (
            label,
            curve,
        ) in curves.items():  # TensorBoard lays the same tag of several folders over each other
            if label not in self.writers:
                self.writers[label] = SummaryWriter(str(self.folder / label))
            for step, value in curve.dropna().items():
                self.writers[label].add_scalar(f"figures/{name}", value, int(str(step)))

    def close(self) -> None:
        for writer in (self.writer, *self.writers.values()):
            writer.close()


class WandB:
    """A run of Weights & Biases; offline ones lie under the folder's `wandb`, for `wandb sync` later."""

    def __init__(
        self, config: TrackConfig, folder: Path, group: str, name: str, key: str, settings: Mapping[str, Any]
    ) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        if config.wandb_mode == "offline":
            for old in folder.glob(
                f"wandb/offline-run-*-{key}"
            ):  # the records fill a new one: two parts of a run cannot be synced as one
                shutil.rmtree(old)
        self.wandb = wandb
        self.run = wandb.init(
            project=config.project,
            entity=config.entity,
            group=group,
            name=name,
            id=key,
            mode="online" if config.wandb_mode == "online" else "offline",
            dir=str(folder),
            config=dict(settings),
            resume="allow" if config.wandb_mode == "online" else None,
            settings=wandb.Settings(
                console="off", silent=True, x_disable_stats=True, disable_git=True, save_code=False
            ),
        )

    def step(self, record: Record) -> None:
        step = int(record["step"] or 0)
        if step >= self.run.step:  # an online run that is resumed has the earlier ones
            self.run.log(
                {name: value for name, value in record.items() if name != "step" and value is not None},
                step=step,
            )

    def table(self, name: str, rows: pd.DataFrame) -> None:
        self.run.log({name: self.wandb.Table(dataframe=rows)})

    def chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        lines = {label: curve.dropna() for label, curve in curves.items()}
        self.run.log(
            {
                f"figures/{name}": self.wandb.plot.line_series(
                    xs=[[int(str(step)) for step in curve.index] for curve in lines.values()],
                    ys=[curve.tolist() for curve in lines.values()],
                    keys=list(lines),
                    title=name,
                    xname="step",
                )
            }
        )

    def close(self) -> None:
        self.run.finish()


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= (
            _flat(value, f"{prefix}{key}.")
            if isinstance(value, dict) and value
            else {f"{prefix}{key}": value}
        )
    return flat
