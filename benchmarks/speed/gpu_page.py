"""Write results/bench/gpu.md and gpu.png from the measurements of `benchmarks.speed.gpu`.

The measurements are kept in results/bench/gpu.json, so that the page can be written again without a GPU:
`python -m benchmarks.speed.gpu page`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from corpo.report.figures import NEUTRAL_COLOURS, WIDTH, figure_style, finish_figure, save
from corpo.utils.files import write_text
from corpo.utils.markdown import table

Row = dict[str, Any]
PARTS = ("equality", "steps", "compiled", "decode", "whole")
FOLDER = Path(__file__).parent.parent.parent / "results/bench"
PATH_NAMES = {
    "flex": "packed, FlexAttention",
    "compiled": "packed, FlexAttention, layers compiled",
    "tree": "packed, scores in blocks (the CPU path)",
    "padded": "padded rows, SDPA",
}
# Shades that are neither baselines nor outcomes: the packed paths are purple, and the padded one is grey.
PATH_COLOURS = {"flex": "#8a7fc0", "compiled": "#4b3f8f", "tree": "#c9c4e4", "padded": "#8a8a8a"}


def collect(source: Path, commit: str | None) -> None:
    """Put the files of the parts in `source` into gpu.json. Parts that `source` lacks stay as they are."""
    target = FOLDER / "gpu.json"
    parts = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    for name in PARTS:
        file = source / f"{name}.json"
        if file.exists():
            parts[name] = json.loads(file.read_text(encoding="utf-8"))
            if commit:
                parts[name]["commit"] = commit
    write_text(target, json.dumps(parts, indent=1) + "\n")


def write_page(target: Path = FOLDER) -> Path:
    """Write page and figure from gpu.json in `target`. Returns the path of the page."""
    parts = json.loads((target / "gpu.json").read_text(encoding="utf-8"))
    steps = _rows(parts, "steps") + _rows(parts, "compiled")
    decoding = _rows(parts, "decode")
    any_part = next(iter(parts.values()))
    sections = [
        "# Training and sampling on a GPU",
        _introduction(any_part, _rows(parts, "steps")),
        "![Share of the peak, and time per decoded token](gpu.png)",
        "## Training step",
        STEP_TEXT,
        _step_table(steps),
        "## Decoding",
        DECODE_TEXT,
        _decode_table(decoding),
        "## Whole step",
        WHOLE_TEXT,
        _whole_table(_rows(parts, "whole")),
        "## Do the paths compute the same?",
        EQUALITY_TEXT,
        _equality_table(_rows(parts, "equality")),
        _decoding_equality_table(_rows(parts, "equality")),
        _not_measured(parts),
        "`OUT=FOLDER bash benchmarks/gpu.sh`, then `python -m benchmarks.speed.gpu page --out FOLDER`.",
    ]
    page = target / "gpu.md"
    write_text(page, "\n\n".join(section for section in sections if section) + "\n")
    _figure(steps, decoding, target / "gpu.png")
    return page


STEP_TEXT = """\
Forward and backward pass of one micro-batch in bf16: the median of three after one that warms up (of the
CPU path: one). S prompt tokens, T completion tokens per rollout, P prompts, G rollouts per prompt. A
packed row holds a prompt once and all of its rollouts; padded rows repeat it. MFU is 6 x parameters x
tokens that the path computes, attention not counted, as a share of 989 TFLOP/s (dense bf16, by the
vendor's datasheet). The speed-up is that in time against padded rows for the same completions."""
DECODE_TEXT = """\
Whole `generate` calls of our engine in bf16, prefill included; every rollout has its full length."""
WHOLE_TEXT = """\
Rollouts and update of 32 prompts x 16 rollouts, 96 + 128 tokens, bf16 with float32 master weights.
Earlier: eager decoding and scores in blocks."""
EQUALITY_TEXT = """\
Relative errors, ||x - reference|| / ||reference||, of log-probs and of the gradients of all weights. The
reference has one row per rollout in float64. Two layers, random weights, prompts and rollouts of
different lengths."""


def _rows(parts: dict[str, Any], name: str) -> list[Row]:
    return list(parts.get(name, {}).get("rows", []))


def _introduction(part: dict[str, Any], steps: Sequence[Row]) -> str:
    keys = ("commit", "gpu", "cpu", "cores", "python", "torch", "transformers")
    machine = "; ".join(f"{key} {part[key]}" for key in keys)
    matmul = [row["teraflops"] for row in steps if "teraflops" in row]
    reached = f" A product of two 8,192 x 8,192 matrices runs at {matmul[0]:.0f} TFLOP/s." if matmul else ""
    warning = " **Tiny sizes: these figures mean nothing.**" if part["tiny"] else ""
    return f"Models with random weights. {machine}.{reached}{warning}"


def _step_table(rows: Sequence[Row]) -> str:
    measured = [row for row in rows if "seconds" in row]
    padded = {_shape(row): row["seconds"] for row in measured if row["path"] == "padded"}
    cells = []
    for row in sorted(measured, key=_shape):
        reference = padded.get(_shape(row))
        cells.append(
            (
                row["model"],
                f"{row['S']} + {row['T']:,}",
                f"{row['P']} x {row['G']}",
                PATH_NAMES[row["path"]],
                f"{row['seconds']:.3f}",
                f"{row['completion_tokens_per_second']:,.0f}",
                f"{100 * row['mfu']:.0f}%",
                _number(row["peak_gib"], ".1f"),
                f"{reference / row['seconds']:.2f}" if reference else "",
            )
        )
    header = (
        "model",
        "S + T",
        "P x G",
        "path",
        "seconds",
        "completion tokens/s",
        "MFU",
        "peak memory, GiB",
        "speed-up",
    )
    return table(header, cells)


def _shape(row: Row) -> tuple[str, int, int]:
    return row["model"], row["S"], row["T"]


def _number(value: float | None, style: str) -> str:
    return "" if value is None else format(value, style)


def _decode_table(rows: Sequence[Row]) -> str:
    cells = []
    for fast, slow in _static_and_eager(rows):
        cells.append(
            (
                fast["model"],
                f"{fast['P']} x {fast['G']}",
                f"{fast['S']} + {fast['T']:,}",
                f"{fast['tokens_per_second']:,.0f}",
                f"{slow['tokens_per_second']:,.0f}",
                f"{fast['milliseconds_per_token_step']:.2f}",
                f"{slow['milliseconds_per_token_step']:.2f}",
                f"{slow['seconds'] / fast['seconds']:.1f}",
            )
        )
    header = (
        "model",
        "P x G",
        "S + T",
        "graph, tokens/s",
        "eager, tokens/s",
        "graph, ms per token",
        "eager, ms per token",
        "speed-up",
    )
    return table(header, cells)


def _static_and_eager(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return the measurements of each model and shape with graphs and without."""
    eager = {(*_shape(row), row["P"]): row for row in rows if "seconds" in row and not row["static"]}
    pairs = []
    for row in rows:
        key = (*_shape(row), row["P"])
        if "seconds" in row and row["static"] and key in eager:
            pairs.append((row, eager[key]))
    return pairs


def _whole_table(rows: Sequence[Row]) -> str:
    cells = []
    for row in rows:
        if "update_seconds" in row:
            seconds = (row["rollouts_seconds"], row["update_seconds"], row["optimizer_seconds"])
            total = row["rollouts_seconds"] + row["update_seconds"]
            name = "new" if row["new"] else "earlier"
            cells.append((row["model"], name, *(f"{value:.3f}" for value in seconds), f"{total:.3f}"))
    header = ("model", "paths", "rollouts, s", "update, s", "of it the optimizer, s", "together, s")
    return table(header, cells)


def _equality_table(rows: Sequence[Row]) -> str:
    cells = []
    for row in rows:
        for path in ("flex", "tree", "separate rows"):
            if path in row:
                errors = (f"{row[path]['logprobs']:.1e}", f"{row[path]['gradient']:.1e}")
                cells.append((row["heads"], row["dtype"], PATH_NAMES.get(path, path), *errors))
    return table(("heads", "dtype", "path", "error of log-probs", "error of gradients"), cells)


def _decoding_equality_table(rows: Sequence[Row]) -> str:
    cells = []
    for row in rows:
        if "same_tokens" in row:
            share, gap = f"{100 * row['same_tokens']:.1f}%", f"{row['largest_gap']:.1e}"
            cells.append((row["heads"], row["dtype"], share, gap))
    header = (
        "heads",
        "dtype",
        "tokens that graph and eager loop both sample",
        "largest distance of log-probs, nats",
    )
    return table(header, cells)


def _not_measured(parts: dict[str, Any]) -> str:
    """Return a list of what failed or was skipped, with the reason."""
    lines = []
    for name in parts:
        for row in _rows(parts, name):
            reason = row.get("error") or row.get("skipped")
            if reason:
                what = ", ".join(f"{key} {value}" for key, value in row.items() if key in _NAMING)
                lines.append(f"- {name}: {what}: {reason}")
    return "## Not measured\n\n" + "\n".join(lines) if lines else ""


_NAMING = ("model", "path", "S", "T", "P", "G", "static", "new", "heads", "dtype")


@figure_style()
def _figure(steps: Sequence[Row], decoding: Sequence[Row], path: Path) -> None:
    """Draw the MFU of each path by shape, one panel per model, and the time per decoded token."""
    measured = [row for row in steps if "mfu" in row]
    models = list(dict.fromkeys(row["model"] for row in measured))
    num_rows = math.ceil((len(models) + 1) / 2)
    figure, grid = plt.subplots(num_rows, 2, figsize=(WIDTH, 3.1 * num_rows))
    axes = list(grid.flat)
    entries: dict[str, Any] = {}
    for axis, model in zip(axes, models, strict=False):
        _draw_mfu(axis, [row for row in measured if row["model"] == model])
        axis.set_title(f"Training step, {model}")
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2)
    _draw_decoding(axes[len(models)], _static_and_eager(decoding))
    for axis in axes[len(models) + 1 :]:
        axis.set_axis_off()
    save(finish_figure(figure), path)


def _draw_mfu(axis: Any, rows: Sequence[Row]) -> None:
    shapes = list(dict.fromkeys((row["S"], row["T"]) for row in rows))
    measured_paths = {row["path"] for row in rows}
    paths = [path for path in PATH_COLOURS if path in measured_paths]
    width = 0.8 / len(paths)
    for number, path in enumerate(paths):
        values = {(row["S"], row["T"]): 100 * row["mfu"] for row in rows if row["path"] == path}
        places = [position + (number - (len(paths) - 1) / 2) * width for position in range(len(shapes))]
        heights = [values.get(shape, 0.0) for shape in shapes]
        axis.bar(places, heights, width, color=PATH_COLOURS[path], edgecolor="white", label=PATH_NAMES[path])
    axis.set_xticks(range(len(shapes)), [f"{prompt} + {completion:,}" for prompt, completion in shapes])
    axis.set_xlabel("prompt + completion tokens")
    axis.set_ylabel("MFU (% of 989 TFLOP/s)")


def _draw_decoding(axis: Any, pairs: Sequence[tuple[Row, Row]]) -> None:
    names = [f"{fast['model']}\n{fast['S']} + {fast['T']}" for fast, _ in pairs]
    for number, (label, colour) in enumerate(
        (("CUDA graph", NEUTRAL_COLOURS[0]), ("eager", NEUTRAL_COLOURS[2]))
    ):
        heights = [pair[number]["milliseconds_per_token_step"] for pair in pairs]
        places = [position + (number - 0.5) * 0.4 for position in range(len(pairs))]
        axis.bar(places, heights, 0.4, color=colour, label=label)
    axis.set_xticks(range(len(pairs)), names)
    axis.set_ylabel("milliseconds per token")
    axis.set_title("Decoding")
    axis.legend()
