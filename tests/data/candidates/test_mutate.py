"""Mutate programs."""

from __future__ import annotations

import ast

from corpo.data.bank.base import fill
from corpo.data.bank.selection import CODE_FAMILIES
from corpo.data.candidates.mutate import program_mutants


def test_mutants_are_different_programs() -> None:
    source = fill(CODE_FAMILIES[0].solutions[0], CODE_FAMILIES[0].all_params()[0])
    mutants = program_mutants(source)
    assert len({mutant.text for mutant in mutants}) == len(mutants) > 5
    for mutant in mutants:
        assert ast.unparse(ast.parse(mutant.text)) == mutant.text != source
        assert 1 <= mutant.line <= len(mutant.text.split("\n"))


def test_a_letter_with_a_long_lower_case_is_mutated() -> None:
    assert [mutant.text for mutant in program_mutants("c = 'İ'")] == ["c = 'j'"]
