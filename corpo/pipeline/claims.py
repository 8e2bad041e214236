"""What all studies and ablations say to the paper's claims, and every table and figure of theirs again: `python -m experiments.claims` (minutes).

From what lies in `results/*/records` alone: nothing is trained or sampled.
"""

from __future__ import annotations

import sys
from pathlib import Path

from corpo.analysis.study import STUDY, VARIANTS
from corpo.utils.errors import DataError
from corpo.utils.files import write_text
from corpo.utils.paths import ROOT
from corpo.utils.progress import progress


def main() -> None:
    if len(sys.argv) > 2 or any(argument.startswith("-") for argument in sys.argv[1:]):
        sys.exit("corpo: claims takes nothing, or a folder that holds results folders")
    results = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "results"
    folders = sorted(path.parent.parent for path in results.glob(f"*/{STUDY}"))
    if not folders:
        sys.exit(f"corpo: {results}: no finished study in it; run python -m experiments.reproduce first")
    from corpo.report.ablation_page import write_ablation, write_overview
    from corpo.report.render import claims_page, render_results

    studies, ablations = {}, {}
    with progress("claims", len(folders)) as advance:
        try:
            for folder in folders:
                studies[folder.name] = render_results(folder)
                advance(note=folder.name)
            for path in sorted(results.glob(f"*/{VARIANTS}")):
                ablations[path.parent.parent.name] = write_ablation(path.parent.parent)
        except DataError as error:
            print(f"corpo: {error}", file=sys.stderr)
            sys.exit(2)
    if ablations:
        write_overview(ablations, results)
    write_text(results / "claims.md", claims_page(studies, ablations))
    print(results / "claims.md")


if __name__ == "__main__":
    main()
