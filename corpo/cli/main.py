"""The command line: run a command, print help, and turn errors into one line and exit code 2."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from corpo.cli.commands import COMMANDS, RENAMED_COMMANDS, Command
from corpo.cli.failure import exit_with, missing_package
from corpo.cli.nearest import nearest
from corpo.utils.errors import CorpoError

# Nothing asks a hub unless the user sets HF_HUB_OFFLINE=0.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

HELP_FLAGS, HELP_ALL_FLAG, VERSION_FLAG = ("--help", "-h"), "--help-all", "--version"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. `arguments` are those behind `corpo`, by default those of the process."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name == VERSION_FLAG:
        from corpo import __version__

        print(f"corpo {__version__}")
        return
    if name == "help":
        name, rest = (rest[0], ["--help"]) if rest else ("--help", [])
    if name in HELP_FLAGS:
        from corpo.cli.help import overview

        print(overview())
        return
    if name not in COMMANDS:
        _refuse_command(name)
    run_command(COMMANDS[name], rest)


def run_command(command: Command, arguments: Sequence[str]) -> None:
    """Run one command or print its help. Print a CorpoError as one line and exit with code 2."""
    sys.path.insert(0, "")  # so that plugins in the current folder are found, as with `python -m`
    try:
        if any(flag in arguments for flag in (*HELP_FLAGS, HELP_ALL_FLAG)):
            from corpo.cli.help import help_page

            with suppress(BrokenPipeError):  # of a reader such as `head`
                print(help_page(command, everything=HELP_ALL_FLAG in arguments), flush=True)
        elif command.is_hydra:
            _run_job(command.target, arguments)
        else:
            module, _, function = command.target.partition(":")
            getattr(importlib.import_module(module), function)(list(arguments))
    except CorpoError as error:
        exit_with(error)
    except ModuleNotFoundError as error:
        exit_with(missing_package(error, command.name))


def _run_job(name: str, arguments: Sequence[str]) -> None:
    from corpo.cli import hydra_app, jobs
    from corpo.cli.old_options import translate_old_options

    hydra_app.run_job(getattr(jobs, name), translate_old_options(arguments))


def _refuse_command(name: str) -> NoReturn:
    flags = (*HELP_FLAGS, VERSION_FLAG)
    if name in RENAMED_COMMANDS:
        message = f"no command {name!r}; it is now `{RENAMED_COMMANDS[name]}`"
    elif name.startswith("-"):
        message = f"no flag {name!r}{nearest(name, flags)}; choose {', '.join(flags)} or a command"
    else:
        message = f"no command {name!r}{nearest(name, COMMANDS)}; choose one of {', '.join(COMMANDS)}"
    exit_with(CorpoError(message))


if __name__ == "__main__":
    main()
