"""The page about all results: `results/README.md`, computed from the records of all studies and ablations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

import pandas as pd

from corpo.analysis.ablation import K
from corpo.analysis.claims import HISTORY, STATEMENTS
from corpo.analysis.contrasts import PREDICTIONS
from corpo.report.ablation_page import INTERVALS_NOTE, OVERVIEW, summary
from corpo.report.claims import (
    CLAIMS_NOTE,
    EXPECTED_GRADIENTS,
    NO_SUBJECT_OF_QUESTIONS,
    claims_table,
    reasons_list,
    seeds_table,
)
from corpo.report.render import Rendered
from corpo.report.skill import TITLE
from corpo.utils.markdown import table as markdown_table

RESULTS_PAGE = "README.md"
_THEORY = "[why](../docs/explanation/theory.md#the-expected-gradient)"

# Folders that hold no study. The page lists those that exist.
_OTHER_FOLDERS = {
    "tune_lr": "[learning rates](tune_lr/report.md), chosen on validation problems",
    "mbpp": "[MBPP with mutants](mbpp/data_card.md): the data card of real problems",
    "mbpp_sampled": "[MBPP with sampled candidates](mbpp_sampled/data_card.md): another data card",
    "bench": "speed: [a step](bench/step.md), [packing](bench/packing.md), [TRL](bench/against_trl.md), "
    "[rollout engines](bench/engines.md), [GPU](bench/gpu.md)",
    "robustness": "[hostile programs](robustness/hostile.md), [an attack](robustness/attacks.md), "
    "[malformed input](robustness/malformed.md), [kills](robustness/kills.md), "
    "[difficult surroundings](robustness/environments.md), [a long run](robustness/soak.md), "
    "[labelling](robustness/labelling.md), [the cost of the sandbox](robustness/sandbox_cost.md), "
    "[labels](robustness/labels.md), [the judges of benchmarks](robustness/judges.md)",
}

_INTRODUCTION = """`corpo report --claims` computes this page from the records in this folder. The folder of a
study has `report.md`, its figures, `config.yaml`, `provenance.json` (commits, machine and wall times) and
`records/`. The same command also writes the tables as CSV and TeX files, which are not committed.
"""

# The text about the earlier policy is shown if its study is there.
_AUDITED = "nano_study"
_AUDIT = f"""## The earlier policy

All folders but `study` that hold a study or an ablation, and `tune_lr`, are results of an earlier base policy
with 3 million parameters. The code that made it is gone; `provenance.json` of each folder names the commits.
They stay until they have been repeated with the present policy, which verifies candidates by tracing them.

We audited these results, and they cannot answer claim C5. The earlier policy recognises the templates of the
problems that it was taught. It does not verify programs of families that it has not seen.

- The earlier base policy was run on 14 code families and 10 mathematics families that no training stage had
  used. An AUC of 0.5 is chance. Its scores separate correct from wrong candidates with an AUC of 0.49
  (code, candidate A) and 0.52 (code, candidate B). In mathematics the AUC is 0.51 and 0.52. This
  measurement is not part of the records.
- The evaluated families were part of the warm start, with other constants. If constants are ignored, 95 to
  100% of the evaluated candidates occur in the warm start.
- Training on pairs with exactly one correct candidate teaches the policy to call exactly one candidate
  correct. The tables "Does the policy verify?" below show it: the share of such verdicts rises, their
  accuracy does not, and the scores of candidate B no longer separate correct from wrong candidates.

