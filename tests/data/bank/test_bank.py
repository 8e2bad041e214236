"""Check the bank: solutions agree, parameters matter, numbers stay small."""

from __future__ import annotations

import ast
import copy
from random import Random

import pytest

from corpo.data.bank.base import CodeFamily, MathFamily, fill
from corpo.data.bank.selection import CODE_FAMILIES, MATH_FAMILIES
from corpo.data.candidates.worked_solutions import work_out


def _run(source: str, calls: list[tuple]) -> list[object]:
    scope: dict = {}
    exec(source, scope)  # the bank's own solutions, not candidates
    return [scope["f"](*copy.deepcopy(args)) for args in calls]


def test_the_bank_has_enough_families_with_different_names() -> None:
    assert len(CODE_FAMILIES) >= 60
    assert len(MATH_FAMILIES) >= 15
    names = [family.name for family in (*CODE_FAMILIES, *MATH_FAMILIES)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("family", CODE_FAMILIES, ids=lambda family: family.name)
def test_solutions_of_a_code_family_agree_and_its_parameters_matter(family: CodeFamily) -> None:
    all_params = family.all_params()
    assert len(all_params) >= 16
    assert len(family.statements) >= 3
    assert len(family.solutions) >= 3
    rng = Random(0)
    calls = list(family.edges)
    for params in all_params:
        calls += [family.inputs(rng, params) for _ in range(8)]
    behaviours = set()
    texts: set[str] = set()
    for params in all_params:
        sources = [fill(source, params) for source in family.solutions]
        assert [ast.unparse(ast.parse(source)) for source in sources] == sources
        own_calls = [*family.edges, *(family.inputs(rng, params) for _ in range(40))]
        results = [_run(source, own_calls) for source in sources]
        assert all(repr(result) == repr(results[0]) for result in results[1:]), params
        behaviours.add(repr(_run(sources[0], calls)))
        assert not texts & set(sources), "two parametrisations share a program"
        texts |= set(sources)
        assert len({fill(statement, params) for statement in family.statements}) >= 3
    # Some parameters give equal programs: x > 3 is x >= 4 for integers.
    assert len(behaviours) >= 0.4 * len(all_params), "parameters hardly matter"


@pytest.mark.parametrize("family", MATH_FAMILIES, ids=lambda family: family.name)
def test_solutions_of_a_math_family_agree_and_stay_below_100(family: MathFamily) -> None:
    rng = Random(0)
    for _ in range(300):
        values = family.draw(rng)
        routes = [work_out(steps, values) for steps in family.solutions]
        assert len({lines[-1].result for lines in routes}) == 1, values
        for lines in routes:
            assert all(0 < line.result < 100 for line in lines), values
            assert all(line.operator != "//" or line.left % line.right == 0 for line in lines)
        for statement in family.statements:
            fill(statement, values)
