"""The section of a report on the published table, as Markdown."""

from __future__ import annotations

import math

import numpy as np

from corpo.analysis.published import by_size, reanalysis
from corpo.utils.markdown import table as markdown_table


def section() -> str:
    """The report's section on the published table, as Markdown."""
    table, sizes = reanalysis(), by_size()
    needed = table["problems"][np.isfinite(table["problems"])]
    first = sizes[sizes["p"] < 0.05].sort_values("size")
    larger = ", ".join(
        f"{row['baseline']} on {row['split']} from {row['size']} problems"
        for row in first.drop_duplicates(["split", "baseline"]).to_dict("records")
    )
    shown = table.assign(problems=table["problems"].map(lambda n: f"{n:,.0f}" if math.isfinite(n) else "–"))
    rows = [
        (
            row["split"],
            row["size"],
            row["GRPO"],
            f"{row['baseline']} {row['count']}",
            f"{row['points']:+.1f}",
            f"{row['p']:.2f}",
            f"{row['power']:.0%}",
            row["problems"],
        )
        for row in shown.to_dict("records")
    ]
    columns = ("split", "size", "GRPO", "against it", "points", "p", "power", "problems for 80%")
    return f"""{markdown_table(columns, rows)}

Counts of pass@16 at the smallest split sizes that the printed percentages allow; two-sided Fisher tests, not corrected for {len(table)} comparisons; power of a
z test at 5% (Fisher's has less) to find a difference as large as the printed one. At these sizes no difference to GRPO is significant
(least p: {table["p"].min():.2f}); four times in five they would be found with {int(needed.min()):,} to {int(needed.max()):,} problems a split and method. The
sizes are not published. At larger possible ones (up to 400) single differences, of either sign, would pass 5%, uncorrected: {larger or "none"}."""
