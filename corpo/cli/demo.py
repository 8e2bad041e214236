"""`corpo demo`: show within seconds what CoRPO is about, on responses that a real policy samples."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from corpo.cli.nearest import nearest
from corpo.utils.errors import ConfigError

WIDTH = 80  # columns, if the output is not a terminal or the terminal is wider


def main(arguments: Sequence[str]) -> None:
    """Sample a batch, show one of its groups in the terminal, and write the page that `--html` names."""
    from rich.console import Console
    from transformers.utils.logging import disable_progress_bar

    from corpo.cli.compose import load_config
    from corpo.pipeline.demo import sample_demo
    from corpo.report.demo import terminal_view, write_page

    overrides, page = parse(arguments)
    config = load_config(overrides)
    disable_progress_bar()
    num_prompts, group_size = config.train.prompts_per_step, config.train.group_size
    print(
        f"sampling {num_prompts} x {group_size} responses of {config.model.path}: 10 to 20 seconds",
        file=sys.stderr,
    )
    demo = sample_demo(config)
    console = Console()
    width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    Console(width=width).print(terminal_view(demo, width))
    print(f"\nAnother example: corpo demo seed={config.seed + 1}")
    print("The main job: corpo reproduce experiment=reproduce")
    if page is not None:
        write_page(demo, page)
        print(f"page: {page}")


def parse(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Return the options and the file that `--html FILE` names. Raises ConfigError."""
    overrides: list[str] = []
    page = None
    rest = iter(arguments)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        if flag == "--html":
            name = value if equals else next(rest, "")
            if not name:
                raise ConfigError("--html: give the file to write, such as --html demo.html")
            page = Path(name)
        elif argument.startswith("-"):
            raise ConfigError(f"demo {argument}: no such flag{nearest(flag, ['--html'])}; choose --html FILE")
        else:
            overrides.append(argument)
    return overrides, page
