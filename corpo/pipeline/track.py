"""Mirror a finished study into a tracker, whether its runs were tracked or not: `python -m experiments.track experiment=study track=wandb_offline`."""

from __future__ import annotations

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.models import outputs
from corpo.pipeline.study import require, study_runs, study_stages, write_results
from corpo.pipeline.train import trackers_of, train_stage
from corpo.utils.files import read_jsonl


def run(config: Config) -> None:
    if not config.track.trackers:
        raise SystemExit(
            "corpo: track.trackers is empty; choose track=tensorboard, track=wandb or track=wandb_offline"
        )
    require(study_stages(config))
    for one in study_runs(config):
        stage = train_stage(one)
        trackers = trackers_of(one, f"{one.baseline.name}-seed{one.seed}", stage.key)
        for record in read_jsonl(stage.folder / "metrics.jsonl"):
            trackers.step(record)
        trackers.close()
    write_results(config, study_runs(config))
    print(f"tracked in {outputs(config) / 'tracking'}")


if __name__ == "__main__":
    app(run, study_stages)