Out-of-domain accuracy in these studies therefore measures a habit of answering, and C5 has no subject in
them. The claims about advantages (C1 to
C4) and about updates (C6) do not depend on what the policy has learned to verify; they describe these
training runs. The audited study is [{_AUDITED}]({_AUDITED}/report.md).
"""


def results_page(
    studies: Mapping[str, Rendered], ablations: Mapping[str, pd.DataFrame], results: Path
) -> str:
    """Return the page: the folders, the verdicts of all studies, the ablations, and a section per study."""
    parts = [
        "# Results\n",
        _INTRODUCTION,
        _folders(studies, ablations, results),
    ]
    parts += [_claims(studies), _contrasts()]
    if _AUDITED in studies:
        parts.append(_AUDIT)
    if ablations:
        parts.append(_ablations(ablations))
    for name, rendered in studies.items():
        parts.append(_section(name, rendered))
    return "\n".join(parts)


def _folders(studies: Mapping[str, Rendered], ablations: Mapping[str, pd.DataFrame], results: Path) -> str:
    rows = []
    for name, rendered in studies.items():
        seeds = f"{len(rendered.study.baselines)} baselines, seeds {rendered.facts['seeds']}"
        rows.append((f"`{name}`", f"[study](#{name}) of {seeds}; [report]({name}/report.md)"))
    for name in ablations:
        rows.append((f"`{name}`", f"[ablation]({name}/report.md)"))
    for name, content in _OTHER_FOLDERS.items():
        if (results / name).is_dir():
            rows.append((f"`{name}`", content))
    return markdown_table(("folder", "content"), rows) + "\n"


def _contrasts() -> str:
    """Return what the contrasts are to show, and what each outcome would mean."""
    rows = []
    previous = None
    for prediction in PREDICTIONS:
        values = list(astuple(prediction))
        if prediction.experiment == previous:
            values[0] = ""
        previous = prediction.experiment
        rows.append(values)
    columns = ("contrast", "question", "quantity", "effect of interest", "expected", "if reached", "if not")
    return f"""## Predictions for the contrasts

A contrast changes one thing about the study, to tell why its baselines differ or do not. Each has four seeds,
all from the shipped base policy, and so has `baselines`, which has the settings of the study. These
predictions are in `corpo/analysis/contrasts.py`. They were written on 2026-11-28, before any run of a
contrast but those that chose learning rates on validation. They are not claims of the paper, and they get no
verdicts.

{markdown_table(columns, rows)}
"""


def _claims(studies: Mapping[str, Rendered]) -> str:
    verdicts: dict[tuple[str, str], dict[str, str]] = {}
    for name, rendered in studies.items():
        for finding in rendered.findings:
            verdicts.setdefault((finding.claim, finding.quantity), {})[name] = finding.verdict
    rows = []
    for (claim, quantity), by_study in sorted(verdicts.items(), key=lambda item: item[0][0]):
        rows.append((claim, quantity, *(by_study.get(name, "–") for name in studies)))
    statements = "\n".join(f"- **{claim}** {text}" for claim, text in STATEMENTS.items())
    return f"""## The claims of the paper

{statements}

{_claims_note(studies)} What the published table itself can show: `notebooks/05_power.ipynb`.

**What C5 can mean.** {EXPECTED_GRADIENTS.format(link=_THEORY)}

## History of the tests

{HISTORY}

## Verdicts
{markdown_table(("claim", "quantity", *studies), rows)}
"""


def _claims_note(studies: Mapping[str, Rendered]) -> str:
    """Return how the verdicts are reached. If there are studies of questions, add their floor rule."""
    names = [f"`{name}`" for name, rendered in studies.items() if not rendered.study.has_pairs]
    if not names:
        return CLAIMS_NOTE
    return f"{CLAIMS_NOTE} In the studies of questions, {', '.join(names)}: {NO_SUBJECT_OF_QUESTIONS.strip()}"


def _ablations(ablations: Mapping[str, pd.DataFrame]) -> str:
    return f"""## Ablations

Accuracy out of domain compared with GRPO, pass@{K} in points, with {INTERVALS_NOTE}. The intervals are not
corrected for their number.

![All ablations]({OVERVIEW}.png)

{summary(ablations)}
"""


def _section(name: str, rendered: Rendered) -> str:
    facts = rendered.facts
    parts = [
        f"## {name}",
        f"[Report]({name}/report.md): {facts['command']}, seeds {facts['seeds']}, "
        f"commits {facts['commits of the stages']}, {facts['hardware']}.\n",
        f"{claims_table(rendered.findings)}\n",
    ]
    if text := reasons_list(rendered.findings):
        parts.append(f"{text}\n")
    parts.append(f"### Single seeds\n{seeds_table(rendered.findings, rendered.study.seeds)}\n")
    if rendered.skill is not None:
        parts.append(f"### {TITLE}\n{rendered.skill.markdown()}\n")
    return "\n".join(parts)
