"""Measure shortcut floors: the accuracy on a split of classifiers that do not understand programs.

*length* calls either the longer or the shorter candidate correct, whichever is right more often on the
other problems, and the other candidate wrong. *words* is a logistic regression on the token counts of a
candidate, and *word pairs* calls the candidate correct that it finds more probable, and the other one wrong.
A tie counts a half. They are cross-validated over problems, so that no problem is classified by a classifier
that was fitted on it. *memory* knows the labels of the training candidates, without their constants.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from corpo.data.pairing.matching import TOKEN
from corpo.data.pipelines.taught import without_constants
from corpo.task import Candidate, Pair

FOLDS = 5
FLOORS = ("length", "words")
WORD_PAIRS = "word pairs"


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
        return pd.DataFrame(columns=["split", "prompts", "problems", *FLOORS, WORD_PAIRS])
    classified = [_classify(domain) for _, domain in frame.groupby("domain", sort=False)]
    by_split = pd.concat(classified).groupby("split", sort=False)
    counts = by_split["problem"].agg(prompts="size", problems="nunique")
    return counts.join(by_split[[*FLOORS, WORD_PAIRS]].mean()).reset_index()


def _classify(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a column per classifier with the probability that it is right about each pair of one domain."""
    problems = frame["problem"].to_numpy()
    num_folds = min(FOLDS, frame["problem"].nunique())
    labels_N2 = frame[["right_a", "right_b"]].to_numpy()
    columns = {name: np.full(len(frame), np.nan) for name in (*FLOORS, WORD_PAIRS)}
    if num_folds > 1 and 0 < labels_N2.mean() < 1:
        for train, test in GroupKFold(num_folds).split(frame, groups=problems):
            labels = labels_N2[test]
            columns["length"][test] = _right_about_pairs(
                _by_length(frame.iloc[train], frame.iloc[test]), labels
            )
            probability_N2 = _by_words(frame.iloc[train], frame.iloc[test])
            is_unknown_N = np.isnan(probability_N2).any(axis=1)
            is_right_N = ((probability_N2 > 0.5) == labels).all(axis=1)
            columns["words"][test] = np.where(is_unknown_N, np.nan, is_right_N)
            preference_N = probability_N2[:, 0] - probability_N2[:, 1]
            columns[WORD_PAIRS][test] = _right_about_pairs(preference_N, labels)
    return frame.assign(**columns)


def _right_about_pairs(preference_N: np.ndarray, labels_N2: np.ndarray) -> np.ndarray:
    """Return the probability that a rule is right which calls exactly one candidate correct.

    It calls A correct if the preference is positive, B if it is negative, and either if it is 0.
    """
    difference_N = labels_N2[:, 0].astype(float) - labels_N2[:, 1].astype(float)
    is_right_N = np.where(difference_N == 0, 0.0, 0.5 + 0.5 * np.sign(preference_N) * difference_N)
    right_N: np.ndarray = np.where(np.isnan(preference_N), np.nan, is_right_N)
    return right_N


def _by_length(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return the preference (N,) for the longer candidate, or for the shorter one if that is better."""
    difference_N = train["right_a"].astype(float) - train["right_b"].astype(float)
    agreement = float((_length_order(train) * difference_N.to_numpy()).sum())
    return _length_order(test) * (-1.0 if agreement < 0 else 1.0)


def _length_order(frame: pd.DataFrame) -> np.ndarray:
    """Return 1 where the first candidate is longer, -1 where it is shorter, 0 where both are equally long."""
    order_N: np.ndarray = np.sign((frame["a"].str.len() - frame["b"].str.len()).to_numpy()).astype(float)
    return order_N


def memory_floor(pairs: Sequence[tuple[str, Pair]], train_split: str) -> dict[str, float]:
    """Return by split how often the labels of training candidates are right about both candidates of a pair.

    Candidates are compared without their constants. A candidate that is not in training is guessed. There is
    no floor without training pairs.
    """
    labels: dict[str, list[bool]] = {}
    for split, pair in pairs:
        if split == train_split:
            for candidate in (pair.a, pair.b):
                labels.setdefault(without_constants(candidate.text), []).append(candidate.correct)
    shares: dict[str, list[float]] = {}
    for split, pair in pairs:
        if split != train_split and labels:
            probabilities = [_remembered(candidate, labels) for candidate in (pair.a, pair.b)]
            shares.setdefault(split, []).append(probabilities[0] * probabilities[1])
    return {split: sum(values) / len(values) for split, values in shares.items()}


def _remembered(candidate: Candidate, labels: dict[str, list[bool]]) -> float:
    """Return the probability that the majority of labels of a candidate's template is right about it."""
    known = labels.get(without_constants(candidate.text), [])
    num_same = sum(label is candidate.correct for label in known)
    return 0.5 + 0.5 * float(np.sign(2 * num_same - len(known)))


def _by_words(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return the probabilities (N, 2) of a logistic regression on token counts; NaN if it cannot be fit."""
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
    features_by_side = [np.log1p(counts.transform(test[side])) for side in ("a", "b")]
    probabilities = [model.predict_proba(features)[:, 1] for features in features_by_side]
    return np.stack(probabilities, axis=1)
