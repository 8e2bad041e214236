"""Write docs/options.md, every option with its default and meaning, from `corpo/config.py` and `conf/`: `python -m experiments.options`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path
from typing import Any

import yaml

from corpo.config import Config
from corpo.utils.files import write_text
from corpo.utils.markdown import table
from corpo.utils.paths import CONF, ROOT

PAGE = ROOT / "docs/options.md"


def page() -> str:
    """The whole of docs/options.md."""
    groups = [folder for folder in sorted(Path(CONF).iterdir()) if folder.is_dir() and folder.name != "hydra"]
    return f"""# Options

Made by `python -m experiments.options` from [`corpo/config.py`](../corpo/config.py) and [`conf/`](../conf). An option is set as `name=value` behind
any command, such as `train.lr=3e-5`; a group as `group=choice`. `--help` lists the groups, `dry_run=true` prints the composed configuration, and a value
out of range stops the command before any work.

## Groups

{table(("group", "choice", "what it is"), [row for folder in groups for row in _choices(folder)])}

`hydra/launcher=` {", ".join(f"`{path.stem}`" for path in sorted(Path(CONF, "hydra/launcher").glob("*.yaml")))}: how the jobs of a sweep are run.

{_section(Config, "")}"""


def _choices(folder: Path) -> list[tuple[str, str, str]]:
    rows = []
    for path in sorted(folder.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        said = next(
            (
                line.removeprefix("# ")
                for line in lines
                if line.startswith("# ") and not line.startswith("# @")
            ),
            None,
        )
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        rows.append(
            (
                f"`{folder.name}`",
                f"`{path.stem}`",
                said or ", ".join(f"{key}: {value}" for key, value in values.items()),
            )
        )
    return rows


def _section(config: Any, prefix: str) -> str:
    """Its own options as a table, then its parts, each under a heading of its own."""
    fields = dataclasses.fields(config)
    own = [field for field in fields if not dataclasses.is_dataclass(field.default_factory)]
    comments = _comments(config)
    rows = [(f"`{prefix}{field.name}`", _spelled(field), comments.get(field.name, "")) for field in own]
    parts = [
        _section(field.default_factory, f"{prefix}{field.name}.")
        for field in fields
        if dataclasses.is_dataclass(field.default_factory)
    ]
    return "\n".join(
        [
            f"## {prefix.rstrip('.') or 'General'}\n\n{inspect.getdoc(config)}\n\n{table(('option', 'default', 'meaning'), rows)}\n",
            *parts,
        ]
    )


def _comments(config: Any) -> dict[str, str]:
    """What stands behind each field in the source."""
    source = inspect.getsource(config)
    [tree] = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    behind = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            line = source.splitlines()[(node.end_lineno or 1) - 1]
            behind[node.target.id] = (
                line[node.end_col_offset or 0 :].strip().removeprefix("# ").replace("|", "\\|")
            )
    return behind


def _spelled(field: dataclasses.Field[Any]) -> str:
    """The default as it would be written on the command line."""
    value = (
        field.default
        if field.default is not dataclasses.MISSING
        else field.default_factory()
        if callable(field.default_factory)
        else None
    )
    text = (
        "null"
        if value is None
        else str(value).lower()
        if isinstance(value, bool)
        else str(value).replace("'", "")
    )
    return f"`{text}`"


if __name__ == "__main__":
    write_text(PAGE, page())
    print(PAGE)
