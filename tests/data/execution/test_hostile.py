"""Every hostile candidate gets its label, harms no neighbour and leaves nothing behind, at every level of isolation that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.robustness.hostile import SUITE, Hostile, Scene, capabilities, observe, scene
from corpo.data.execution.sandbox import Isolation, available_isolation

LEVELS = [Isolation.process] + (
    [Isolation.namespaces] if available_isolation() is Isolation.namespaces else []
)


@pytest.fixture(scope="module", params=LEVELS)
def stage(request: pytest.FixtureRequest) -> Iterator[tuple[Isolation, Scene, set[str]]]:
    with scene() as made:
        yield request.param, made, capabilities(request.param, made)


@pytest.mark.parametrize("hostile", SUITE, ids=lambda hostile: hostile.name)
def test_a_hostile_candidate(
    hostile: Hostile, stage: tuple[Isolation, Scene, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    isolation, made, kept = stage
    if hostile.needs not in ("", *kept):
        pytest.skip(f"on this machine isolation={isolation} keeps no {hostile.needs} from programs")
    monkeypatch.setenv("CORPO_SECRET", "1")
    seen = observe(hostile, isolation, made)
    assert not any(label.correct for label in seen.labels)
    assert {label.error for label in seen.labels} <= set(hostile.outcomes)
    assert seen.neighbours_right, "a neighbour was affected"
    assert seen.leftovers == ()
