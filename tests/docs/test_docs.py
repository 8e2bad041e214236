"""Test the documentation: commands and options exist, examples run, links lead to files and headings."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from corpo.baselines import BASELINES
from corpo.cli.commands import COMMANDS
from corpo.cli.compose import load_jobs
from corpo.cli.options import option_names
from corpo.config import Config
from corpo.data.sources import SOURCES
from corpo.task import Verdict, build_reward
from corpo.task.reward import REWARDS
from corpo.tasks.registry import TASKS
from docs.tools import diagrams, metrics, options, theory

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
GLOSSARY = DOCS / "explanation/glossary.md"

# A line with a placeholder is not a command. The launcher for Ray composes only if its extra is installed.
PLACEHOLDERS = [
    "<",
    "...",
    "NAME",
    "COMMAND",
    "OPTION",
    *(["ray_cluster"] if find_spec("ray") is None else []),
]
# What may stand before a command: settings of environment variables and torchrun with its arguments.
PREFIX = re.compile(r"[A-Z_]+=\S*|torchrun|--nproc-per-node|\d+")
COMMAND_SPAN = re.compile(r"`((?:corpo|make|python -m [\w.]+) [^`\n]*)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SECTIONS = sorted({name.partition(".")[0] for name in option_names(Config()) if "." in name})
OPTION_SPAN = re.compile(rf"`\+{{0,2}}((?:{'|'.join(SECTIONS)})\.[\w.]+)(?:=[^`]*)?`")
VERL_OPTION = "reward.custom_reward_function."  # not an option of ours
OPTION_ROW = re.compile(r"^\| `([\w.]+)` \|", re.M)
LETTER_CELL = re.compile(r"\| `?([A-Za-z])`? (?=\|)")


def name_of(page: Path) -> str:
    """Return the path of a page within the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page that are marked with a language, or with none if it is empty."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    return [text for marked_language, text in fences if marked_language == language]


