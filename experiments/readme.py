"""Put a study's table into the README, between its two markers: `python -m experiments.readme experiment=study`."""

from __future__ import annotations

from corpo.config import Config
from corpo.files import write_text
from experiments.app import app
from experiments.invocation import ROOT
from experiments.report import results_folder, study_stages

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def run(config: Config) -> None:
    table = results_folder(config) / "table.md"
    if not table.exists():
        raise SystemExit(f"corpo: {table} is not there; run python -m experiments.reproduce with the same options first")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    write_text(readme, f"{before}{BEGIN}\n{table.read_text(encoding='utf-8')}\n{END}{after}")


if __name__ == "__main__":
    app(run, study_stages)
