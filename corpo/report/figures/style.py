"""Colours, labels and layout that all figures share.

The colours of the paper's baselines differ in lightness and along the axis from blue to yellow, so that
people with deuteranopia or protanopia can tell them apart; `docs/tools/palette.py` measures how far. Other
baselines are grey and have their names at the ends of their lines. Failed and correct rollouts have hues of
their own. A figure is at most `WIDTH` inches wide, so that its text stays legible if a page shows it 838
pixels wide.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image
from scipy.optimize import isotonic_regression

from corpo.analysis.claims import EFFECT_OUT_OF_DOMAIN
from corpo.analysis.study import Study
from corpo.report.names import label_of
from corpo.report.svg import with_data
from corpo.utils.files import write_atomically

# A notebook sets its own backend. Switching it later than at import would reset `figure_style`.
plt.switch_backend(os.environ.get("MPLBACKEND", "Agg"))

WIDTH = 9.0
FORMATS = ("png", "svg", "pdf")  # pages of results show PNG; git ignores the other two in `results/`
COLOURS = {"grpo": "#b85c00", "static": "#0077bb", "corpo": "#5e1657", "base": "#707070"}
OTHER_COLOUR = "#ababab"  # baselines that are not in the paper
CORRECT, WRONG = "#45a89d", "#a3123a"  # candidates and rollouts
UNREWARDED = "#f6d9e0"  # failed rollouts without a positive advantage
# The verdicts of failed rollouts, which are failures of one hue that differ in lightness.
VERDICT_COLOURS = {
    "both_wrong": "#6e0a28",
    "both_correct": "#b8395e",
    "swapped": "#e68ba3",
    "unparseable": "#efefef",
}
NEUTRAL_COLOURS = ("#333333", "#8a8a8a", "#c4c4c4")  # series that are neither baselines nor outcomes
# A page with a dark ground shows these colours instead of those above.
DARK_COLOURS = {
    COLOURS["grpo"]: "#f0a040",
    COLOURS["static"]: "#3b8ed8",
    COLOURS["corpo"]: "#f5c6ec",
    COLOURS["base"]: "#949494",
    OTHER_COLOUR: "#5c5c5c",
    CORRECT: "#7fd4c8",
    WRONG: "#f0506e",
    UNREWARDED: "#6b3441",
    VERDICT_COLOURS["both_wrong"]: "#ffbccb",
    VERDICT_COLOURS["both_correct"]: "#e0708b",
    VERDICT_COLOURS["swapped"]: "#a04a60",
    VERDICT_COLOURS["unparseable"]: "#33363b",
}
REFERENCE_COLOUR = "#333333"  # lines such as zero, parity and the expected value of a random guess
# Differences of accuracy that are smaller than this, in percentage points, lie in a grey band.
INTEREST = 100 * EFFECT_OUT_OF_DOMAIN
BAND: dict[str, Any] = {"color": REFERENCE_COLOUR, "alpha": 0.08, "linewidth": 0}
GRID_COLOUR = "#e6e6e6"
# Rewards from -1 to 1: darker is higher, and the hue changes between failures and successes.
REWARD_MAP = LinearSegmentedColormap.from_list(
    "reward", [(0.0, "#faeaee"), (0.4999, "#d2738d"), (0.5, "#5fb5ab"), (1.0, "#0b4f4a")]
)
# Differences: positive is better. Both halves get darker from the middle.
DIFFERENCE_MAP = LinearSegmentedColormap.from_list("difference", ["#c4476b", "#ffffff", "#3fa79c"])
# With more baselines, bands would hide lines, and differences from GRPO have no panels of their own.
MAX_BASELINES_WITH_BANDS = 6
LABEL_SIZE = 9.5  # of names at the ends of lines and of notes inside panels
_END_LABEL = "end label"
_MARKERS = {"grpo": "o", "static": "s", "corpo": "^", "base": "D"}
_OTHER_MARKERS = ("v", "P", "X", "p", "h")
_OWN_LINE_STYLES = {"grpo": "-", "static": "--", "corpo": "-.", "base": "-"}  # curves often coincide
_LINE_STYLES = ("-", "--", "-.", ":")
_STYLE: Any = {
    "figure.dpi": 130,
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": REFERENCE_COLOUR,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "axes.edgecolor": REFERENCE_COLOUR,
    "axes.labelcolor": REFERENCE_COLOUR,
    "xtick.color": REFERENCE_COLOUR,
    "ytick.color": REFERENCE_COLOUR,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.title_fontsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID_COLOUR,
    "grid.linewidth": 0.7,
    "axes.titlelocation": "left",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "corpo",  # ids in SVG files would be random otherwise
}
_CANVASES: dict[str, type[FigureCanvasBase]] = {
    "png": FigureCanvasAgg,
    "svg": FigureCanvasSVG,
    "pdf": FigureCanvasPdf,
}
# Without dates and versions, equal figures have equal bytes.
_METADATA: dict[str, Any] = {
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the common style, as a context manager or a decorator."""
    with plt.rc_context(_STYLE):
        yield


