"""What `make setup` installs: every package that an installation needs, by version and hash."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.command import ROOT

BY_VERSION_ONLY = re.compile(r"torch|triton|(nvidia|cuda)-.*")  # builds for CPUs and for CUDA differ


def _blocks() -> dict[str, Requirement]:
    """Of requirements.txt, by name; each with its hashes."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text()):
        told, *hashes = block.replace("\\\n", " ").split(" --hash=")
        assert hashes, f"{told}: without a hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one) for one in hashes), told
        requirement = Requirement(told.strip())
        found[canonicalize_name(requirement.name)] = requirement
    return found


def test_pins_agree_and_hold_what_an_installation_needs() -> None:
    blocks = _blocks()
    constrained = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line]
    for one in constrained:
        assert str(blocks.get(canonicalize_name(one.name), one).specifier) == str(one.specifier), one.name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    open_ones, seen = [*map(Requirement, project["dependencies"]), Requirement("corpo[dev]")], set()
    while open_ones:
        needed = open_ones.pop()
        name = canonicalize_name(needed.name)
        if (name, extras := frozenset(needed.extras)) in seen or BY_VERSION_ONLY.fullmatch(name):
            continue
        seen.add((name, extras))
        if name != "corpo":
            assert name in blocks, (
                f"{name} is not in requirements.txt; docs/safety.md says how to write it again"
            )
            assert next(iter(blocks[name].specifier)).version in needed.specifier, needed
        for text in distribution(name).requires or ():
            inner = Requirement(text)
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in extras or {""}
            ):
                open_ones.append(inner)
