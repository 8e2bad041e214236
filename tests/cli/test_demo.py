"""`corpo demo`: real sampling, the same for the same seed, without files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from corpo.cli.compose import load_config
from corpo.cli.demo import parse
from corpo.cli.main import main
from corpo.pipeline import demo
from corpo.task import Pair, render_prompt
from corpo.utils.errors import ConfigError

SMALL = ("train.prompts_per_step=6", "train.group_size=8")


def _demo(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["demo", *SMALL, *arguments])
    return capsys.readouterr().out


def test_demo_samples_by_seed_and_writes_the_page_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first = _demo(capsys, "--html", "demo.html")
    assert os.listdir(tmp_path) == ["demo.html"]
    assert first.count("</think> A: ") + first.count("/think> A: ") >= 8
    assert "static  rewards no failure" in first
    assert "CoRPO   rewards no failure" in first
    assert "corpo demo seed=1" in first
    assert first.replace("page: demo.html\n", "") == _demo(capsys)
    assert first.splitlines()[3] != _demo(capsys, "seed=1").splitlines()[3], "another problem"


def test_think_tags_at_the_end_of_the_prompt_belong_to_the_responses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Open the think block in the prompt, as the chat templates of some models do."""

    def render(pair: Pair) -> str:
        return render_prompt(pair) + "<think>"

    monkeypatch.setattr(demo, "prompt_renderer", lambda config, tokenizer: render)
    responses = demo.sample_demo(load_config(SMALL)).responses
    assert {response[: len("<think>")] for response in responses} == {"<think>"}


def test_demo_refuses_other_problems_and_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "data=full"])
    assert "the demonstration needs data.problems=pipelines" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="give the file"):
        parse(["seed=1", "--html"])
    assert parse(["--html=a.html", "seed=1"]) == (["seed=1"], Path("a.html"))
