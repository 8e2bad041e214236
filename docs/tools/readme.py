"""Put a study's table into the README, between its two markers: `python -m experiments.readme experiment=study`."""

from __future__ import annotations

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.study import results_folder, study_stages
from corpo.utils.files import write_text
from corpo.utils.paths import ROOT

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def run(config: Config) -> None:
    table = results_folder(config) / "table.md"
    if not table.exists():
        raise SystemExit(
            f"corpo: {table} is not there; run python -m experiments.reproduce with the same options first"
        )
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    write_text(readme, f"{before}{BEGIN}\n{table.read_text(encoding='utf-8')}\n{END}{after}")


if __name__ == "__main__":
    app(run, study_stages)