def commands() -> Iterator[tuple[str, str]]:
    """Yield the page and the command line of each command in the documentation."""
    for page in PAGES:
        lines = "".join(blocks(page, "")).splitlines()
        lines += COMMAND_SPAN.findall(page.read_text(encoding="utf-8"))
        for line in lines:
            command = line.partition(" #")[0].strip()
            if command and not any(part in command for part in PLACEHOLDERS):
                yield name_of(page), command


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the module `mine` of the documentation importable, with registries of its own."""
    examples = []
    for page in PAGES:
        examples += [block for block in blocks(page, "python") if "@register_" in block]
    (tmp_path / "mine.py").write_text("\n".join(examples), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("corpo.baselines.registry.BASELINES", dict(BASELINES))
    monkeypatch.setattr("corpo.task.reward.REWARDS", dict(REWARDS))
    monkeypatch.setattr("corpo.data.sources.base.SOURCES", dict(SOURCES))
    tasks = dict(TASKS)
    for module in ("registry", "build"):
        monkeypatch.setattr(f"corpo.tasks.{module}.TASKS", tasks)


def check_corpo(arguments: list[str]) -> int:
    """Check the arguments behind `corpo`. Return how many configurations were composed. Raises CorpoError."""
    name, *rest = arguments
    if name.startswith("--"):
        return 0
    command = COMMANDS[name]
    if name == "report":
        flags = [argument for argument in rest if argument.startswith("--") and argument != "--help"]
        assert set(flags) <= {"--claims", "--merge", "--track"}, rest
        if flags in (["--claims"], ["--merge"]):
            return 0
    elif name == "publish":
        assert rest[:1] in ([], ["pairs"], ["upload"]), rest
        if rest[:1] != ["pairs"]:
            return 0
        rest = rest[1:]
    elif not command.is_hydra:
        return 0
    for option in rest:
        assert not option.startswith("-") or option in ("-m", "--track", "--help", "--help-all"), option
    # The files in the examples do not exist; only the options are checked.
    return len(load_jobs([option for option in rest if not option.startswith("data.file=")]))


def test_every_command_in_the_documentation_composes(plugins: None) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    composed = 0
    for page, line in commands():
        words = shlex.split(line)
        while words and PREFIX.fullmatch(words[0]):
            words = words[1:]
        try:
            if words[:1] == ["make"]:
                assert words[1] in targets
            elif words[:1] == ["corpo"]:
                composed += check_corpo(words[1:])
            elif "-m" in words[:2]:
                module, *rest = words[words.index("-m") + 1 :]
                if module.startswith("experiments."):
                    composed += check_corpo([module.removeprefix("experiments.").replace("_", "-"), *rest])
                elif module == "corpo":
                    composed += check_corpo(rest)
                if module.partition(".")[0] in ("experiments", "docs", "benchmarks"):
                    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
        except Exception as error:
            raise AssertionError(f"{page}: {line}: {error}") from error
    assert composed > 40


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_on_a_page_exists(page: Path) -> None:
    known = set(OPTION_ROW.findall(options.page()))
    known |= {name.rpartition(".")[0] for name in known}
    entries = (
        "baseline.options.",
        "task.options.",
        "study.lr.",
        "evaluate.policies.",
        "model.architecture.",
    )
    for option in OPTION_SPAN.findall(page.read_text(encoding="utf-8")):
        is_file = option.rpartition(".")[2] in ("json", "md", "parquet", "py", "yaml")
        if is_file or option.startswith(VERL_OPTION):
            continue
        general = re.sub(r"^data\.sources\.\w+", "data.sources.NAME", option)
        assert {option, general} & known or option.startswith(entries), f"{name_of(page)}: {option}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_example_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, name_of(page), "exec")


@pytest.mark.parametrize("page", ["getting_started.md", "how_to/data.md", "reference/files.md"])
def test_examples_run(page: str, plugins: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks(DOCS / page, "python"):
        exec(block, {})


def test_the_reward_example_scores_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpo.task.reward.REWARDS", dict(REWARDS))
    examples = blocks(DOCS / "how_to/extending.md", "python")
    [block] = [block for block in examples if "@register_reward" in block]
    exec(block, {})
    assert build_reward("brier", 10, 0.0, {})(Verdict(10, 0), (True, False)) == 0.5


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.M)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{name_of(page)}: {link}"


def test_the_options_page_is_fresh() -> None:
    assert options.PAGE.read_text(encoding="utf-8") == options.page(), "run: python -m docs.tools.options"


def test_the_drawings_are_fresh() -> None:
    for path, content in diagrams.drawings().items():
        assert path.read_text(encoding="utf-8") == content, "run: python -m docs.tools.diagrams"


def test_the_table_of_the_theory_page_is_fresh() -> None:
    text = (DOCS / "explanation/theory.md").read_text(encoding="utf-8")
    assert theory.advantage_table() in text, "copy the output of: python -m docs.tools.theory"


def test_the_metrics_page_is_fresh() -> None:
    assert metrics.PAGE.read_text(encoding="utf-8") == metrics.page(), "run: python -m docs.tools.metrics"


def test_the_baselines_page_lists_every_registered_baseline() -> None:
    text = (DOCS / "reference/baselines.md").read_text(encoding="utf-8")
    assert [name for name in BASELINES if f"| `{name}` |" not in text] == []


def test_the_commands_page_lists_every_command() -> None:
    text = (DOCS / "reference/commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `corpo {name}` |" not in text] == []


def test_the_glossary_lists_every_shape_letter() -> None:
    letters = set(LETTER_CELL.findall(CONTRIBUTING.read_text(encoding="utf-8")))
    assert letters, "CONTRIBUTING.md has no table of letters"
    assert letters <= set(LETTER_CELL.findall(GLOSSARY.read_text(encoding="utf-8")))


def test_how_to_pages_hold_no_measurements() -> None:
    # Results of studies are percentages with a decimal place or intervals in brackets.
    pattern = re.compile(r"\d\.\d+ ?%|\[[-+−]?\d+(?:\.\d+)?, [-+−]?\d+\.\d+\]")
    for page in (DOCS / "how_to").glob("*.md"):
        assert pattern.findall(page.read_text(encoding="utf-8")) == [], name_of(page)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module)
    arguments = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *arguments, str(DOCS), str(tmp_path / "site")]
    build = subprocess.run(command, capture_output=True, text=True)
    assert build.returncode == 0, build.stderr[-3000:]
