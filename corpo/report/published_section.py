"""The section of a report on the published table, as Markdown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from corpo.analysis.published import by_size, reanalysis
from corpo.utils.markdown import table as markdown_table


def section() -> str:
    """Return the section on the published table as Markdown."""
    table = reanalysis()
    rows = [_cells(row) for _, row in table.iterrows()]
    columns = ("split", "size", "GRPO", "other", "points", "p", "power", "problems for 80%")
    needed = table["problems"][np.isfinite(table["problems"])]
    return f"""{markdown_table(columns, rows)}

The counts of pass@16 are those at the smallest split sizes that the printed percentages allow. The p values
are of two-sided Fisher tests and are not corrected for {len(table)} comparisons. The power is that of a z
test at 5% for a difference as large as the printed one; Fisher's test has less. At these sizes no difference
to GRPO is significant (smallest p: {table["p"].min():.2f}). A power of 80% requires {int(needed.min()):,} to
{int(needed.max()):,} problems per split and method. The paper does not give the sizes. At larger possible
sizes (up to 400) single differences, in both directions, would pass 5% without correction:
{_significant_sizes() or "none"}."""


def _cells(row: pd.Series) -> tuple[object, ...]:
    return (
        row["split"],
        row["size"],
        row["GRPO"],
        f"{row['baseline']} {row['count']}",
        f"{row['points']:+.1f}",
        f"{row['p']:.2f}",
        f"{row['power']:.0%}",
        f"{row['problems']:,.0f}" if math.isfinite(row["problems"]) else "–",
    )


def _significant_sizes() -> str:
    """Return the smallest size at which each difference would be significant, as text."""
    sizes = by_size()
    significant = sizes[sizes["p"] < 0.05].sort_values("size").drop_duplicates(["split", "baseline"])
    texts = []
    for row in significant.to_dict("records"):
        texts.append(f"{row['baseline']} on {row['split']} from {row['size']} problems")
    return ", ".join(texts)
