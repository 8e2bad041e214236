"""The figure of the published table: its intervals, and the problems that each difference would take."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from corpo.analysis.published import OTHERS, REFERENCE, published_rows, reanalysis
from corpo.analysis.splits import TITLES
from corpo.report.figures import COLOURS, NAMES, figure_style, finish_figure


@figure_style()
def published_intervals() -> Figure:
    """The published table with Wilson intervals at the implied sizes; and how many problems each difference would take."""
    rows = published_rows()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.8), sharey=True)
    for offset, name in zip((-0.2, 0.0, 0.2), (REFERENCE, *OTHERS), strict=True):
        for at, row in enumerate(rows):
            interval = row.interval(name)
            left.plot(
                [100 * interval.low, 100 * interval.high],
                [at + offset] * 2,
                color=COLOURS[name],
                linewidth=2,
                label=NAMES[name] if at == 0 else None,
            )
            left.plot(
                100 * interval.mean,
                at + offset,
                "o",
                color=COLOURS[name],
                markersize=4,
                markeredgecolor="white",
            )
    left.set_yticks(range(len(rows)), [f"{TITLES[row.split]}\nn = {row.size}, implied" for row in rows])
    left.invert_yaxis()
    left.set(xlabel="pass@16, %", title="published, with 95% Wilson intervals")
    left.legend(loc="lower left")
    table = reanalysis()
    for offset, name in zip((-0.1, 0.1), OTHERS, strict=True):
        needed = table[table["baseline"] == name]["problems"].to_numpy()
        finite = np.isfinite(needed)
        right.plot(
            needed[finite],
            np.flatnonzero(finite) + offset,
            "o",
            color=COLOURS[name],
            label=f"{NAMES[name]} against GRPO",
        )
    right.plot(
        [row.size for row in rows],
        range(len(rows)),
        "|",
        color="#333333",
        markersize=14,
        label="implied size",
    )
    right.set(
        xscale="log", xlabel="problems a method for 80% power", title="what would settle each difference"
    )
    right.legend(fontsize=8)
    return finish_figure(figure)
