"""Copies of a run's metrics in Weights & Biases and TensorBoard. The JSONL files remain the source of truth.

A tracker is filled from the records from the first step on. A resumed run therefore has no gaps, and a
finished run can be tracked later.
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
    """A service that shows the metrics of a run."""

    def log_step(self, record: Record) -> None:
        """Log the metrics of the step `record["step"]`; values of None are left out."""

    def log_table(self, name: str, rows: pd.DataFrame) -> None:
        """Log a table for reading, such as single rollouts."""

    def log_chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        """Log a line chart that the tracker draws: one curve over steps per label."""

    def close(self) -> None:
        """Flush and close the tracker."""


class Trackers:
    """All configured trackers, with the interface of a single tracker. By default there are none."""

    def __init__(
        self, config: TrackConfig, folder: Path, group: str, name: str, key: str, settings: Mapping[str, Any]
    ) -> None:
        """Open the trackers of one run.

        `group` is the experiment, `name` the run in it, and `key` a unique id that a resumed run keeps.
        """
        classes: dict[str, type[TensorBoard] | type[WandB]] = {"tensorboard": TensorBoard, "wandb": WandB}
        self.trackers: list[Tracker] = [
            classes[kind](config, folder, group, name, key, settings) for kind in config.trackers
        ]

    def log_step(self, record: Record) -> None:
        """Log the metrics of one step to every tracker."""
        for tracker in self.trackers:
            tracker.log_step(record)

    def log_table(self, name: str, rows: pd.DataFrame) -> None:
        """Log a table to every tracker."""
        for tracker in self.trackers:
            tracker.log_table(name, rows)

    def log_chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        """Log a line chart to every tracker."""
        for tracker in self.trackers:
            tracker.log_chart(name, curves)

    def close(self) -> None:
        """Close every tracker."""
        for tracker in self.trackers:
            tracker.close()


def where_to_look(folder: Path) -> list[str]:
    """Return a line for each tracker that has written to a folder: how to look at the curves."""
    lines = []
    if (folder / "tensorboard").is_dir():
        lines.append(f"TensorBoard: tensorboard --logdir {folder / 'tensorboard'}")
    if any(folder.glob("wandb/offline-run-*")):
        lines.append(f"Weights & Biases: wandb sync {folder / 'wandb' / 'offline-run-*'}")
    elif (folder / "wandb").is_dir():
        lines.append("Weights & Biases: the page of your project (track.project)")
    return lines


class TensorBoard:
    """A TensorBoard log; show it with `tensorboard --logdir FOLDER/tensorboard`."""

    def __init__(
        self, config: TrackConfig, folder: Path, group: str, name: str, key: str, settings: Mapping[str, Any]
    ) -> None:
        """Open an empty log folder. The first characters of `key` separate variants with the same name."""
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder / "tensorboard" / group / f"{name}-{key[:6]}"
        shutil.rmtree(self.folder, ignore_errors=True)  # the records fill the log again from the first step
        self.writer = SummaryWriter(str(self.folder))
        self.chart_writers: dict[str, Any] = {}  # by label of the curve
        values = pd.Series(_flatten(settings), dtype=object)
        self.writer.add_text("configuration", values.to_frame("value").to_html())

    def log_step(self, record: Record) -> None:
        """Log the metrics of one step as scalars."""
        for name, value in record.items():
            if name != "step" and value is not None:
                self.writer.add_scalar(name, value, int(record["step"] or 0))

    def log_table(self, name: str, rows: pd.DataFrame) -> None:
        """Log a table as HTML text."""
        self.writer.add_text(name, rows.to_html(index=False))

    def log_chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        """Log each curve to its own folder: TensorBoard draws equal tags of several folders in one chart."""
        from torch.utils.tensorboard import SummaryWriter

        for label, curve in curves.items():
            if label not in self.chart_writers:
                self.chart_writers[label] = SummaryWriter(str(self.folder / label))
            for step, value in curve.dropna().items():
                self.chart_writers[label].add_scalar(f"figures/{name}", value, int(str(step)))

    def close(self) -> None:
        """Close the log of the run and those of the curves."""
        for writer in (self.writer, *self.chart_writers.values()):
            writer.close()


class WandB:
    """A run of Weights & Biases; an offline run in `FOLDER/wandb` can be uploaded with `wandb sync`."""

    def __init__(
        self, config: TrackConfig, folder: Path, group: str, name: str, key: str, settings: Mapping[str, Any]
    ) -> None:
        """Start a run; an offline run replaces an earlier one, since two parts cannot be synced as one."""
        import wandb

        online = config.wandb_mode == "online"
        folder.mkdir(parents=True, exist_ok=True)
        if not online:
            for previous in folder.glob(f"wandb/offline-run-*-{key}"):
                shutil.rmtree(previous)
        self.wandb = wandb
        self.run = wandb.init(
            project=config.project,
            entity=config.entity,
            group=group,
            name=name,
            id=key,
            mode="online" if online else "offline",
            dir=str(folder),
            config=dict(settings),
            resume="allow" if online else None,
            settings=wandb.Settings(
                console="off", silent=True, x_disable_stats=True, disable_git=True, save_code=False
            ),
        )

    def log_step(self, record: Record) -> None:
        """Log the metrics of one step, unless a resumed online run has them already."""
        step = int(record["step"] or 0)
        if step >= self.run.step:
            metrics = {name: value for name, value in record.items() if name != "step" and value is not None}
            self.run.log(metrics, step=step)

    def log_table(self, name: str, rows: pd.DataFrame) -> None:
        """Log a table."""
        self.run.log({name: self.wandb.Table(dataframe=rows)})

    def log_chart(self, name: str, curves: Mapping[str, pd.Series]) -> None:
        """Log the curves as one line plot."""
        lines = {label: curve.dropna() for label, curve in curves.items()}
        steps = [curve.index.astype(int).tolist() for curve in lines.values()]
        plot = self.wandb.plot.line_series(
            xs=steps,
            ys=[curve.tolist() for curve in lines.values()],
            keys=list(lines),
            title=name,
            xname="step",
        )
        self.run.log({f"figures/{name}": plot})

    def close(self) -> None:
        """Finish the run."""
        self.run.finish()


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
