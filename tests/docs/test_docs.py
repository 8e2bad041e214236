"""What the documentation says can be done: its commands compose, its code runs, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from corpo.baselines import BASELINES
from corpo.cli import main as cli
from corpo.cli.hydra_app import _jobs, compose, validated
from corpo.data.sources import SOURCES
from corpo.task import Verdict, build_reward
from corpo.task.reward import REWARDS
from docs.tools import options
from tests.command import ROOT

# Ray's launcher is an extra of its own, without which its preset cannot compose.
LEFT_OUT = ["<", "...", "NAME", *(["ray_cluster"] if find_spec("ray") is None else [])]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HYDRA = {
    "reproduce",
    "data",
    "warm_start",
    "train",
    "evaluate",
    "report",
    "track",
    "engines",
    "export",
    "tune",
    "ablate",
}


def _blocks(page: Path, language: str) -> list[str]:
    return [
        text
        for of, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.S | re.M)
        if of == language
    ]


def _commands() -> list[tuple[str, str]]:
    """(page, command line) of every command shown."""
    found = []
    for page in PAGES:
        for line in "".join(_blocks(page, "")).splitlines():
            found.append((page.name, line.partition(" #")[0].strip()))
        found += [
            (page.name, span)
            for span in re.findall(r"`((?:corpo|make|python -m experiments\.\w+) [^`\n]*)`", page.read_text())
        ]
    return [(page, line) for page, line in found if line and not any(part in line for part in LEFT_OUT)]


def test_the_options_page_is_fresh() -> None:
    assert options.PAGE.read_text() == options.page(), "run: python -m experiments.options"


def test_every_command_shown_can_be_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "\n".join(block for page in PAGES for block in _blocks(page, "python") if "@register_" in block)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("corpo.baselines.registry.BASELINES", dict(BASELINES))
    monkeypatch.setattr("corpo.task.reward.REWARDS", dict(REWARDS))
    monkeypatch.setattr("corpo.data.sources.base.SOURCES", dict(SOURCES))
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    tried = 0
    for page, line in _commands():
        words = shlex.split(line)
        while words and re.fullmatch(r"[A-Z_]+=\S*|torchrun|--nproc-per-node|\d+", words[0]):
            words = words[1:]
        if words[:1] == ["make"]:
            assert words[1] in targets, f"{page}: {line}"
            continue
        if words[:1] == ["corpo"]:
            assert words[1] in cli.COMMANDS, f"{page}: {line}"
            name, rest = cli.COMMANDS[words[1]][0], words[2:]
        elif (
            found := re.fullmatch(
                r"(?:\S*python )?-m experiments\.(\w+) ?(.*)", " ".join(words[:1] + words[1:])
            )
        ) is not None:
            name, rest = found[1], shlex.split(line.partition(f"experiments.{found[1]}")[2])
            assert (ROOT / f"experiments/{name}.py").is_file(), f"{page}: {line}"
        else:
            continue
        if name in HYDRA:
            for overrides in _jobs(rest):
                validated(compose([one for one in overrides if not one.startswith("data.file=")]))
            tried += 1
    assert tried > 25


def test_the_reward_of_the_manual_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpo.task.reward.REWARDS", dict(REWARDS))
    [block] = [
        block for block in _blocks(ROOT / "docs/extending.md", "python") if "@register_reward" in block
    ]
    exec(block, {})
    assert build_reward("brier", 10, 0.0, {})(Verdict(10, 0), (True, False)) == 0.5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        assert (page.parent / path).exists() or not path, f"{page.name}: {target}"
        if anchor:
            headings = {
                re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
                for heading in re.findall(
                    r"^#+ (.*)", (page.parent / path if path else page).read_text(), re.M
                )
            }
            assert anchor in headings, f"{page.name}: {target}"
