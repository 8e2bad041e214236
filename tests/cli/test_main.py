"""`corpo`: one name for every entry point; judging two files, looking at the machine, completion, and what goes to a hub."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from corpo.cli import doctor, verify
from corpo.cli import main as cli
from corpo.cli import publish as push
from corpo.cli.verify import judgement
from corpo.config import Config
from corpo.utils.files import read_jsonl
from tests.command import ROOT

RIGHT = "def f(xs):\n    return len(xs)\n"
WRONG = "def f(xs):\n    return len(xs) + 1\n"


def _run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: object, *arguments: object
) -> tuple[int, str, str]:
    """Exit code, output and errors of an entry point."""
    monkeypatch.setattr(sys, "argv", ["corpo", *map(str, arguments)])
    code = 0
    try:
        module.main()  # type: ignore[attr-defined]
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("problem.md", "a.py", "b.py")]
    for path, text in zip(paths, ("Give the number of items of xs.", RIGHT, WRONG), strict=True):
        path.write_text(text)
    return paths


def test_every_command_is_there_and_says_what_it_does() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "corpo.cli.main"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert all(re.search(rf"^  {command} ", said, re.M) for command in cli.COMMANDS)
    for module, _ in cli.COMMANDS.values():
        assert (ROOT / f"experiments/{module}.py").is_file()
    refused = subprocess.run(
        [sys.executable, "-m", "corpo.cli.main", "trian"], cwd=ROOT, capture_output=True, text=True
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_a_command_takes_hydra_options_and_runs_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "corpo.cli.main", "train", "experiment=tiny", "dry_run=true"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "code_families: 10" in said
    assert "train corpo seed 0" in said


def test_two_files_are_judged(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _run(monkeypatch, capsys, verify, *files, "--json", "--rollouts", 8)
    said = json.loads(out)
    assert code == (0 if said["a"]["correct"] and said["b"]["correct"] else 1)
    assert (said["rollouts"], said["policy"]) == (8, "data/nano_base")
    for side, path in (("a", files[1]), ("b", files[2])):
        assert said[side]["file"] == str(path)
        assert 0 <= said[side]["confidence"] <= 10
        assert said[side]["correct"] is (said[side]["called_correct"] > 0.5)
    assert said["rationale"].startswith("<think>")
    again, text, _ = _run(monkeypatch, capsys, verify, *files, "--rollouts", 8)
    assert again == code
    for side in "ab":
        assert f"confidence {said[side]['confidence']:.1f} of 10" in text
    assert f"rationale: {said['rationale']}" in text


def test_what_a_group_says() -> None:
    assert judgement(["<think>", "A: 1 B: 2"]) is None
    said = judgement(
        [
            "<think>x</think> A: 9 B: 1",
            "<think>y</think> A: 8 B: 3",
            "<think>z</think> A: 1 B: 2",
            "no verdict",
        ]
    )
    assert said is not None
    assert said.confidence == (6.0, 2.0)
    assert said.called_correct == pytest.approx((2 / 3, 0))
    assert (said.verdicts, said.rollouts) == (3, 4)
    assert said.response == "<think>y</think> A: 8 B: 3", "of the verdict nearest to the mean"


BAD_FILES = {
    "missing": ({2: None}, "b.py: cannot be read"),
    "empty": ({0: " \n"}, "problem.md: is empty"),
    "not Python": ({1: "def f(:\n"}, "a.py, line 1: not Python"),
    "not text": ({1: b"\xff\xfe\x00"}, "a.py: cannot be read"),
    "too long": ({0: "word " * 3000}, "shorten them"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_get_one_line(
    case: str, files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, expected = BAD_FILES[case]
    for at, content in changes.items():
        files[at].unlink() if content is None else files[at].write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    code, out, error = _run(monkeypatch, capsys, verify, *files)
    assert (code, out, error.count("\n")) == (2, "", 1), error
    assert expected in error


def test_unlike_files_options_and_policies_are_refused(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = files[1].with_suffix(".txt")
    text.write_text("x = 3")
    for arguments, expected in (
        ([files[0], text, files[2]], "one of each"),
        ([*files, "--rollouts", 0], "--rollouts 0"),
        ([*files, "--policy", "no/such"], "no/such"),
        ([*files, "rollout.temprature=1"], "did you mean rollout.temperature?"),
    ):
        code, _, error = _run(monkeypatch, capsys, verify, *arguments)
        assert (code, error.count("\n")) == (2, 1)
        assert expected in error


def test_a_policy_that_gives_no_verdict_is_its_own_exit_code(
    where: list[str], files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = _run(
        monkeypatch, capsys, verify, *files, "--policy", where[-1].removeprefix("model.path=")
    )
    assert (code, out) == (3, "")
    assert "none of 16 responses is a verdict" in error


def test_the_doctor_finds_this_machine_fit_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.OPTIONAL, "no_such_module", ("no-such", "nothing", "pip install no-such"))
    code, out, _ = _run(monkeypatch, capsys, doctor)
    assert code == 0
    for part in ("torch", "sandbox", "disk", "base policy", "CPU"):
        assert re.search(rf"[✓–] +{part}", out)
    assert re.search(r"– +no-such +not installed +for nothing: pip install no-such", out)
    monkeypatch.setattr(doctor.ModelConfig, "path", "data/no_base")
    code, out, _ = _run(monkeypatch, capsys, doctor)
    assert code == 1
    assert re.search(r"✗ +base policy", out)


def _completed(script: str, line: str) -> list[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    call = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}; _corpo corpo '{words[-1]}'"
    whole = f'{script}\ncompopt() {{ :; }}\n{call}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", whole], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
def test_bash_completes_commands_groups_and_options() -> None:
    script = cli.completion("bash")
    assert _completed(script, "corpo ver") == ["verify"]
    assert {"experiment=study", "experiment=tiny"} <= set(
        _completed(script, "corpo reproduce experiment="[:-1])
    )
    assert _completed(script, "corpo train train.loss.k") == ["train.loss.kl="]
    assert {"train.lr", "rollout.vllm.gpu_memory_utilization", "study.seeds"} <= set(cli.options(Config))


def test_a_trained_policy_has_a_card_and_could_be_pushed(
    results: Path, where: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = Path(where[1].removeprefix("outputs="))
    policy = next(
        path.parent
        for path in outputs.glob("train/*/policy/README.md")
        if "trained with corpo" in path.read_text()
    )
    card = (policy / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    last = [
        record for record in read_jsonl(policy.parent / "metrics.jsonl") if "validation/pass@1" in record
    ][-1]
    assert f"| {last['step']} | {last['validation/pass@1']:.3f} |" in card
    assert "baseline `corpo`" in card

    code, out, _ = _run(monkeypatch, capsys, push, policy, "me/verifier", "--dry-run")
    assert code == 0
    assert out.startswith("a model:\n")
    assert {line.split()[1] for line in out.splitlines()[1:]} == {path.name for path in policy.iterdir()}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, error = _run(monkeypatch, capsys, push, policy, "me/verifier")
    assert (code, error.count("\n")) == (2, 1)
    code, _, error = _run(monkeypatch, capsys, push, ROOT / "conf", "me/verifier")
    assert (code, error.count("\n")) == (2, 1)
