"""Write the pairs for others: `python -m experiments.export data=full model.style=instruct`.

For verl and TRL as conversations; for the hub as a folder with a card, which `corpo push` puts there.
"""

from __future__ import annotations

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.data import CARD, data_stage, split_pairs
from experiments.data import stages


def run(config: Config) -> None:
    from corpo.data.build_sources import licences
    from corpo.data.export import conversation_rows, write_hub_folder
    from corpo.data.pairing.splits import TRAIN, VALIDATION, is_evaluation
    from corpo.data.store import write_rows

    pairs = split_pairs(config)
    folder = data_stage(config).folder
    for name in (TRAIN, VALIDATION, "evaluation"):
        mine = [
            (split, pair)
            for split, pair in pairs
            if (split == name if name != "evaluation" else is_evaluation(split))
        ]
        if mine:
            path = folder / f"conversations-{config.model.style}/{name}.parquet"
            write_rows(path, conversation_rows(mine, config.model.style))
            print(f"{name}: {path}")
    write_hub_folder(
        folder / "hub",
        pairs,
        (folder / CARD).read_text(encoding="utf-8"),
        list(licences(config.data).values()) or ["MIT"],
    )
    print(f"hub: {folder / 'hub'}")


if __name__ == "__main__":
    app(run, stages)
