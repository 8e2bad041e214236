"""Colours, labels and layout that all figures share.

Colours are those of Okabe and Ito (2008) and of Tol's muted scheme, which people with a colour-vision
deficiency can tell apart. Baselines also differ in marker and in line style. A figure is at most `WIDTH`
inches wide, so that its text stays legible in a column of 900 pixels.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from corpo.analysis.study import Study
from corpo.utils.files import write_atomically

# A notebook sets its own backend. Switching it later than at import would reset `figure_style`.
plt.switch_backend(os.environ.get("MPLBACKEND", "Agg"))

WIDTH = 9.0
NAMES = {
    "base": "base",
    "grpo": "GRPO",
    "static": "static",
    "corpo": "CoRPO",
    "corpo_loo": "CoRPO-LOO",
    "rloo": "RLOO",
    "reinforce_plus_plus_baseline": "REINFORCE++",
    "opo": "OPO",
    "quantile": "QAE",
    "ngrpo": "NGRPO",
    "maxrl": "MaxRL",
    "positive_only": "positive only",
    "negative_only": "negative only",
    "weighted": "weighted",
    "pass_at_k": "pass@k",
}
COLOURS = {"grpo": "#d55e00", "static": "#0072b2", "corpo": "#009e73", "base": "#7f7f7f"}
CORRECT, WRONG = "#5ab4ac", "#8c510a"  # candidates and rollouts
REFERENCE_COLOUR = "#333333"  # lines such as zero, parity and the expected value of a random guess
# With more baselines, bands would hide lines and names would not fit into a panel.
MAX_BASELINES_WITH_BANDS = 6
_MARKERS = {"grpo": "o", "static": "s", "corpo": "^", "base": "D"}
_OTHER_COLOURS = (
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#1a1a1a",
    "#882255",
    "#999933",
    "#332288",
    "#117733",
    "#ddcc77",
    "#44aa99",
    "#aa4466",
)
_OTHER_MARKERS = ("v", "P", "X", "p", "h")
_OWN_LINE_STYLES = {"grpo": "-", "static": "--", "corpo": "-.", "base": "-"}  # curves often coincide
_LINE_STYLES = ("-", "--", "-.")
_STYLE: Any = {
    "figure.dpi": 130,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "axes.titlelocation": "left",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the common style, as a context manager or a decorator."""
    with plt.rc_context(_STYLE):
        yield


def finish_figure(figure: Figure) -> Figure:
    """Arrange the panels and close the figure, so that pyplot does not show it a second time."""
    figure.set_layout_engine("constrained", w_pad=0.09, h_pad=0.06)
    plt.close(figure)
    return figure


@figure_style()  # matplotlib places ticks and panels only when it saves
def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG with a palette of 256 colours, which makes the file a third as large.

    The file has no metadata, so that equal figures have equal bytes.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    image = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    write_atomically(path, lambda partial: image.save(partial, format="PNG", optimize=True))


def label_of(name: str) -> str:
    """Return the name of a baseline as figures print it."""
    return NAMES.get(name, name)


def colour(study: Study, name: str) -> str:
    """Return the colour of a baseline, or of "base", which is the same in every figure of a study."""
    return colours(study.baselines)[name]


def colours(baselines: Sequence[str]) -> dict[str, str]:
    """Return a colour for each baseline and for "base"."""
    colour_of = dict(COLOURS)
    for index, name in enumerate(_others(baselines)):
        colour_of[name] = _OTHER_COLOURS[index % len(_OTHER_COLOURS)]
    return colour_of


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
        style_of[name] = _LINE_STYLES[index // 4 % len(_LINE_STYLES)]
    return style_of


def _others(baselines: Sequence[str]) -> list[str]:
    return [name for name in baselines if name not in COLOURS]


def legend(figure: Figure, panel: Axes, **options: Any) -> None:
    """Draw the legend of one panel below all panels; with many baselines, to the right of them."""
    handles, labels = panel.get_legend_handles_labels()
    if len(labels) <= MAX_BASELINES_WITH_BANDS:
        figure.legend(handles, labels, loc="outside lower center", **{"ncols": len(labels), **options})
    else:
        figure.legend(handles, labels, loc="outside right upper")


def reference_line(axes: Axes, *, x: float | None = None, y: float | None = None, label: str = "") -> None:
    """Draw a thin dotted line at `x` or at `y`, with a legend entry if it has a label."""
    look: Any = {"color": REFERENCE_COLOUR, "linewidth": 0.9, "linestyle": ":", "label": label or None}
    if x is not None:
        axes.axvline(x, **look)
    if y is not None:
        axes.axhline(y, **look)
