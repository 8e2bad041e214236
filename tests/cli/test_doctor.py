"""`corpo doctor`: this machine is fit, and what is missing is named with its remedy."""

from __future__ import annotations

import re

import pytest

from corpo.cli import doctor
from tests.cli.test_verify import run_main


def test_doctor_finds_this_machine_fit_and_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ("no-such", "nothing", "pip install no-such")
    monkeypatch.setitem(doctor.OPTIONAL_PACKAGES, "no_such_module", missing)
    code, output, _ = run_main(capsys, "doctor")
    assert code == 0
    for part in ("torch", "sandbox", "disk", "base policy", "CPU"):
        assert re.search(rf"[✓–] +{part}", output)
    assert re.search(r"– +no-such +not installed +for nothing: pip install no-such", output)


def test_doctor_fails_without_a_base_policy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "model_path", lambda config: "no/such/policy")
    code, output, _ = run_main(capsys, "doctor")
    assert code == 1
    assert re.search(r"✗ +base policy", output)
