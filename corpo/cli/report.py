"""`corpo report`: rebuild reports, merge the parts of a study, or track a finished study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from corpo.cli.commands import COMMANDS
from corpo.cli.nearest import nearest
from corpo.utils.errors import ConfigError


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    A flag chooses what to do; without one, the report of the study that the options name.
    """
    flag, rest = (
        (arguments[0], arguments[1:]) if arguments and arguments[0].startswith("--") else ("", arguments)
    )
    if flag == "--claims":
        _rebuild_all(rest)
    elif flag == "--merge":
        _merge(rest)
    elif flag in ("", "--track"):
        from corpo.cli import jobs
        from corpo.cli.hydra_app import run_job
        from corpo.cli.old_options import translate_old_options

        run_job(jobs.TRACK if flag else jobs.REPORT, translate_old_options(rest))
    else:
        hint = nearest(flag, COMMANDS["report"].flags)
        raise ConfigError(f"report {flag}: no such flag{hint}; choose --claims, --merge or --track")


def _rebuild_all(arguments: Sequence[str]) -> None:
    from corpo.pipeline.rebuild import rebuild_results

    if len(arguments) > 1:
        raise ConfigError(
            "report --claims takes at most one argument: the folder that holds the results folders"
        )
    print(rebuild_results(Path(arguments[0] if arguments else "results")))


def _merge(arguments: Sequence[str]) -> None:
    from corpo.pipeline.merge import merge
    from corpo.report.render import render_results

    if len(arguments) < 2:
        raise ConfigError(
            "report --merge takes the results folders of the parts and, last, the folder to write"
        )
    *parts, folder = (Path(argument) for argument in arguments)
    merge(parts, folder)
    render_results(folder)
    print(folder / "report.md")
