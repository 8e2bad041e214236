"""Every baseline at every variant, judged on validation alone, with the same budget for each: `python -m experiments.tune`.

`results/<name>/` gets the scores and the choice for each baseline. No evaluation split is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from corpo.analysis.study import CONFIG, PROVENANCE
from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.stage import Stage, distinct
from corpo.pipeline.study import dump, records_of, results_folder, study_runs
from corpo.pipeline.train import start_stages, train_policy, train_stage
from corpo.pipeline.variants import variants
from corpo.utils.files import read_jsonl, write_json, write_text
from corpo.utils.markdown import table
from corpo.utils.paths import command

LAST = 3  # validations whose mean is a run's score: one alone is noisy
SCORE = "validation/pass@1"


def runs(config: Config) -> list[tuple[str, Config]]:
    """Each run with its variant's name."""
    return [(name, one) for name, variant in variants(config).items() for one in study_runs(variant)]


def stages(config: Config) -> list[Stage]:
    return distinct(stage for _, one in runs(config) for stage in (*start_stages(one), train_stage(one)))


def scores(config: Config) -> pd.DataFrame:
    """One row a run: variant, baseline, seed, score."""
    rows = []
    for name, one in runs(config):
        measured = [
            record[SCORE]
            for record in read_jsonl(train_stage(one).folder / "metrics.jsonl")
            if SCORE in record
        ]
        rows.append(
            {
                "baseline": one.baseline.name,
                "variant": name,
                "seed": one.seed,
                "score": sum(measured[-LAST:]) / len(measured[-LAST:]),
            }
        )
    return pd.DataFrame(rows)


def chosen(found: pd.DataFrame) -> dict[str, str]:
    """The variant of each baseline with the best mean over seeds; the first of equals."""
    means = found.groupby(["baseline", "variant"], sort=False)["score"].mean()
    return {str(baseline): str(means[baseline].idxmax()) for baseline in dict.fromkeys(found["baseline"])}


def page(config: Config, found: pd.DataFrame, best: Mapping[str, str]) -> str:
    names = list(config.study.variants)
    rows = []
    for baseline, mine in found.groupby("baseline", sort=False):
        cells = []
        for name in names:
            scores = mine[mine["variant"] == name]["score"]
            text = f"{100 * scores.mean():.1f} ({', '.join(f'{100 * score:.1f}' for score in scores)})"
            cells.append(f"**{text}**" if best[str(baseline)] == name else text)
        rows.append((baseline, *cells))
    return f"""# {config.name}

{SCORE} in percent, the mean of the last {LAST} validations: mean over seeds, and each seed's. In bold what each baseline takes. Same runs for every
baseline; the validation families are neither trained nor evaluated on.

{table(("baseline", *names), rows)}

Command: `{command("corpo.pipeline.tune")}`. Stages, commits, machine and wall times: `{PROVENANCE}`.
"""


def run(config: Config) -> None:
    for _, one in runs(config):
        train_policy(one)
    folder, found = results_folder(config), scores(config)
    best = chosen(found)
    write_text(folder / "scores.csv", found.round(4).to_csv(index=False))
    write_text(folder / "report.md", page(config, found, best))
    write_text(folder / CONFIG, dump(config))
    write_json(folder / "chosen.json", best)
    records = {
        f"{name}: {title}": record
        for name, one in runs(config)
        for title, record in records_of([train_stage(one)]).items()
    }
    write_json(folder / PROVENANCE, records)
    print("\n".join(f"{baseline}: {name}" for baseline, name in best.items()), folder / "report.md", sep="\n")


if __name__ == "__main__":
    app(run, stages)
