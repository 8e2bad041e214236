"""Tests that the files about the project agree with the code and with each other."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from corpo.cli.compose import load_config
from corpo.cli.old_options import OLD_OPTION_NAMES
from tests.command import ROOT
from tests.test_layers import LAYERS

PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "data/README.md"]
LETTERS = {"P", "G", "T", "S", "V", "E", "H", "D", "L", "K", "N"}
SANDBOX_OPTIONS = {"seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _yaml(path: str) -> dict:
    # The base loader keeps the key `on` of a workflow, which YAML would read as true.
    return yaml.load(_text(path), yaml.BaseLoader)


def _changelog_rows(header: str) -> dict[str, str]:
    """Return the first two columns of the changelog's table with this header."""
    table = _text("CHANGELOG.md").partition(f"| {header} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `?(.*?)`? \| `?(.*?)`? \|$", table, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", _text(page)):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_make_targets_that_a_page_names_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", _text("Makefile"), re.MULTILINE))
    commands = re.findall(r"(?:^|`)make ([a-z][a-z0-9 -]*?)(?:`|  | #|$)", _text(page), re.MULTILINE)
    for command in commands:
        assert set(command.split()) <= targets, f"{page}: make {command}"


def test_contributing_lists_the_layers_in_their_order() -> None:
    lines = re.findall(r"^\d+\. (.*)$", _text("CONTRIBUTING.md"), re.MULTILINE)
    listed = [set(re.findall(r"`(\w+)`: ", line)) for line in lines]
    packages = [set(layer) for layer in LAYERS if not layer[0].startswith("__")]
    assert listed == packages[::-1]


def test_contributing_explains_every_shape_letter_once() -> None:
    letters = re.findall(r"\| ([A-Z]) (?=\|)", _text("CONTRIBUTING.md"))
    assert len(letters) == len(LETTERS)
    assert set(letters) == LETTERS


def test_changelog_lists_the_old_names_that_the_command_line_accepts() -> None:
    rows = _changelog_rows("option before | option now")
    names = {old: new for old, new in OLD_OPTION_NAMES.items() if not old.startswith("candidates.rollout.")}
    assert rows == {"---": "---"} | names


def test_modules_that_the_changelog_names_as_new_exist() -> None:
    modules = [cell.split("`")[0] for cell in _changelog_rows("module before | module now").values()]
    for module in modules:
        assert module == "---" or importlib.util.find_spec(module), module


def test_changelog_and_citation_have_the_version_of_the_package() -> None:
    assert f"## [Unreleased]: {VERSION}" in _text("CHANGELOG.md")
    assert _yaml("CITATION.cff")["version"] == VERSION


def test_citation_names_the_paper_and_the_software() -> None:
    citation = _yaml("CITATION.cff")
    assert citation["type"] == "software"
    assert citation["license"] == "MIT"
    assert "2511.04439" in citation["preferred-citation"]["url"]


def test_pre_commit_hooks_are_local() -> None:
    repositories = _yaml(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    entries = [hook["entry"] for hook in repositories[0]["hooks"]]
    assert [entry.split()[:2] for entry in entries[:2]] == [["ruff", "format"], ["ruff", "check"]]


def test_workflow_runs_the_two_commands_of_the_readme() -> None:
    jobs = _yaml(".github/workflows/test.yml")["jobs"]
    for job, command in (("test", "make test"), ("reproduce", "make reproduce")):
        assert command in [step.get("run") for step in jobs[job]["steps"]]
    assert "if" not in jobs["test"]


def test_workflow_pins_actions_by_hash() -> None:
    actions = re.findall(r"uses: (\S+)", _text(".github/workflows/test.yml"))
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)


def test_containers_have_the_options_that_the_sandbox_needs() -> None:
    text = re.sub(r"^\s*//.*$", "", _text(".devcontainer/devcontainer.json"), flags=re.MULTILINE)
    container = json.loads(text)
    assert set(container["runArgs"]) > SANDBOX_OPTIONS
    assert set(re.findall(r"--security-opt (\S+)", DOCKERFILE)) == SANDBOX_OPTIONS
    assert f"AS {container['build']['target']}" in DOCKERFILE
    assert f"useradd --uid 1000 --create-home --shell /bin/bash {container['remoteUser']}" in DOCKERFILE


def test_container_installs_with_the_command_of_the_readme() -> None:
    assert "RUN make setup" in DOCKERFILE


def test_numbers_about_the_base_policy_are_those_of_its_record() -> None:
    page = _text("data/README.md")
    record = json.loads(_text("data/nano_base/provenance.json"))
    first, last = record["curve"][-1], record["second_curve"][-1]
    assert f"{record['parameters'] / 1e6:.2f} million parameters" in page
    minutes, seconds = record["warm_start_cpu_seconds"] / 60, record["warm_start_cpu_seconds"]
    steps = f"{first['step']:,} and {last['step']} steps"
    assert f"{steps}: {minutes:.0f} minutes on one thread of a CPU ({seconds:,.0f} CPU seconds)" in page
    assert f"{100 * last['unparseable']:.1f}% of the responses" in page
    kinds = ("first_correct", "second_correct", "both_correct", "both_wrong")
    for point, phase in ((first, ", after the first phase"), (last, "")):
        for domain in ("code", "math"):
            cells = [f"{100 * point[f'pass@1/{domain}_{kind}']:.0f}%" for kind in kinds]
            assert f"| {domain}{phase} | {' | '.join(cells)} |" in page


def test_the_default_data_were_kept_from_the_base_policy() -> None:
    """Check the numbers of problems. With others the warm start draws others, and texts could cross."""
    record = json.loads(_text("data/nano_base/provenance.json"))
    for overrides in ([], ["experiment=reproduce"], ["experiment=study"]):
        data = load_config(overrides).data
        taught = record["pipelines"]
        for name in ("evaluation_problems", "warm_start_problems", "math_warm_start_problems"):
            assert getattr(data.pipelines, name) == taught[name]
        assert (data.seed, data.mutants_per_solution) == (0, 5)


def test_no_page_names_a_path_of_a_machine() -> None:
    for path in [*PAGES, "Dockerfile", ".github/workflows/test.yml", "CITATION.cff"]:
        assert not re.search(r"(?<![\w./])/(?:root|work|tmp)/", _text(path)), path


def test_every_page_at_the_top_is_linked_from_the_readme() -> None:
    readme = _text("README.md")
    for path in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CITATION.cff", "LICENSE"):
        assert f"]({path})" in readme
        assert Path(ROOT / path).is_file()
