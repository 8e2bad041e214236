"""Shortcut floors: the accuracy on a split of two classifiers that do not understand programs.

*length* calls either the longer or the shorter candidate correct, whichever is right more often on the
other problems, and the other candidate wrong. *words* is a logistic regression on the token counts of a
candidate. Both are cross-validated over problems, so that no problem is classified by a classifier that was
fitted on it.
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
    """Return one row per split with the share of prompts that each classifier gets right.

    A verdict is right if both of its calls are. The share is also pass@k for every k, because the classifiers
    do not sample. It is NaN if a domain has fewer than two problems or only one label.
    """
    rows = []
    for split, pair in pairs:
        texts_and_labels = (pair.a.text, pair.b.text, pair.a.correct, pair.b.correct)
        rows.append((split, pair.problem.domain.value, pair.problem.id, *texts_and_labels))
    frame = pd.DataFrame(rows, columns=["split", "domain", "problem", "a", "b", "right_a", "right_b"])
    if frame.empty:
        return pd.DataFrame(columns=["split", "prompts", "problems", *FLOORS])
    classified = [_classify(domain) for _, domain in frame.groupby("domain", sort=False)]
    by_split = pd.concat(classified).groupby("split", sort=False)
    counts = by_split["problem"].agg(prompts="size", problems="nunique")
    return counts.join(by_split[list(FLOORS)].mean()).reset_index()


def _classify(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a column per classifier that says whether it is right about each pair of one domain."""
    problems = frame["problem"].to_numpy()
    num_folds = min(FOLDS, frame["problem"].nunique())
    labels_N2 = frame[["right_a", "right_b"]].to_numpy()
    calls_N2 = {name: np.full((len(frame), 2), np.nan) for name in FLOORS}
    if num_folds > 1 and 0 < labels_N2.mean() < 1:
        for train, test in GroupKFold(num_folds).split(frame, groups=problems):
            calls_N2["length"][test] = _by_length(frame.iloc[train], frame.iloc[test])
            calls_N2["words"][test] = _by_words(frame.iloc[train], frame.iloc[test])
    columns = {}
    for name, calls in calls_N2.items():
        columns[name] = np.where(np.isnan(calls).any(axis=1), np.nan, (calls == labels_N2).all(axis=1))
    return frame.assign(**columns)


def _by_length(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return the calls (N, 2) of the rule that the longer candidate is correct, or of the opposite rule.

    If both candidates are equally long, the first counts as the longer one.
    """
    mixed = train[train["right_a"] != train["right_b"]]
    is_opposite = len(mixed) > 0 and (_is_first_longer(mixed) == mixed["right_a"].to_numpy()).mean() < 0.5
    first_N = _is_first_longer(test) != is_opposite
    return np.stack([first_N, ~first_N], axis=1).astype(float)


def _is_first_longer(frame: pd.DataFrame) -> np.ndarray:
    is_longer_N: np.ndarray = (frame["a"].str.len() >= frame["b"].str.len()).to_numpy()
    return is_longer_N


def _by_words(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return the calls (N, 2) of a logistic regression on token counts; NaN if it cannot be fitted."""
    sides = [train[[side, f"right_{side}"]].set_axis(["text", "right"], axis=1) for side in ("a", "b")]
    candidates = pd.concat(sides).drop_duplicates()
    unknown = np.full((len(test), 2), np.nan)
    if candidates["right"].nunique() < 2:
        return unknown
    counts = CountVectorizer(token_pattern=TOKEN.pattern, lowercase=False, min_df=2, max_features=20_000)
    try:
        features = np.log1p(counts.fit_transform(candidates["text"]))
    except ValueError:  # no token is in two programs
        return unknown
    model = LogisticRegression(class_weight="balanced", max_iter=2000).fit(features, candidates["right"])
    calls = [model.predict(np.log1p(counts.transform(test[side]))) for side in ("a", "b")]
    return np.stack(calls, axis=1).astype(float)
