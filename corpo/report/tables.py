"""Write the results table in the layout of the CoRPO paper, as Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from corpo.analysis.runs import EARLY, FAILED_COLUMNS, REWARDED_COLUMNS, mean_failures
from corpo.analysis.splits import PUBLISHED, TITLES, results_table
from corpo.analysis.study import Study
from corpo.analysis.summary import summary_table
from corpo.data.pairing.splits import SMALL_SPLIT, SMALL_SPLIT_MARK
from corpo.evaluate.shortcut_floors import FLOORS
from corpo.tasks.verify import FAILURES
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

PAPER_K = 16  # the paper publishes pass@16 only
GUESS, GUESS_ONE = "random guess", "random, one correct"
FLOOR_COLUMNS = (GUESS, GUESS_ONE, *FLOORS)
FLOORS_NOTE = (
    "The last columns are floors, which need no understanding. Random guess: an independent guess for each "
    "candidate. Random, one correct: a random choice of one correct candidate. Length and words: "
    "classifiers that see the lengths or the token counts only; they do not sample, so their accuracy is "
    "the same for every k. At k = 16 a random guess reaches 99%, so pass@16 has to be read together with "
    "pass@1."
)

FAILURES_NOTE = (
    "All values but the number of failures are percentages of all failed rollouts of the same steps, means "
    "over seeds. The first four percentages divide all failures by the verdict that they gave. The last "
    "five are failures with a positive advantage: all of them, and by verdict. A swapped verdict calls "
    "exactly one candidate correct, but not the right one. A response without a valid verdict is "
    "unparseable."
)


def wide_table(
    table: pd.DataFrame, k: int, with_intervals: bool = True, has_paper_splits: bool = True
) -> pd.DataFrame:
    """Return the results at one k with a row per split and a column per policy, followed by the floors.

    A cell reads "61.2 [58.0, 64.1]", or "61.2" without intervals. With `has_paper_splits` rows are named
    as in the paper, and its values are added at k = 16.
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
        row[GUESS] = f"{first['coin_floor']:.0f}"
        row[GUESS_ONE] = f"{first['exactly_one_floor']:.0f}"
        for name in FLOORS:
            row[name] = _whole(first[f"{name}_floor"])
        if k == PAPER_K and has_paper_splits:
            row["paper: GRPO / static / CoRPO"] = _published(split)
        rows.append(row)
    return pd.DataFrame(rows)


def failures_table(study: Study) -> pd.DataFrame:
    """Return the failures of training by verdict with a row per baseline and end of training, in percent.

    The table is empty if failures were not counted by verdict.
    """
    rows = []
    for means in mean_failures(study).to_dict("records"):
        row = {
            "baseline": means["policy"],
            "steps": f"{means['end']} {EARLY}",
            "failures per run": f"{means['failures']:.0f}",
        }
        for column, verdict in zip(FAILED_COLUMNS, FAILURES, strict=True):
            row[verdict.replace("_", " ")] = _share(means[column])
        row["rewarded"] = _share(means["rewarded"])
        for column in REWARDED_COLUMNS:
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
    write_text(folder / "table.md", "\n".join(markdown) + f"\n{FLOORS_NOTE}{_small_split_note(table)}\n")
    write_text(folder / "table.tex", "\n".join(latex))
    return table


def _small_split_note(table: pd.DataFrame) -> str:
    if not (table["problems"] < SMALL_SPLIT).any():
        return ""
    return f"\n{SMALL_SPLIT_MARK}: fewer than {SMALL_SPLIT} problems, so the interval is unreliable."
