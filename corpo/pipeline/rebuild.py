"""Rebuild every table, figure and page of a folder of results from the records in it.

Nothing is trained or sampled.
"""

from __future__ import annotations

from pathlib import Path

from corpo.analysis.study import STUDY, VARIANTS
from corpo.utils.errors import DataError
from corpo.utils.files import write_text
from corpo.utils.progress import progress


def rebuild_results(results: Path) -> Path:
    """Rebuild each study and ablation in `results`, then the page with all verdicts.

    Return the path of that page.

    Raises DataError if there is no finished study, or if records are missing or damaged.
    """
    from corpo.report.ablation_page import write_ablation, write_overview
    from corpo.report.render import render_results
    from corpo.report.results_page import RESULTS_PAGE, results_page

    folders = sorted(path.parent.parent for path in results.glob(f"*/{STUDY}"))
    if not folders:
        raise DataError(f"{results}: no finished study in it; run `corpo reproduce` first")
    studies, ablations = {}, {}
    with progress("results", len(folders)) as advance:
        for folder in folders:
            studies[folder.name] = render_results(folder)
            advance(note=folder.name)
        for path in sorted(results.glob(f"*/{VARIANTS}")):
            folder = path.parent.parent
            ablations[folder.name] = write_ablation(folder)
    if ablations:
        write_overview(ablations, results)
    page = results / RESULTS_PAGE
    write_text(page, results_page(studies, ablations, results))
    return page
