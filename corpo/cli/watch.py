"""`corpo watch`: show the curves of the policies that are being trained, in the terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from corpo.pipeline.integrity import DONE, OWNER
from corpo.pipeline.stage import SPEC, owner
from corpo.utils.errors import ConfigError
from corpo.utils.files import read_json, read_jsonl
from corpo.utils.progress import clock

REFRESH_SECONDS = 2.0
PATIENCE = 10.0  # seconds without a running stage, such as between two stages, after which the view ends
CURVE_WIDTH = 40
BARS = "▁▂▃▄▅▆▇█"
RECENT = 10  # steps whose mean time gives the time left
# The metric, how it is called, and the format of its values.
CURVES = (
    ("reward_mean", "reward", "+.2f"),
    ("pass_rate", "pass@1", ".1%"),
    ("failed_positive_fraction", "rewarded failures", ".1%"),
    ("count_ratio", "N⁺/N⁻", ".2f"),
    ("validation/pass@1", "validation pass@1", ".1%"),
)


@dataclass(frozen=True)
class Training:
    """The records of a training stage."""

    folder: Path
    is_running: bool
    spec: dict[str, Any]
    metrics: list[dict[str, Any]]  # one record per finished step

    @property
    def title(self) -> str:
        """Return baseline, seed, step and time left in one line."""
        name = f"{self.spec['baseline']['name']} seed {self.spec['seed']}"
        step, steps = len(self.metrics), int(self.spec["train"]["steps"])
        if not self.is_running or not self.metrics:
            return f"{name}: step {step} of {steps}"
        recent = self.metrics[-RECENT:]
        seconds = sum(row["rollout_seconds"] + row["update_seconds"] for row in recent) / len(recent)
        return (
            f"{name}: step {step} of {steps}, {seconds:.1f} s a step, left {clock((steps - step) * seconds)}"
        )


def main(arguments: Sequence[str]) -> None:
    """Show the running trainings until no stage runs, or the newest training if none is running."""
    folder = Path(arguments[0] if arguments else "outputs")
    if len(arguments) > 1 or not folder.is_dir():
        raise ConfigError(f"watch {' '.join(arguments) or folder}: give the folder of the stages")
    console = Console()
    if not console.is_terminal or not running_stages(folder):
        console.print(view(folder))
        return
    seen = time.monotonic()
    try:
        with Live(view(folder), console=console, auto_refresh=False) as live:
            while time.monotonic() - seen < PATIENCE:
                if running_stages(folder):
                    seen = time.monotonic()
                live.update(view(folder), refresh=True)
                time.sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:  # the usual end; it does not touch the run
        pass


def running_stages(folder: Path) -> list[Path]:
    """Return the folders of the stages in which a process works."""
    owned = [path.parent for path in sorted(folder.glob(f"*/*/{OWNER}"))]
    return [stage for stage in owned if owner(stage) is not None]


def trainings(folder: Path) -> list[Training]:
    """Return the running trainings, or the one with the newest records if none is running."""
    running = running_stages(folder)
    chosen = [stage for stage in running if stage.parent.name == "train"]
    if not chosen:
        records = sorted(folder.glob("train/*/metrics.jsonl"), key=lambda path: path.stat().st_mtime)
        chosen = [path.parent for path in records[-1:]]
    result = []
    for stage in chosen:
        if (stage / SPEC).exists():
            metrics = read_jsonl(stage / "metrics.jsonl")
            result.append(Training(stage, stage in running, read_json(stage / SPEC), metrics))
    return result


def view(folder: Path) -> Group:
    """Return what is shown: the running stages, curves, and where trackers show more."""
    from corpo.report.trackers import where_to_look

    stages = running_stages(folder)
    names = ", ".join(stage.parent.name.replace("_", " ") for stage in stages) or "nothing"
    finished = len(list(folder.glob(f"*/*/{DONE}")))
    parts: list[Any] = [Text(f"running in {folder}: {names}; {finished} stages are finished", style="bold")]
    for training in trainings(folder):
        parts += [Text(), Text(training.title), curves(training.metrics), Text(str(training.folder), "dim")]
    lines = where_to_look(folder / "tracking")
    if not lines:
        lines = ["More curves: track=tensorboard or track=wandb_offline (docs/how_to/tracking.md)"]
    return Group(*parts, Text(), *map(Text, lines))


def curves(metrics: Sequence[dict[str, Any]]) -> Table:
    """Return a line per metric: its first and its last value, with the curve between them."""
    table = Table.grid(padding=(0, 2))
    for name, label, form in CURVES:
        values = [record[name] for record in metrics if record.get(name) is not None]
        if values:
            table.add_row(f"  {label}", f"{values[0]:{form}}", sparkline(values), f"{values[-1]:{form}}")
    return table


def sparkline(values: Sequence[float], width: int = CURVE_WIDTH) -> str:
    """Draw values as bars from the smallest to the largest. Neighbours are averaged if there are many."""
    count = min(len(values), width)
    means = []
    for index in range(count):
        part = values[index * len(values) // count : (index + 1) * len(values) // count]
        means.append(sum(part) / len(part))
    low, high = min(means), max(means)
    if high == low:
        return BARS[0] * count
    return "".join(BARS[round((mean - low) / (high - low) * (len(BARS) - 1))] for mean in means)
