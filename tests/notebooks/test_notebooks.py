"""The notebooks run on a tiny study, and their two forms are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT

jupytext = pytest.importorskip("jupytext", reason="for the notebooks: pip install -e .[notebooks]")
nbclient = pytest.importorskip("nbclient", reason="for the notebooks: pip install -e .[notebooks]")
nbformat = pytest.importorskip("nbformat", reason="for the notebooks: pip install -e .[notebooks]")

SOURCES = sorted((ROOT / "notebooks").glob("*.py"))


def test_folder_has_six_notebooks() -> None:
    assert [path.stem[:2] for path in SOURCES] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_both_forms_are_equal_and_have_no_outputs(source: Path) -> None:
    text, paired = jupytext.read(source), nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [(c.cell_type, c.source) for c in paired.cells] == [(c.cell_type, c.source) for c in text.cells], (
        f"run: jupytext --sync {source}"
    )
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in paired.cells)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_every_figure(
    source: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORPO_STUDY", str(results))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(source.parent)}}
    ).execute()
    outputs: list[dict[str, Any]] = []
    for cell in notebook.cells:
        outputs += cell.get("outputs", [])
    figures = sum("image/png" in output.get("data", {}) for output in outputs)
    drawn = source.read_text().count("plt.subplots(")
    assert figures >= drawn >= 1, "every figure is shown"
    assert not [
        output.text for output in outputs if output.get("name") == "stderr" and "Warning" in output.text
    ]
