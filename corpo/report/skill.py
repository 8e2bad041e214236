"""The section "Does the policy verify?": what policies can do, and what they do out of habit."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from corpo.analysis.study import Study
from corpo.analysis.verification import COLUMNS, INTERVALS, can_be_measured, skill_table
from corpo.utils.markdown import table as markdown_table

TITLE = "Does the policy verify?"
_ABILITY = {
    "auc_a": "AUC of A",
    "auc_b": "AUC of B",
    "auc_mean": "AUC of mean scores",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "traced": "traced",
    "follows": "follows",
}
_HABIT = {
    "exactly_one_homogeneous": "exactly one, homogeneous pairs",
    "accuracy_given_one": "right given exactly one",
    "auc_a_mixed": "AUC of A, mixed pairs",
    "auc_b_mixed": "AUC of B, mixed pairs",
    "auc_a_homogeneous": "AUC of A, homogeneous pairs",
    "auc_b_homogeneous": "AUC of B, homogeneous pairs",
    "effect_of_b": "effect of B's label",
    "pass@1_mixed": "pass@1, mixed pairs",
    "pass@1_both_correct": "pass@1, both correct",
    "pass@1_both_wrong": "pass@1, both wrong",
}
_INTRODUCTION = (
    "A policy that verifies gives correct candidates higher scores than wrong ones. Accuracy alone cannot "
    "show this. A policy that always calls exactly one candidate correct is right about many mixed pairs, "
    "which have exactly one correct candidate. It is never right about homogeneous pairs, whose candidates "
    "are both correct or both wrong. The first table shows what the policy can do, and the second what it "
    "does out of habit."
)
_INTERVALS = (
    "Values are means over seeds. Brackets are 95% intervals of a bootstrap over problems; they do not cover "
    "other seeds. All columns are in skill.csv."
)
_FLOORS = (
    "Floors do not verify. The policy memory gives a candidate the share of correct ones among the "
    "taught candidates with the same text and the same words of the problem, without constants. The policy "
    "no trace is the base with an empty think block. The policy exactly one calls one candidate correct at "
    "random."
)


@dataclass(frozen=True)
class SkillSection:
    """The contents of the section, which Markdown and the web page have in common."""

    introduction: str
    tables: tuple[pd.DataFrame, pd.DataFrame]  # what policies can do, and what they do out of habit
    note: str
    columns: list[tuple[str, str]]  # heading and meaning of each column

    def markdown(self) -> str:
        """Return the section without its title."""
        tables = []
        for table in self.tables:
            tables.append(markdown_table(list(table.columns), table.to_numpy().tolist()))
        columns = "\n".join(f"- *{heading}*: {meaning}" for heading, meaning in self.columns)
        return "\n\n".join([self.introduction, *tables, self.note, columns])


def skill_section(study: Study) -> SkillSection | None:
    """Return the section, or None if the records of the study have no scores."""
    if not can_be_measured(study):
        return None
    skill = skill_table(study)
    return SkillSection(
        introduction=_INTRODUCTION,
        tables=(_as_text(skill, _ABILITY), _as_text(skill, _HABIT)),
        note=f"{_INTERVALS} {_FLOORS}" if study.floors else _INTERVALS,
        columns=[(heading, f"{COLUMNS[column]}.") for column, heading in (_ABILITY | _HABIT).items()],
    )


def _as_text(skill: pd.DataFrame, headings: Mapping[str, str]) -> pd.DataFrame:
    rows = []
    for row in skill.to_dict("records"):
        cells = {"part": row["part"], "policy": row["policy"]}
        cells |= {heading: _cell(row, column) for column, heading in headings.items()}
        rows.append(cells)
    return pd.DataFrame(rows)


def _cell(row: Mapping[Hashable, Any], column: str) -> str:
    value = row[column]
    if math.isnan(value):
        return "–"
    if column not in INTERVALS or math.isnan(row[f"{column}_low"]):
        return f"{value:.2f}"
    return f"{value:.2f} [{row[f'{column}_low']:.2f}, {row[f'{column}_high']:.2f}]"
