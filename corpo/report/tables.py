"""The paper's table beside ours, as Markdown, LaTeX and CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from corpo.analysis.splits import PUBLISHED, TITLES, results_table
from corpo.analysis.study import Study
from corpo.data.pairing.drawing import SMALL_SPLIT, SMALL_SPLIT_MARK
from corpo.evaluate.metrics import summarise
from corpo.evaluate.shortcut_floors import FLOORS
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table


def wide(table: pd.DataFrame, k: int, plain: bool = False, replicates: bool = True) -> pd.DataFrame:
    """Splits down, policies across, for one k: "61.2 [58.0, 64.1]"; then floors.

    Where it `replicates` the paper's table, its names of the splits and, for k = 16, its values.
    """
    mine = table[table["k"] == k]
    policies = list(dict.fromkeys(mine["policy"]))
    rows = []
    for split in dict.fromkeys(mine["split"]):
        cells = mine[mine["split"] == split].set_index("policy")
        mark = f" {SMALL_SPLIT_MARK}" if cells["problems"].iloc[0] < SMALL_SPLIT else ""
        title = TITLES.get(split) if replicates else None
        row: dict[str, object] = {"split": (title or split.replace("_", " ")) + mark}
        for policy in policies:
            cell = cells.loc[policy]
            row[policy] = (
                f"{cell['percent']:.1f}"
                if plain
                else f"{cell['percent']:.1f} [{cell['low']:.1f}, {cell['high']:.1f}]"
            )
        row["coin"] = f"{cells['coin_floor'].iloc[0]:.0f}"
        row["exactly one"] = f"{cells['exactly_one_floor'].iloc[0]:.0f}"
        row |= {name: _whole(cells[f"{name}_floor"].iloc[0]) for name in FLOORS}
        if k == 16 and replicates:
            published = PUBLISHED.get(split)
            row["paper: GRPO / static / CoRPO"] = (
                " / ".join(f"{published[name]:.1f}" for name in ("grpo", "static", "corpo"))
                if published
                else "–"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _whole(percent: float) -> str:
    return "–" if percent != percent else f"{percent:.0f}"


def markdown(frame: pd.DataFrame) -> str:
    return markdown_table(list(frame.columns), frame.to_numpy().tolist())


def _note(table: pd.DataFrame) -> str:
    small = (
        f" {SMALL_SPLIT_MARK}: fewer than {SMALL_SPLIT} problems; the interval says little."
        if (table["problems"] < SMALL_SPLIT).any()
        else ""
    )
    return f"""
Floors, of judges that understand nothing: *coin* flips one for each candidate; *exactly one* calls one of them correct, at random; *length* and *words*
(a regression on token counts) are what style gives away, whatever k.{small}
"""


def write_tables(study: Study, folder: Path, replicates: bool = True) -> pd.DataFrame:
    """`table.csv` (long), `table.md` and `table.tex` (as in the paper), `summary.csv`. Returns the long table."""
    table = results_table(study)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "table.csv", table.round(4).to_csv(index=False))
    summaries = [
        *(("base", seed, rollouts) for seed, rollouts in study.bases.items()),
        *((run.baseline, run.seed, run.rollouts) for run in study.runs),
    ]
    frames = [
        summarise(rollouts, study.ks).assign(policy=policy, seed=seed) for policy, seed, rollouts in summaries
    ]
    write_text(folder / "summary.csv", pd.concat(frames).round(4).to_csv(index=False))
    ks = (min(study.ks), max(study.ks))
    sections = [
        f"**pass@{k}, %** (mean over seeds, 95% interval over problems)\n\n{markdown(wide(table, k, replicates=replicates))}\n"
        for k in ks
    ]
    write_text(folder / "table.md", "\n".join(sections) + _note(table))
    latex = [
        wide(table, k, True, replicates).to_latex(
            index=False, escape=True, caption=f"pass@{k} in percent", label=f"tab:pass{k}"
        )
        for k in ks
    ]
    write_text(folder / "table.tex", "\n".join(latex))
    return table
