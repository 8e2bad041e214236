"""`corpo`: its commands and their help, exit codes, and completion."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from corpo.cli import jobs
from corpo.cli.commands import COMMANDS, RENAMED_COMMANDS
from corpo.cli.completion import completion
from corpo.cli.compose import load_config
from corpo.cli.conf_files import choices, groups
from corpo.cli.hydra_app import Job
from corpo.cli.main import main
from corpo.cli.options import option_names
from corpo.config import Config
from corpo.utils import resources
from tests.command import ROOT, run


def _output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(arguments)
    return capsys.readouterr().out


def test_overview_lists_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    overview = _output(capsys)
    assert overview == _output(capsys, "--help") == _output(capsys, "help")
    for command in COMMANDS.values():
        assert re.search(rf"^  {command.name} +{re.escape(command.summary)}$", overview, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_has_help_and_an_implementation(command, capsys: pytest.CaptureFixture[str]) -> None:
    page = _output(capsys, command.name, "--help")
    assert page == _output(capsys, "help", command.name)
    lines = page.splitlines()
    assert max(map(len, lines)) <= 80
    assert command.description in " ".join(page.split())
    assert f"Example:  {command.example}" in lines
    assert f"Results:  {command.results}" in lines
    assert set(command.options) <= {*option_names(Config()), *groups()}
    for option in command.options:
        assert re.search(rf"^  {re.escape(option)}=\S*\s+\w", page, re.MULTILINE), "with default and meaning"
    for argument, meaning in command.arguments:
        assert f"{argument} {meaning}" in " ".join(page.split())
    if command.is_hydra:
        assert isinstance(getattr(jobs, command.target), Job)
    else:
        module, _, function = command.target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_help_of_training_takes_about_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    page = _output(capsys, "train", "--help")
    assert len([line for line in page.splitlines() if line]) <= 15


def test_help_shows_the_defaults_that_apply(capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config([])
    assert f"  train.steps={config.train.steps} " in _output(capsys, "train", "--help")
    assert f"  data.pairs_per_split={config.data.pairs_per_split} " in _output(capsys, "data", "--help-all")
    assert "  baseline=corpo " in _output(capsys, "train", "--help")


def test_help_all_lists_every_option_with_a_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    page = _output(capsys, "train", "--help-all")
    for option in option_names(Config()):
        assert re.search(rf"^  {re.escape(option)}=\S*\s+\w", page, re.MULTILINE), option
    for group in groups():
        names = f"; one of {', '.join(choices(group))}"
        assert names in " ".join(page.split()), group


@pytest.mark.parametrize("arguments", [("data", "--help"), ("completion", "bash"), ("data", "dry_run=true")])
def test_a_damaged_installation_is_reported_in_one_line(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "corpo")
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("corpo: neither ")
    assert lines[0].endswith("install corpo-rl again")


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"corpo \d+\.\d+.*\n", _output(capsys, "--version"))


def test_an_unknown_command_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["trian"])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("corpo: no command 'trian' (did you mean train?); choose one of demo, ")


@pytest.mark.parametrize(("old", "new"), RENAMED_COMMANDS.items())
def test_a_command_of_the_last_release_is_refused_with_its_new_name(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([old])
    assert capsys.readouterr().err == f"corpo: no command {old!r}; it is now `{new}`\n"
    program, name = new.split()[:2]
    assert program == "python" or name in COMMANDS


@pytest.mark.parametrize("option", ["seed=1", "baseline=grpo", "baseline.name=grpo"])
def test_a_study_refuses_the_option_of_a_single_training(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["reproduce", "experiment=tiny", option, "dry_run=true"])
    assert "does not use it alone; set study." in capsys.readouterr().err


def test_flags_of_hydra_may_stand_behind_options(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "experiment=tiny", "seed=0,1", "-m", "dry_run=true"])
    assert "train corpo seed 1" in capsys.readouterr().out


def test_help_imports_neither_torch_nor_hydra() -> None:
    code = (
        "import sys; from corpo.cli.main import main; main(['train', '--help']); main(['verify', '--help']); "
        "main(['data', '--help-all']); main(['--version']); "
        "print(sorted({'torch', 'hydra', 'omegaconf', 'numpy', 'transformers', 'pandas'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines()[-1] == "[]"


def test_a_command_takes_the_options_of_hydra() -> None:
    plan = run("train", "experiment=tiny", "dry_run=true").stdout
    assert "problems: pipelines" in plan
    assert "train corpo seed 0" in plan


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_entry_points_run_the_command_of_their_name(path) -> None:
    module = [sys.executable, "-m", f"experiments.{path.stem}", "--help"]
    process = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.startswith(f"usage: corpo {path.stem.replace('_', '-')} ")


# --- completion ---------------------------------------------------------------------------------------------


def _completed(script: str, line: str) -> list[str]:
    """Return what bash offers for the last word of a line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    state = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}"
    call = f"_corpo corpo '{words[-1]}'"
    program = f'{script}\ncompopt() {{ :; }}\n{state}; {call}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_groups_and_options() -> None:
    script = completion("bash")
    assert _completed(script, "corpo ver") == ["verify"]
    assert {"experiment=study", "experiment=tiny"} <= set(_completed(script, "corpo reproduce experiment"))
    assert _completed(script, "corpo train train.loss.k") == ["train.loss.kl="]


def test_completion_for_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["completion", "fish"])
    assert stopped.value.code == 2
    assert "choose bash or zsh" in capsys.readouterr().err
