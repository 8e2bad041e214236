"""The figure of the published table: its intervals, and the problems that each difference requires."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from corpo.analysis.published import OTHERS, REFERENCE, published_rows, reanalysis
from corpo.analysis.splits import TITLES
from corpo.report.figures.style import (
    COLOURS,
    REFERENCE_COLOUR,
    WIDTH,
    figure_style,
    finish_figure,
    markers,
)
from corpo.report.names import label_of


@figure_style()
def published_intervals() -> Figure:
    """Draw Wilson intervals at the implied sizes, and the problems that each difference requires."""
    rows = published_rows()
    marker_of = markers([REFERENCE, *OTHERS])
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.2), sharey=True)
    for shift, name in zip((-0.2, 0.0, 0.2), (REFERENCE, *OTHERS), strict=True):
        positions = np.arange(len(rows)) + shift
        intervals = [row.interval(name) for row in rows]
        low = [100 * interval.low for interval in intervals]
        high = [100 * interval.high for interval in intervals]
        left.hlines(positions, low, high, color=COLOURS[name], linewidth=2)
        left.plot(
            [100 * interval.mean for interval in intervals],
            positions,
            marker_of[name],
            color=COLOURS[name],
            markersize=5,
            label=label_of(name),
        )
    left.set_yticks(range(len(rows)), [f"{TITLES[row.split]}\nn = {row.size}, implied" for row in rows])
    left.invert_yaxis()
    left.set(xlabel="pass@16 (%)", title="Published results with 95% Wilson intervals")
    table = reanalysis()
    for shift, name in zip((-0.1, 0.1), OTHERS, strict=True):
        needed = table[table["baseline"] == name]["problems"].to_numpy()
        finite = np.isfinite(needed)
        right.plot(needed[finite], np.flatnonzero(finite) + shift, marker_of[name], color=COLOURS[name])
    sizes = [row.size for row in rows]
    right.plot(
        sizes,
        range(len(rows)),
        "|",
        color=REFERENCE_COLOUR,
        markersize=14,
        label="implied number of problems",
    )
    right.set(
        xscale="log",
        xlabel="problems per method",
        title="Problems needed to detect the difference\nto GRPO with a power of 80%",
    )
    handles, labels = left.get_legend_handles_labels()
    size_handles, size_labels = right.get_legend_handles_labels()
    figure.legend(handles + size_handles, labels + size_labels, loc="outside lower center", ncols=4)
    return finish_figure(figure)
