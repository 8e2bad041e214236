"""Shortcut floors: how far one gets on a split without understanding a program.

Two judges that read no meaning: *length* calls the longer candidate correct and the other one wrong (or the shorter one, whichever
was right on the other problems), *words* is a logistic regression on the counts of a candidate's tokens. Both are cross-validated
over problems, so that neither has seen the problem it judges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from corpo.data.pairing.matching import TOKEN
from corpo.task import Pair

FOLDS = 5
FLOORS = ("length", "words")


def shortcut_floors(pairs: Sequence[tuple[str, Pair]]) -> pd.DataFrame:
    """One row a split: the share of prompts that each judge gets right (pass@k for every k: they do not sample).

    A verdict is right when both of its calls are. nan where a domain has fewer than two problems or only one label.
    """
    rows = [
        (split, p.problem.domain.value, p.problem.id, p.a.text, p.b.text, p.a.correct, p.b.correct)
        for split, p in pairs
    ]
    frame = pd.DataFrame(rows, columns=["split", "domain", "problem", "a", "b", "right_a", "right_b"])
    if frame.empty:
        return pd.DataFrame(columns=["split", "prompts", "problems", *FLOORS])
    judged = [_judged(group) for _, group in frame.groupby("domain", sort=False)]
    both = pd.concat(judged)
    means = both.groupby("split", sort=False)[list(FLOORS)].mean()
    counts = both.groupby("split", sort=False)["problem"].agg(prompts="size", problems="nunique")
    return counts.join(means).reset_index()


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Whether each judge is right about each pair of one domain."""
    groups, folds = frame["problem"].to_numpy(), min(FOLDS, frame["problem"].nunique())
    right = frame[["right_a", "right_b"]].to_numpy()
    called = {name: np.full((len(frame), 2), np.nan) for name in FLOORS}
    if folds > 1 and 0 < right.mean() < 1:
        for learn, judge in GroupKFold(folds).split(frame, groups=groups):
            called["length"][judge] = _by_length(frame.iloc[learn], frame.iloc[judge])
            called["words"][judge] = _by_words(frame.iloc[learn], frame.iloc[judge])
    for name, calls in called.items():
        frame = frame.assign(
            **{name: np.where(np.isnan(calls).any(axis=1), np.nan, (calls == right).all(axis=1))}
        )
    return frame


def _by_length(learn: pd.DataFrame, judge: pd.DataFrame) -> np.ndarray:
    """Calls of the longer-is-correct rule, or of its opposite; of two equally long ones the first is taken."""
    longer = lambda frame: (frame["a"].str.len() >= frame["b"].str.len()).to_numpy()
    mixed = learn[learn["right_a"] != learn["right_b"]]
    flip = len(mixed) > 0 and (longer(mixed) == mixed["right_a"].to_numpy()).mean() < 0.5
    first = longer(judge) != flip
    return np.stack([first, ~first], axis=1).astype(float)


def _by_words(learn: pd.DataFrame, judge: pd.DataFrame) -> np.ndarray:
    known = pd.concat(
        [
            learn[["a", "right_a"]].set_axis(["text", "right"], axis=1),
            learn[["b", "right_b"]].set_axis(["text", "right"], axis=1),
        ]
    )
    known = known.drop_duplicates()
    if known["right"].nunique() < 2:
        return np.full((len(judge), 2), np.nan)
    counts = CountVectorizer(token_pattern=TOKEN.pattern, lowercase=False, min_df=2, max_features=20_000)
    try:
        model = LogisticRegression(class_weight="balanced", max_iter=2000).fit(
            np.log1p(counts.fit_transform(known["text"])), known["right"]
        )
    except ValueError:  # not one token is in two programs
        return np.full((len(judge), 2), np.nan)
    return np.stack([model.predict(np.log1p(counts.transform(judge[side]))) for side in "ab"], axis=1).astype(
        float
    )
