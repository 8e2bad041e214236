"""Run the notebooks and store them with their outputs: `python -m docs.tools.notebooks [NAME ...]`.

A notebook is edited as `notebooks/NAME.py`. This tool writes `notebooks/NAME.ipynb`. The outputs show the
study in `results/study`, unless CORPO_STUDY names another folder. Texts that change from run to run although
the results are the same are removed, so that a diff shows changes of the results only.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from io import BytesIO
from pathlib import Path

import jupytext
import nbclient
import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
# pandas gives each styled table a random name.
_STYLE_NAME = re.compile(r"\bT_[0-9a-f]{5}")


def execute(source: Path) -> nbformat.NotebookNode:
    """Return the notebook of a source with its outputs. Raises an error of nbclient if a cell fails."""
    notebook = jupytext.read(source)
    resources = {"metadata": {"path": str(source.parent)}}
    nbclient.NotebookClient(notebook, timeout=1200, resources=resources).execute()
    return strip_noise(notebook)


def strip_noise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove counts, times, warnings and random names from a notebook, in place, and return it."""
    notebook.metadata.pop("language_info", None)  # the version of Python
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        cell.outputs = [output for output in cell.outputs if not _is_noise(output)]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = None
            _strip_data(output.get("data", {}))
    return notebook


def _is_noise(output: nbformat.NotebookNode) -> bool:
    """Return whether an output is a warning or a progress bar, which rich draws as preformatted text."""
    html = output.get("data", {}).get("text/html", "")
    return output.get("name") == "stderr" or html.startswith('<pre style="white-space:pre')


def _strip_data(data: dict[str, str]) -> None:
    if "image/png" in data or "text/html" in data:
        data.pop("text/plain", None)  # the size of a figure, or the same table without its form
    if "image/png" in data:
        data["image/png"] = _with_palette(data["image/png"])
    if "text/html" in data:
        data["text/html"] = _STYLE_NAME.sub("T_style", data["text/html"])


def _with_palette(encoded: str) -> str:
    """Return a picture, as base 64, with 128 colours at most, which is a third of the size."""
    picture = Image.open(BytesIO(base64.b64decode(encoded)))
    if picture.mode == "P":
        return encoded
    smaller = BytesIO()
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(smaller, "PNG", optimize=True)
    return base64.b64encode(smaller.getvalue()).decode()


def main() -> None:
    """Run the named notebooks, or all of them, and store them."""
    os.environ.setdefault("CORPO_STUDY", str(Path("..", "results", "study")))
    names = sys.argv[1:] or [path.stem for path in sorted(FOLDER.glob("*.py"))]
    for name in names:
        source = FOLDER / f"{name}.py"
        notebook = execute(source)
        target = source.with_suffix(".ipynb")
        nbformat.write(notebook, target)
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
