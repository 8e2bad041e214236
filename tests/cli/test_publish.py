"""`corpo publish`: a trained policy has a card, and only complete folders are uploaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpo.utils.files import read_jsonl
from tests.cli.test_verify import run_main
from tests.command import ROOT


@pytest.fixture
def policy(results: Path, where: list[str]) -> Path:
    """Return a policy that the tiny study trained with CoRPO."""
    outputs = Path(where[1].removeprefix("outputs="))
    for card in outputs.glob("train/*/policy/README.md"):
        if "baseline `corpo`" in card.read_text():
            return card.parent
    raise AssertionError("no trained policy")


def test_card_shows_the_validation_curve(policy: Path) -> None:
    card = (policy / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    metrics = read_jsonl(policy.parent / "metrics.jsonl")
    last = [record for record in metrics if "validation/pass@1" in record][-1]
    assert f"| {last['step']} | {last['validation/pass@1']:.3f} |" in card


def test_dry_run_lists_the_files_of_a_policy(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run_main(capsys, "publish", "upload", policy, "me/verifier", "--dry-run")
    assert code == 0
    first, *lines = output.splitlines()
    assert first.startswith("model with ")
    assert {line.split()[1] for line in lines} == {path.name for path in policy.iterdir()}


def test_upload_without_a_hub_or_of_another_folder_is_refused_in_one_line(
    policy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for folder in (policy, ROOT / "conf", ROOT / "no_such_folder"):
        code, _, error = run_main(capsys, "publish", "upload", folder, "me/verifier")
        assert (code, error.count("\n")) == (2, 1), error
