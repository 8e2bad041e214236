"""Option names of the last release are accepted with a notice."""

from __future__ import annotations

import pytest

from corpo.cli.old_options import OLD_OPTION_NAMES, translate_old_options
from corpo.cli.options import option_names
from corpo.config import Config


def test_every_new_name_exists_and_no_old_name_does() -> None:
    names = set(option_names(Config()))
    assert set(OLD_OPTION_NAMES.values()) <= names
    assert not names & set(OLD_OPTION_NAMES)


def test_old_names_are_replaced_with_a_notice_each(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "-m",
        "train.group=4,8",
        "+rollout.vllm.memory=0.5",
        "seed=1",
        "~track.to",
        "train.groups=4",
        "candidates.rollout.rows=8",
    ]
    assert translate_old_options(arguments) == [
        "-m",
        "train.group_size=4,8",
        "+rollout.vllm.gpu_memory_utilization=0.5",
        "seed=1",
        "~track.trackers",
        "train.groups=4",
        "candidates.rollout.max_rows=8",
    ]
    notices = capsys.readouterr().err.splitlines()
    assert len(notices) == 4
    assert notices[0].startswith("corpo: train.group is now called train.group_size")
