"""Check that `make setup` pins every package that an installation needs, by version and hash."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution, packages_distributions
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from corpo.cli.failure import PIPELINE_MODULES
from tests.command import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Builds of these for CPUs and for CUDA share a version and differ in their hashes.
PINNED_BY_VERSION_ONLY = re.compile(r"torch|triton|(nvidia|cuda)-.*")


def _pinned() -> dict[str, Requirement]:
    """Return the packages of requirements.txt by name, after checking that each has valid hashes."""
    pinned: dict[str, Requirement] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text()):
        text, *hashes = block.replace("\\\n", " ").split(" --hash=")
        assert hashes, f"{text}: without a hash"
        for file_hash in hashes:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}\s*", file_hash), text
        requirement = Requirement(text.strip())
        pinned[canonicalize_name(requirement.name)] = requirement
    return pinned


def _required_by(requirement: Requirement) -> list[Requirement]:
    """Return what a requirement and its extras need on this machine.

    The project's own needs are read from pyproject.toml, so that an older installation of it does not matter.
    """
    if requirement.name == PROJECT["name"]:
        texts = list(PROJECT["dependencies"])
        for extra in requirement.extras:
            texts += PROJECT["optional-dependencies"][extra]
        return [Requirement(text) for text in texts]
    needed = []
    for text in distribution(requirement.name).requires or ():
        inner = Requirement(text)
        extras = requirement.extras or {""}
        if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
            needed.append(inner)
    return needed


def test_constraints_and_requirements_agree() -> None:
    pinned = _pinned()
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line:
            continue
        constraint = Requirement(line)
        requirement = pinned.get(canonicalize_name(constraint.name), constraint)
        assert str(requirement.specifier) == str(constraint.specifier), constraint.name


def test_everything_that_an_installation_needs_is_pinned() -> None:
    pinned = _pinned()
    queue, seen = [Requirement(f"{PROJECT['name']}[dev]")], set()
    while queue:
        needed = queue.pop()
        name = canonicalize_name(needed.name)
        if (name, frozenset(needed.extras)) in seen or PINNED_BY_VERSION_ONLY.fullmatch(name):
            continue
        seen.add((name, frozenset(needed.extras)))
        queue += _required_by(needed)
        if name != PROJECT["name"]:
            assert name in pinned, (
                f"{name} is not in requirements.txt; docs/explanation/safety.md says how to write it again"
            )
            assert next(iter(pinned[name].specifier)).version in needed.specifier, needed


def test_torch_is_the_only_hard_dependency() -> None:
    assert [Requirement(text).name for text in PROJECT["dependencies"]] == ["torch"]


def test_the_error_for_a_missing_extra_knows_the_modules_of_every_package() -> None:
    packages = set()
    for module in PIPELINE_MODULES:
        packages |= {canonicalize_name(package) for package in packages_distributions()[module]}
    extra = PROJECT["optional-dependencies"]["pipeline"]
    assert packages == {canonicalize_name(Requirement(text).name) for text in extra}
