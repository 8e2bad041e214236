"""Feed malformed input to the entry points and tabulate their messages.

`python -m benchmarks.robustness.malformed` writes results/robustness/malformed.md. The cases are those of
`tests/cli/test_malformed.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

from corpo.utils.files import write_text
from corpo.utils.markdown import table
from tests.cli.malformed_inputs import (
    CHECKPOINTS,
    COMMANDS,
    OPTIONS,
    POLICIES,
    RECORDS,
    ROWS,
    compose_options,
    load_checkpoint,
    read_policy,
    read_row,
    rebuild_results,
    run_command,
)

ROOT = Path(__file__).parent.parent.parent
Row = tuple[str, str, int, str]  # the mistake, the input, the exit code (or step), the message


def in_folder(work: Callable[[Path], tuple[int, str]]) -> tuple[int, str]:
    """Return the outcome of `work` in a temporary folder, whose name is left out of the message."""
    with tempfile.TemporaryDirectory() as folder:
        code, text = work(Path(folder))
    return code, text.replace(f"{folder}/", "").replace(folder, "folder")


def option_rows() -> list[Row]:
    return [(name, " ".join(given), *compose_options(given)) for name, (given, _) in OPTIONS.items()]


def pair_rows() -> list[Row]:
    rows: list[Row] = []
    for name, (row, _) in ROWS.items():
        rows.append((name, "", *in_folder(partial(read_row, row))))
    return rows


def command_rows() -> list[Row]:
    rows: list[Row] = []
    for name, (given, _) in COMMANDS.items():
        outcome = in_folder(partial(run_command, given))
        rows.append((name, "corpo " + " ".join(given), *outcome))
    return rows


def policy_rows() -> list[Row]:
    rows: list[Row] = []
    for name, (files, _) in POLICIES.items():
        outcome = in_folder(partial(read_policy, files))
        rows.append((name, "", *outcome))
    return rows


def record_rows() -> list[Row]:
    rows: list[Row] = []
    for name, (file, content, _) in RECORDS.items():
        outcome = in_folder(partial(rebuild_results, file, content))
        rows.append((name, file, *outcome))
    return rows


def checkpoint_rows() -> list[Row]:
    rows: list[Row] = []
    for name, (file, content, _) in CHECKPOINTS.items():
        rows.append((name, file, *in_folder(partial(load_checkpoint, file, content))))
    return rows


def section(title: str, header: tuple[str, ...], rows: list[Row]) -> str:
    cells = []
    for name, given, code, text in rows:
        message = text.strip().replace("|", "\\|")
        cells.append([name, f"`{given}`" if given else "", code, message])
    return f"## {title}\n\n{table(header, cells)}"


def main() -> None:
    rows_by_title = {
        "Options": option_rows(),
        "Rows of a file of pairs": pair_rows(),
        "Commands and their files": command_rows(),
        "Folders of a policy": policy_rows(),
        "Records of a study (`corpo report --claims`)": record_rows(),
    }
    all_rows = list(chain.from_iterable(rows_by_title.values()))
    num_right = sum(code == 2 and text.count("\n") == 1 for _, _, code, text in all_rows)
    parts = [
        "# Malformed input\n\n"
        f"`python -m benchmarks.robustness.malformed`. {len(all_rows)} cases; {num_right} end with exit "
        f"code 2 and "
        "one line, before any work."
    ]
    header = ("mistake", "input", "exit code", "message")
    parts += [section(title, header, rows) for title, rows in rows_by_title.items()]
    header = ("mistake", "file", "step of the checkpoint that is loaded", "warning")
    parts.append(section("The newer of two checkpoints is damaged", header, checkpoint_rows()))
    path = ROOT / "results/robustness/malformed.md"
    write_text(path, "\n\n".join(parts) + "\n")
    print(path, f"{num_right} of {len(all_rows)}")


if __name__ == "__main__":
    main()
