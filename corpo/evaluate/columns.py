"""The columns of an evaluation's table of rollouts, `rollouts.parquet`: one row per rollout."""

from __future__ import annotations

# Name, type and meaning, in the order of the table. The columns of pairs.
ROLLOUT_COLUMNS = (
    ("split", "string", "name of the evaluation split"),
    ("prompt_id", "string", "number of the prompt in the evaluation, from 00000"),
    ("pair_id", "string", "hash of the pair; both orders of a pair have the same"),
    (
        "swapped",
        "bool",
        "whether the text of A sorts after the text of B, which tells the two orders of a pair apart",
    ),
    ("problem_id", "string", "identifier of the problem"),
    ("family", "string", "family of the problem"),
    ("kind", "string", "first_correct, second_correct, both_correct or both_wrong"),
    ("label_a", "bool", "whether candidate A is correct"),
    ("label_b", "bool", "whether candidate B is correct"),
    ("score_a", "float", "score of candidate A in the verdict, 0 to 10; NaN without a verdict"),
    ("score_b", "float", "score of candidate B in the verdict, 0 to 10; NaN without a verdict"),
    ("parsed", "bool", "whether the response has a valid verdict"),
    ("correct", "bool", "whether the verdict is correct"),
    (
        "traced",
        "float",
        "share of the two traces that are right from beginning to end; NaN if pairs have no traces",
    ),
    (
        "follows",
        "float",
        "share of the two traces whose word follows from the trace and whose score is on the side of the "
        "word; NaN if pairs have no traces",
    ),
    ("reward", "float", "reward of the rollout"),
    ("rollout", "int", "number of the rollout in its group, from 0"),
    ("tokens", "int", "length of the completion in tokens"),
    ("response", "string", "text of the completion"),
)

# The columns of questions. A task may have more of its own.
QUESTION_COLUMNS = (
    ("split", "string", "name of the evaluation split"),
    ("prompt_id", "string", "number of the prompt in the evaluation, from 00000"),
    ("problem_id", "string", "identifier of the question"),
    ("family", "string", "kind of the question"),
    ("domain", "string", "subject of the question"),
    ("parsed", "bool", "whether an answer could be read"),
    ("correct", "bool", "whether the reward is R_min_correct or more"),
    ("reward", "float", "reward of the rollout"),
    ("rollout", "int", "number of the rollout in its group, from 0"),
    ("tokens", "int", "length of the completion in tokens"),
    ("response", "string", "text of the completion"),
)
