"""The help pages: an overview of all commands, and a page per command."""

from __future__ import annotations

import textwrap

from corpo.cli.commands import COMMANDS, Command
from corpo.cli.options import Option, all_options
from corpo.config import Config
from corpo.utils.resources import conf_folder

WIDTH, INDENT = 100, 34  # columns of a help page, and where the meanings of options begin


def overview() -> str:
    """Return what `corpo --help` prints: the commands by what they are for."""
    lines = ["usage: corpo COMMAND [OPTION=VALUE ...]", ""]
    for group in dict.fromkeys(command.group for command in COMMANDS.values()):
        lines.append(f"{group}:")
        for command in COMMANDS.values():
            if command.group == group:
                lines.append(f"  {command.name:12s} {command.summary}")
        lines.append("")
    lines.append("`corpo COMMAND --help` explains a command. `corpo --version` prints the version.")
    return "\n".join(lines)


def help_page(command: Command, everything: bool = False) -> str:
    """Return the help of a command with its common options, or with `everything`."""
    arguments = " [OPTION=VALUE ...]" if command.is_hydra else " ..."
    lines = [f"usage: corpo {command.name}{arguments}", "", command.description, ""]
    options = all_options(Config())
    if not everything:
        options = [option for option in options if option.name in command.options]
    if options:
        lines += ["Options:" if everything else "Common options (--help-all lists all):"]
        lines += [_option_line(option) for option in options]
        lines.append("")
    if command.is_hydra:
        groups = [folder.name for folder in sorted(conf_folder().iterdir()) if folder.is_dir()]
        named = ", ".join(f"{group}=" for group in groups if group not in ("hydra", "__pycache__"))
        lines += [*textwrap.wrap(f"Groups of options: {named} (docs/reference/options.md)", WIDTH), ""]
    lines += [f"Example:  {command.example}", f"Results:  {command.results}"]
    return "\n".join(lines)


def _option_line(option: Option) -> str:
    """Return an option with its default, and its meaning wrapped beside it."""
    name = f"  {option.name}={option.default} "
    meaning = textwrap.wrap(option.meaning, WIDTH - INDENT)
    if len(name) > INDENT:
        return "\n".join([name.rstrip(), *(" " * INDENT + line for line in meaning)])
    return f"{name:{INDENT}s}" + f"\n{' ' * INDENT}".join(meaning)
