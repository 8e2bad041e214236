"""Write the pairs for other trainers: `python -m experiments.export data=full model.style=instruct`."""

from __future__ import annotations

from corpo.config import Config
from experiments.app import app
from experiments.pipeline import data_stage, split_pairs


def run(config: Config) -> None:
    from corpo.data.export import conversation_rows
    from corpo.data.pairs import EVALUATION_SPLITS, TRAIN, VALIDATION
    from corpo.data.store import write_rows

    pairs = split_pairs(config)
    folder = data_stage(config).folder / f"conversations-{config.model.style}"
    for name, splits in (("train", (TRAIN,)), ("validation", (VALIDATION,)), ("evaluation", EVALUATION_SPLITS)):
        path = folder / f"{name}.parquet"
        write_rows(path, conversation_rows([(split, pair) for split, pair in pairs if split in splits], config.model.style))
        print(f"{name}: {path}")


if __name__ == "__main__":
    app(run, lambda config: [data_stage(config)])
