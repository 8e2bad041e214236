"""The names of splits and what each split is for."""

from __future__ import annotations

from corpo.task import Kind, Pair

TRAIN, VALIDATION = "train", "validation"
# Pairs of validation problems, of the kinds that are not in the training pairs. They are used for learning
# curves only, and not to select anything.
MONITORED_SPLITS = {
    Kind.both_wrong: f"{VALIDATION}_{Kind.both_wrong}",
    Kind.both_correct: f"{VALIDATION}_{Kind.both_correct}",
}
# Pairs with combinations of operations that no training pair has, of data=pipelines only.
UNSEEN_VALIDATION = f"{VALIDATION}_unseen"
# Pairs of word problems with exactly one correct solution, of data=pipelines only.
MATH_VALIDATION = f"{VALIDATION}_math"
VALIDATION_SPLITS = (VALIDATION, *MONITORED_SPLITS.values(), UNSEEN_VALIDATION, MATH_VALIDATION)
# The six splits of the published table, in its order.
TABLE_SPLITS = (
    "code_first_correct",
    "code_second_correct",
    "code_both_wrong",
    "code_both_correct",
    "math_first_correct",
    "math_second_correct",
)
# Training is on pairs of programs of which exactly one is correct.
IN_DOMAIN, OUT_OF_DOMAIN = TABLE_SPLITS[:2], TABLE_SPLITS[2:]
# New problems of the families that RL trained on. The paper has no such splits.
EXTRA_SPLITS = ("trained_families_first_correct", "trained_families_second_correct")
EVALUATION_SPLITS = TABLE_SPLITS + EXTRA_SPLITS  # of the bank; real sources name their own
SMALL_SPLIT, SMALL_SPLIT_MARK = 30, "†"  # mark splits with fewer problems: their intervals are wide


def is_evaluation(split: str) -> bool:
    """Check that a split is neither for training nor for validation."""
    return split not in (TRAIN, *VALIDATION_SPLITS)


def split_name(prefix: str, pair: Pair) -> str:
    """Return the name of the split that holds the pairs of this kind, such as "code_both_wrong"."""
    return f"{prefix}_{pair.kind}"
