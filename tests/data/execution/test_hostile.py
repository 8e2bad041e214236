"""Run hostile candidates at every level of isolation that this machine has.

Every candidate gets its label, harms no neighbour and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from corpo.data.execution.sandbox import Isolation
from tests.data.execution.hostile_programs import (
    HOSTILE_PROGRAMS,
    LEVELS,
    Hostile,
    Scene,
    available_protections,
    observe,
    open_scene,
)

Stage = tuple[Isolation, Scene, set[str]]


@pytest.fixture(scope="module", params=LEVELS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with open_scene() as scene:
        yield request.param, scene, available_protections(request.param, scene)


@pytest.mark.parametrize("hostile", HOSTILE_PROGRAMS, ids=lambda hostile: hostile.name)
def test_a_hostile_candidate_is_labelled_and_contained(
    hostile: Hostile, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolation, scene, protections = stage
    if hostile.needs not in ("", *protections):
        pytest.skip(f"this machine's sandbox does not protect {hostile.needs} with isolation={isolation}")
    monkeypatch.setenv("CORPO_SECRET", "1")
    observed = observe(hostile, isolation, scene)
    assert not observed.labelled_correct
    assert {label.error for label in observed.labels} <= set(hostile.outcomes)
    assert observed.neighbours_right, "a neighbour was affected"
    assert observed.leftovers == ()
