"""The notebooks run on a tiny study, and are stored with outputs that hold no noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT

jupytext = pytest.importorskip("jupytext", reason="for the notebooks: pip install -e .[notebooks]")
nbclient = pytest.importorskip("nbclient", reason="for the notebooks: pip install -e .[notebooks]")
nbformat = pytest.importorskip("nbformat", reason="for the notebooks: pip install -e .[notebooks]")

from docs.tools.notebooks import strip_noise  # noqa: E402  (after the checks for its libraries)

SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
# What the test of a notebook replaces, because its training takes longer than all other notebooks.
SHORTENED = {"07_trl": ("num_steps=8", "num_steps=2")}


def test_folder_has_seven_notebooks() -> None:
    assert [path.stem[:2] for path in SOURCES] == ["01", "02", "03", "04", "05", "06", "07"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_both_forms_are_equal_and_the_stored_one_has_outputs(source: Path) -> None:
    text, paired = jupytext.read(source), nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [(c.cell_type, c.source) for c in paired.cells] == [(c.cell_type, c.source) for c in text.cells], (
        f"run: python -m docs.tools.notebooks {source.stem}"
    )
    stored = source.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert "image/png" in stored
    assert "Traceback" not in stored
    for folder in ("/home/", "/root/", "/tmp/", str(ROOT)):
        assert folder not in stored, "an output names a folder of one machine"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_stored_notebook_holds_no_noise(source: Path) -> None:
    path = source.with_suffix(".ipynb")
    stored = nbformat.read(path, as_version=4)
    assert strip_noise(nbformat.read(path, as_version=4)) == stored


def test_noise_is_what_changes_from_run_to_run() -> None:
    table = {"text/html": "<style>#T_1a2b3 td {}</style>", "text/plain": "<Styler at 0x7f>"}
    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
        nbformat.v4.new_output("stream", name="stdout", text="a result"),
        nbformat.v4.new_output("display_data", data={"text/html": '<pre style="white-space:pre;">50%</pre>'}),
        nbformat.v4.new_output("execute_result", data=table, execution_count=7),
    ]
    cell = nbformat.v4.new_code_cell("table", outputs=outputs, execution_count=7)
    notebook = strip_noise(nbformat.v4.new_notebook(cells=[cell]))
    printed, styled_table = notebook.cells[0].outputs
    assert printed.text == "a result"
    assert styled_table.data == {"text/html": "<style>#T_style td {}</style>"}
    assert styled_table.execution_count is None


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_every_figure(
    source: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORPO_STUDY", str(results))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    if source.stem in SHORTENED:
        _replace(notebook, *SHORTENED[source.stem])
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


def _replace(notebook: Any, long: str, short: str) -> None:
    [cell] = [cell for cell in notebook.cells if cell.cell_type == "code" and long in cell.source]
    cell.source = cell.source.replace(long, short)
