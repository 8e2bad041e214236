"""The texts of a report that depend on the task: how tables are to be read, and the titles of sections."""

from __future__ import annotations

from dataclasses import dataclass

from corpo.analysis.runs import EARLY
from corpo.analysis.study import Study
from corpo.report.claims import CLAIMS_NOTE, CLAIMS_NOTE_OF_QUESTIONS


@dataclass(frozen=True)
class Notes:
    """The texts about a kind of items."""

    item: str  # what an item is called
    claims: str
    intervals: str
    runs: str
    validation: str
    summary_title: str
    summary: str
    failures_title: str
    failures: str


def _note_on_runs(splits: str) -> str:
    """Return the note on single runs, which have accuracy on these splits."""
    return f"""All values are percentages, except ratios and KL (nats per rollout at the end of training, on
validation prompts). `passed`, `failures rewarded` and columns named `first` cover the rollouts of the first
{EARLY} steps; columns named `last` cover the last {EARLY} steps; `at most` is the maximum over all steps. A
rewarded failure is a failed rollout with a positive advantage. N and S: numbers and sums of positive and
negative advantages. Rollouts are counted over these steps before they are divided. The last columns are
pass@1 on the {splits}. If a study has several warm starts, the seed of a
base is the number of its warm start; a run starts from the warm start with its seed modulo their number."""


_PAIRS = Notes(
    item="pair",
    claims=CLAIMS_NOTE,
    intervals="""Each pair is evaluated in both orders. Intervals resample problems with all their pairs.
They cover new problems of the same kind, but not other kinds of problems.""",
    runs=_note_on_runs("evaluation splits, averaged over both orders"),
    validation="""Each cell has the first and the last measurement during training. The first validation
is that of the policy before training. All values are measured on validation problems, not on those of the
evaluation splits. They are percentages, except AUC. The columns up to `both wrong` are pass@1; the
columns `pass@1`, `unseen` and `math` cover pairs with exactly one correct candidate. `unseen`: combinations
of operations that training does not use; the other columns cover seen combinations. AUC: the probability that
a correct candidate gets a higher score than a wrong one. Equal labels: both candidates are correct, or both
are wrong. `exactly one`: share of verdicts that call exactly one candidate correct, on
pairs of two correct or two wrong candidates. `traced`: share of traces without a mistake. Metrics that were
not measured have no column.""",
    summary_title="Accuracy, calibration and consistency",
    summary="""Means over seeds; `summary.csv` has the values of each seed. ECE uses 10 equal-width bins of
score / 10. `exactly_one`: share of verdicts that call exactly one candidate correct. `swap_consistency`:
share of pairs with the same majority verdict in both orders.""",
    failures_title="Failures of training by verdict",
    failures="""All values but the number of failures are percentages of all failed rollouts of the same \
steps, means over seeds. The first four percentages divide all failures by the verdict that they gave. The \
last five are failures with a positive advantage: all of them, and by verdict. A swapped verdict calls \
exactly one candidate correct, but not the right one. A response without a valid verdict is unparseable.""",
)
_QUESTIONS = Notes(
    item="question",
    claims=CLAIMS_NOTE_OF_QUESTIONS,
    intervals="""Intervals resample questions. They cover new questions of the same kind, but not other kinds
of questions.""",
    runs=_note_on_runs("splits in and out of domain"),
    validation="""Each cell has the first and the last measurement during training. The first validation
is that of the policy before training. All values are pass@1 in percent on validation questions, which are
not those of the evaluation splits. The column `pass@1` covers the main validation split, and the other
columns cover the further ones.""",
    summary_title="Responses without an answer",
    summary="""Shares of responses from which no answer could be read: means over seeds. `summary.csv` has the
values of each seed.""",
    failures_title="Failures of training by kind",
    failures="""All values but the number of failures are percentages of all failed rollouts of the same
steps, means over seeds. The columns before `rewarded` divide all failures by their kind. The other columns
are failures with a positive advantage: all of them, and by kind.""",
)


def notes_of(study: Study) -> Notes:
    """Return the texts that fit the task of a study."""
    return _PAIRS if study.has_pairs else _QUESTIONS
