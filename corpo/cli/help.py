"""The help pages: an overview of all commands, and a page per command."""

from __future__ import annotations

import textwrap

from corpo.cli import conf_files
from corpo.cli.commands import COMMANDS, Command
from corpo.cli.options import Option, all_options, as_typed, sections
from corpo.config import Config

WIDTH, INDENT = 80, 28  # columns of a help page, and where meanings begin
GROUPS = {
    "baseline": "what is subtracted from a reward, such as grpo",
    "candidates": "where programs of real problems come from",
    "data": "the problems and their pairs",
    "evaluate": "rollouts per prompt of an evaluation",
    "experiment": "all settings of an experiment, such as study",
    "model": "the policy to start from",
    "reward": "the levels of the reward",
    "rollout": "the engine that samples responses",
    "task": "what policies are asked: to judge pairs, or to generate",
    "track": "copies of the metrics, such as tensorboard",
    "train": "steps, prompts per step and learning rate",
    "hydra/launcher": "how the jobs of a sweep are run",
}
# What help pages say of the most common options, in one line. `--help-all` has the whole sentences.
SHORT_MEANINGS = {
    "data.file": "your own pairs, JSONL or Parquet",
    "dry_run": "print stages and times, and run nothing",
    "evaluate.policies": "finished policies, as {name: folder}",
    "model.style": "compact, or instruct for chat models",
    "name": "the folder under results/",
    "seed": "the random seed",
    "study.baselines": "the baselines to train",
    "study.seeds": "the seeds to train each with",
    "study.variants": "options that a variant changes, by its name",
    "train.group_size": "rollouts per prompt",
    "train.prompts_per_step": "prompts per step",
    "train.steps": "batches of new rollouts",
    "warm_start.rationale": "trace or rewrite",
}


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
    lines = [*_usage(command), "", *textwrap.wrap(command.description, WIDTH), ""]
    lines += [_line(argument, meaning) for argument, meaning in command.arguments]
    if everything and command.options:
        lines += _all_options()
    else:
        lines += _common_options(command)
    if command.arguments or command.options:
        lines.append("")
    lines += [f"Example:  {command.example}", f"Results:  {command.results}"]
    if command.options and not everything:
        lines.append(f"More:     corpo {command.name} --help-all, or docs/reference/options.md")
    return "\n".join(lines)


def _usage(command: Command) -> list[str]:
    words = [argument for argument, _ in command.arguments if not argument.startswith("-")]
    flags = [f"[{argument}]" for argument, _ in command.arguments if argument.startswith("-")]
    parts = ["usage: corpo", command.name, " | ".join(words), *flags]
    if command.is_hydra or command.options:
        parts.append("[OPTION=VALUE ...]")
    return textwrap.wrap(" ".join(filter(None, parts)), WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _common_options(command: Command) -> list[str]:
    """Return a line for each common option or group of options, with its default and its meaning."""
    options, chosen = options_with_defaults(), conf_files.default_choices()
    lines = []
    for name in command.options:
        if name in GROUPS:
            lines.append(_line(f"{name}={chosen.get(name, 'null')}", GROUPS[name]))
        else:
            option = options[name]
            meaning = SHORT_MEANINGS.get(name, option.meaning)
            lines.append(_line(f"{name}={option.default}", meaning))
    return lines


def _all_options() -> list[str]:
    """Return every group of options with its choices, then every option with its meaning."""
    options, chosen = options_with_defaults(), conf_files.default_choices()
    lines = ["", "Groups of options:"]
    for group in conf_files.groups():
        names = ", ".join(conf_files.choices(group))
        lines.append(_line(f"{group}={chosen.get(group, 'null')}", f"{GROUPS[group]}; one of {names}"))
    for section in sections(Config()):
        lines += ["", *textwrap.wrap(section.description, WIDTH)]
        for option in section.options:
            lines.append(_line(f"{option.name}={options[option.name].default}", option.meaning))
    return lines


def options_with_defaults() -> dict[str, Option]:
    """Return every option with the value that it has if the command line sets nothing."""
    values = conf_files.default_values()
    options = {}
    for option in all_options(Config()):
        default = as_typed(values[option.name]) if option.name in values else option.default
        options[option.name] = Option(option.name, default.replace(", ", ","), option.meaning)
    return options


def _line(name: str, meaning: str) -> str:
    """Return a name with its meaning beside it, or below it if the name is long."""
    label = f"  {name:{INDENT - 4}s}  "
    if len(label) > INDENT and len(label) + len(meaning) <= WIDTH:
        return label + meaning
    lines = textwrap.wrap(meaning, WIDTH - INDENT)
    if len(label) > INDENT:
        return "\n".join([label.rstrip(), *(" " * INDENT + line for line in lines)])
    return label + f"\n{' ' * INDENT}".join(lines)
