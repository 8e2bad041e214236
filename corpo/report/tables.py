"""Write the results table in the layout of the CoRPO paper, as Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from corpo.analysis.runs import EARLY, failed_columns, mean_failures, rewarded_columns
from corpo.analysis.splits import PUBLISHED, TITLES, results_table
from corpo.analysis.study import Study
from corpo.analysis.summary import summary_table
from corpo.data.pairing.splits import SMALL_SPLIT, SMALL_SPLIT_MARK
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

PAPER_K = 16  # the paper publishes pass@16 only
_FLOOR = "_floor"  # how the names of the columns with floors end in the long table
_FLOOR_TITLES = {"coin": "random guess", "exactly_one": "random, one correct"}
_FLOORS_OF_PAIRS = (
    "The last columns are floors, which need no understanding. Random guess: an independent guess for each "
    "candidate. Random, one correct: a random choice of one correct candidate. Length and words: "
    "classifiers that see the lengths or the token counts only; they do not sample, so their accuracy is "
    "the same for every k. At k = 16 a random guess reaches 99%, so pass@16 has to be read together with "
    "pass@1."
)

_FLOORS_OF_QUESTIONS = (
    "The last columns are floors: the accuracy of answers that need no understanding. They do not sample, so "
    "their accuracy is the same for every k."
)


def floors_note(table: pd.DataFrame) -> str:
    """Return the explanation of the floors in the long table; empty if there are none."""
    if not _floor_columns(table):
        return ""
    return _FLOORS_OF_PAIRS if "pairs" in table else _FLOORS_OF_QUESTIONS


def floor_titles(table: pd.DataFrame) -> list[str]:
    """Return the titles of the columns with floors in `wide_table`."""
    return list(_floor_columns(table).values())


def _floor_columns(table: pd.DataFrame) -> dict[str, str]:
    """Return the columns of the long table with floors, and their titles."""
    names = [column.removesuffix(_FLOOR) for column in map(str, table) if column.endswith(_FLOOR)]
    return {f"{name}{_FLOOR}": _FLOOR_TITLES.get(name, name) for name in names}


def wide_table(
    table: pd.DataFrame, k: int, with_intervals: bool = True, has_paper_splits: bool = True
) -> pd.DataFrame:
    """Return the results at one k with a row per split and a column per policy, followed by the floors.

    A cell reads "61.2 [58.0, 64.1]", or "61.2" without intervals. With `has_paper_splits` rows are named
    as in the paper, and its values are added to a table of pairs at k = 16.
    """
    at_k = table[table["k"] == k]
    rows = []
    for split in dict.fromkeys(at_k["split"]):
        cells = at_k[at_k["split"] == split].set_index("policy")
        first = cells.iloc[0]
        title = TITLES.get(split) if has_paper_splits else None
        mark = f" {SMALL_SPLIT_MARK}" if first["problems"] < SMALL_SPLIT else ""
        row = {"split": (title or split.replace("_", " ")) + mark}
        for policy in dict.fromkeys(at_k["policy"]):
            row[policy] = _cell(cells.loc[policy], with_intervals)
        for column, floor_title in _floor_columns(table).items():
            row[floor_title] = _whole(first[column])
        if k == PAPER_K and has_paper_splits and "published" in table:
            row["paper: GRPO / static / CoRPO"] = _published(split)
        rows.append(row)
    return pd.DataFrame(rows)


def failures_table(study: Study) -> pd.DataFrame:
    """Return the failures of training by kind with a row per baseline and end of training, in percent.

    The table is empty if failures were not counted by kind.
    """
    rows = []
    for means in mean_failures(study).to_dict("records"):
        row = {
            "baseline": means["policy"],
            "steps": f"{means['end']} {EARLY}",
            "failures per run": f"{means['failures']:.0f}",
        }
        for column, kind in zip(failed_columns(study), study.failures, strict=True):
            row[kind.replace("_", " ")] = _share(means[column])
        row["rewarded"] = _share(means["rewarded"])
        for column in rewarded_columns(study):
            row[column.replace("_", ", ", 1).replace("_", " ")] = _share(means[column])
        rows.append(row)
    return pd.DataFrame(rows)


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _cell(cell: pd.Series, with_intervals: bool) -> str:
    interval = f" [{cell['low']:.1f}, {cell['high']:.1f}]" if with_intervals else ""
    return f"{cell['percent']:.1f}{interval}"


def _published(split: str) -> str:
    values = PUBLISHED.get(split)
    if values is None:
        return "–"
    return " / ".join(f"{values[name]:.1f}" for name in ("grpo", "static", "corpo"))


def _whole(percent: float) -> str:
    return "–" if percent != percent else f"{percent:.0f}"


def write_tables(study: Study, folder: Path, has_paper_splits: bool = True) -> pd.DataFrame:
    """Write `table.csv`, `table.md`, `table.tex` and `summary.csv`, and return the long table of `table.csv`.

    `has_paper_splits` says whether the splits are those of the paper; see `wide_table`.
    """
    table = results_table(study)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "table.csv", table.round(4).to_csv(index=False))
    write_text(folder / "summary.csv", summary_table(study).round(4).to_csv(index=False))
    markdown, latex = [], []
    for k in (min(study.ks), max(study.ks)):
        wide = wide_table(table, k, has_paper_splits=has_paper_splits)
        rows = markdown_table(list(wide.columns), wide.to_numpy().tolist())
        markdown.append(f"**pass@{k} (%)**: mean over seeds, 95% interval over problems\n\n{rows}\n")
        plain = wide_table(table, k, with_intervals=False, has_paper_splits=has_paper_splits)
        caption, label = f"pass@{k} in percent", f"tab:pass{k}"
        latex.append(plain.to_latex(index=False, escape=True, caption=caption, label=label))
    notes = f"{floors_note(table)}{_small_split_note(table)}"
    write_text(folder / "table.md", "\n".join(markdown) + f"\n{notes}\n")
    write_text(folder / "table.tex", "\n".join(latex))
    return table


def _small_split_note(table: pd.DataFrame) -> str:
    if not (table["problems"] < SMALL_SPLIT).any():
        return ""
    return f"\n{SMALL_SPLIT_MARK}: fewer than {SMALL_SPLIT} problems, so the interval is unreliable."