def finish_figure(figure: Figure) -> Figure:
    """Arrange the panels and the names of lines, and close the figure, so that pyplot does not show it again.

    The arrangement is kept, so that saving in several formats does not repeat it.
    """
    figure.set_layout_engine("constrained", w_pad=0.09, h_pad=0.06)
    figure.draw_without_rendering()
    for axes in figure.axes:
        _spread_end_labels(axes)
    figure.set_layout_engine("none")
    plt.close(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix of `path`: PNG, SVG or PDF. Equal figures have equal bytes.

    A PNG has a palette of 256 colours, which makes the file a third as large. An SVG keeps text as text, and
    its metadata have the data of the figure, for the tooltips of a page.
    """
    image_format = path.suffix.removeprefix(".")
    content = _printed(figure, image_format)
    if image_format == "svg":
        content = with_data(content.decode(), figure).encode()
    if image_format != "png":
        write_atomically(path, lambda partial: partial.write_bytes(content))
        return
    image = Image.open(io.BytesIO(content)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    write_atomically(path, lambda partial: image.save(partial, format="PNG", optimize=True))


def _printed(figure: Figure, image_format: str) -> bytes:
    """Return a figure in a format.

    `Figure.savefig` gives the same bytes, but it draws the figure twice, in case an arrangement has to be
    computed. `finish_figure` has done this.
    """
    buffer = io.BytesIO()
    canvas, dpi = figure.canvas, figure.dpi
    print_figure = getattr(_CANVASES[image_format](figure), f"print_{image_format}")
    with figure_style():  # matplotlib places ticks only when it saves
        print_figure(buffer, metadata=_METADATA.get(image_format))
    figure.set_canvas(canvas)
    figure.dpi = dpi  # SVG and PDF have set it to 72
    return buffer.getvalue()


def save_in_all_formats(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as PNG, SVG and PDF into a folder."""
    for image_format in FORMATS:
        save(figure, folder / f"{name}.{image_format}")


def colour(study: Study, name: str) -> str:
    """Return the colour of a baseline, or of "base", which is the same in every figure of a study."""
    return colours(study.baselines)[name]


def colours(baselines: Sequence[str]) -> dict[str, str]:
    """Return a colour for each baseline and for "base". Baselines that are not in the paper are grey."""
    return {**dict.fromkeys(baselines, OTHER_COLOUR), **COLOURS}


def failure_colours(failures: Sequence[str]) -> dict[str, str]:
    """Return a colour for each kind of failure.

    Kinds of other tasks than the paper's take the colours of the verdicts in turn.
    """
    others = [kind for kind in failures if kind not in VERDICT_COLOURS]
    return {**VERDICT_COLOURS, **dict(zip(others, cycle(VERDICT_COLOURS.values()), strict=False))}


def text_colour(name: str) -> str:
    """Return the colour of a baseline's name, which is dark enough to read on white."""
    return COLOURS.get(name, COLOURS["base"])


def layer(name: str) -> float:
    """Return the drawing order of a baseline: the paper's baselines lie on those that are grey."""
    return 2.5 if name in COLOURS else 2.0


def markers(baselines: Sequence[str]) -> dict[str, str]:
    """Return a marker for each baseline and for "base"."""
    marker_of = dict(_MARKERS)
    for index, name in enumerate(_others(baselines)):
        marker_of[name] = _OTHER_MARKERS[index % len(_OTHER_MARKERS)]
    return marker_of


def line_styles(baselines: Sequence[str]) -> dict[str, str]:
    """Return a line style for each baseline and for "base"."""
    style_of = dict(_OWN_LINE_STYLES)
    for index, name in enumerate(_others(baselines)):
        style_of[name] = _LINE_STYLES[index % len(_LINE_STYLES)]
    return style_of


def _others(baselines: Sequence[str]) -> list[str]:
    return [name for name in baselines if name not in COLOURS]


def name_omitted(axes: Axes, reason: str, policies: Sequence[str]) -> None:
    """Name the policies that a panel cannot show, and why, in its lower left corner."""
    if policies:
        names = ", ".join(label_of(policy) for policy in policies)
        axes.annotate(f"{reason}: {names}", (0.02, 0.03), xycoords="axes fraction", fontsize=LABEL_SIZE)


def label_end(axes: Axes, name: str, x: float, y: float) -> None:
    """Write the name of a baseline beside the end of its line; `finish_figure` moves names apart."""
    shade = text_colour(name)
    axes.annotate(
        label_of(name),
        (x, y),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        fontsize=LABEL_SIZE,
        color=shade,
        annotation_clip=False,
        arrowprops={
            "arrowstyle": "-",
            "color": shade,
            "linewidth": 0.6,
            "shrinkA": 1,
            "shrinkB": 2,
            "relpos": (0, 0.5),
        },
        gid=_END_LABEL,
    )


def remove_end_labels(axes: Axes) -> None:
    """Remove the names at the ends of lines from a panel."""
    for label in _end_labels(axes):
        label.remove()


def _end_labels(axes: Axes) -> list[Annotation]:
    return [text for text in axes.texts if isinstance(text, Annotation) and text.get_gid() == _END_LABEL]


def _spread_end_labels(axes: Axes) -> None:
    """Move the names at the ends of lines apart, as little as possible, within the height of the panel."""
    labels = _end_labels(axes)
    if not labels:
        return
    places = np.array([axes.transData.transform(label.xy)[1] for label in labels])
    height = 1.02 * max(Text.get_window_extent(label).height for label in labels)
    order = np.argsort(places, kind="stable")
    steps = height * np.arange(len(labels))
    box = axes.get_window_extent()
    lowest, highest = box.y0 + height / 2, box.y1 - height / 2 - steps[-1]
    # Places minus steps may not decrease, so that neighbours are at least one height apart.
    bases = isotonic_regression(places[order] - steps).x
    spread = np.clip(bases, min(lowest, highest), max(lowest, highest)) + steps
    for index, place in zip(order, spread, strict=True):
        points = (place - places[index]) * 72 / axes.figure.dpi
        labels[index].xyann = (9, points)


def legend(figure: Figure, panel: Axes, **options: Any) -> None:
    """Draw the legend of one panel below all panels, in several rows if it has many entries."""
    handles, labels = panel.get_legend_handles_labels()
    columns = min(len(labels), MAX_BASELINES_WITH_BANDS)
    figure.legend(handles, labels, loc="outside lower center", **{"ncols": columns, **options})


def reference_line(axes: Axes, *, x: float | None = None, y: float | None = None, label: str = "") -> None:
    """Draw a thin dotted line at `x`, with a legend entry, or at `y`, with a label on the line.

    Without a label there is neither.
    """
    look: Any = {"color": REFERENCE_COLOUR, "linewidth": 0.9, "linestyle": ":"}
    if x is not None:
        axes.axvline(x, **look, label=label or None)
    if y is not None:
        axes.axhline(y, **look)
        if label:
            _note_on_line(axes, y, label)


def _note_on_line(axes: Axes, y: float, label: str) -> None:
    axes.annotate(
        label,
        (0, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(3, 2),
        textcoords="offset points",
        va="bottom",
        fontsize=LABEL_SIZE,
        color=REFERENCE_COLOUR,
    )
