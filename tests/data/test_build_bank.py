"""Splits that do not leak, files that say what is wrong with them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from corpo.config import WarmStartConfig
from corpo.data.bank.base import Step
from corpo.data.bank.selection import Role, select
from corpo.data.build_bank import build
from corpo.data.candidates.worked_solutions import read_answer, solution_mutants, work_out, write_solution
from corpo.data.execution.labelling import LabelCache
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.drawing import (
    draw_pair,
    evaluation_pairs,
    monitored_pairs,
    train_pairs,
    without_programs,
)
from corpo.data.pairing.matching import longer
from corpo.data.pairing.splits import EVALUATION_SPLITS, MONITORED_SPLITS, TABLE_SPLITS, is_evaluation
from corpo.data.store import (
    content_hash,
    pair_rows,
    pairs_of,
    problem_rows,
    problems_of,
    read_rows,
    write_rows,
)
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain, Kind, Pair, Problem, Verdict, parse_response, render_prompt
from corpo.train.demonstrations import RATIONALES, Demonstrator, point, rewrite
from corpo.utils.errors import DataError

BANK = select(20, 4)


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledProblem]:
    cache = LabelCache(tmp_path_factory.mktemp("labels") / "labels.jsonl")
    return build(BANK, set(Use), seed=0, mutants_per_solution=2, sandbox=Sandbox(), cache=cache)


@pytest.fixture(scope="module")
def splits(problems: list[LabelledProblem]) -> dict[str, list[Pair]]:
    evaluation = evaluation_pairs(problems, BANK, 30, seed=0)
    learnable = without_programs(problems, {c.text for _, pair in evaluation for c in (pair.a, pair.b)})
    of_use = lambda use: [p for p in learnable if p.use is use]
    pairs = (
        train_pairs(of_use(Use.train), "train", 200, 0)
        + train_pairs(of_use(Use.validation), "validation", 20, 0)
        + evaluation
    )
    return {
        split: [pair for name, pair in pairs if name == split]
        for split in dict.fromkeys(name for name, _ in pairs)
    }


def _programs(pairs: list[Pair]) -> set[str]:
    return {c.text for pair in pairs for c in (pair.a, pair.b)}


def test_references_pass_and_most_mutants_fail(problems: list[LabelledProblem]) -> None:
    references = [c for p in problems for c in p.candidates if c.origin == "reference"]
    mutants = [c for p in problems for c in p.candidates if c.origin != "reference"]
    assert all(c.correct for c in references)
    wrong = [c for c in mutants if not c.correct]
    assert 0.8 < len(wrong) / len(mutants) < 1, "some mutants are equivalent: they are correct programs"
    assert all(c.error and c.passed < c.total for c in wrong)


def test_a_rationale_says_what_running_the_program_gives(problems: list[LabelledProblem]) -> None:
    checked = 0
    for candidate in (c for p in problems if p.domain is Domain.code for c in p.candidates):
        assert bool(candidate.evidence) is not candidate.correct
        told = re.fullmatch(r"(f\(.*\)) = (.+), not (.+)", candidate.evidence)
        if told and checked < 300:
            scope: dict[str, object] = {}
            exec(candidate.text, scope)
            assert repr(eval(told[1], scope)) == told[2] != told[3]
            checked += 1
    assert checked == 300


def test_rationales_of_a_pair() -> None:
    pair = Pair(
        Problem("1", Domain.code, "family", "topic", "Double x."),
        Candidate("def f(x):\n    return x * 2", True, "reference"),
        Candidate("def f(x):\n    return x + 2", False, "arithmetic", line=2, evidence="f(0) = 2, not 0"),
    )
    right = ["def f(x):\n    y = x\n    return y + x", "def f(x):\n    return x * 2"]
    assert point(pair, right) == "A fine B line 2"
    assert rewrite(pair.swapped(), right) == "A\n    y = x\nbad\nB\n    return x * 2\nfine\n"
    longer = replace(pair, b=replace(pair.b, text="def f(x):\n    y = x\n    return y - x", line=3))
    assert rewrite(longer, right) == "A\n    return x * 2\nfine\nB\n    y = x\n    return y + x\nbad\n"
    demonstration = Demonstrator(render_prompt, "rewrite", 0.0).demonstrate(pair, right, Random(0))
    verdict = parse_response(demonstration.response)
    assert isinstance(verdict, Verdict)
    assert verdict.is_correct(pair.labels)
    for name in RATIONALES:
        WarmStartConfig(rationale=name)


def test_no_leakage(problems: list[LabelledProblem], splits: dict[str, list[Pair]]) -> None:
    evaluated = [pair for name in EVALUATION_SPLITS for pair in splits[name]]
    held_out = [pair for name in TABLE_SPLITS for pair in splits[name]]
    learned = splits["train"] + splits["validation"]
    assert not _programs(evaluated) & _programs(learned)
    assert not {p.problem.id for p in evaluated} & {p.problem.id for p in learned}
    assert not {p.problem.family for p in held_out} & {p.problem.family for p in splits["train"]}
    assert not {p.problem.family for p in splits["validation"]} & {p.problem.family for p in splits["train"]}
    assert not {p.id for p in evaluated} & {p.id for p in learned}, (
        "nor any swap: a pair and its swap share an id"
    )
    warm = without_programs([p for p in problems if p.use is Use.warm_start], _programs(evaluated))
    assert not {c.text for p in warm for c in p.candidates} & _programs(evaluated)
    assert not {p.id for p in warm} & {p.problem.id for p in evaluated + learned}


def test_both_orders_and_kinds(splits: dict[str, list[Pair]]) -> None:
    assert {p.swapped() for p in splits["code_first_correct"]} == set(splits["code_second_correct"])
    assert {p.swapped() for p in splits["math_first_correct"]} == set(splits["math_second_correct"])
    for name in ("train", "validation", "code_both_wrong", "code_both_correct"):
        assert {p.swapped() for p in splits[name]} == set(splits[name])
    for name in ("train", "validation"):
        assert {p.kind for p in splits[name]} == {Kind.first_correct, Kind.second_correct}
    for name in TABLE_SPLITS:
        assert {str(p.kind) for p in splits[name]} == {name.split("_", 1)[1]}


def test_the_longer_candidate_is_no_more_often_the_correct_one(
    problems: list[LabelledProblem], splits: dict[str, list[Pair]]
) -> None:
    for name in ("train", "code_first_correct", "math_first_correct"):
        pairs = [p if p.a.correct else p.swapped() for p in splits[name]]
        assert abs(sum(longer(p.a, p.b) for p in pairs)) <= 0.1 * len(pairs), name
    math = [p for p in problems if p.domain is Domain.math and p.use is Use.evaluation]
    blind = [
        pair for p in math for seed in range(10) if (pair := draw_pair(p, Kind.first_correct, Random(seed)))
    ]
    assert abs(sum(longer(p.a, p.b) for p in blind)) > 0.1 * len(blind), "drawn blindly, length tells"


def test_stratified_over_families(splits: dict[str, list[Pair]]) -> None:
    for name in TABLE_SPLITS:
        counts = Counter(pair.problem.family for pair in splits[name])
        assert max(counts.values()) <= 2 * min(counts.values()), name
    assert set(BANK.roles.values()) == set(Role)


def test_a_part_of_the_bank_gives_the_same_problems_as_the_whole(problems: list[LabelledProblem]) -> None:
    family = BANK.with_role(Role.train)[0]
    mine = [p.statements for p in problems if p.family == family.name]
    alone = build(type(BANK)((family,), (), {family.name: Role.train}), set(Use), 0, 2, Sandbox(), None)
    assert [p.statements for p in alone] == mine


def test_training_can_have_pairs_of_every_kind(problems: list[LabelledProblem]) -> None:
    mine = [p for p in problems if p.use is Use.train]
    kinds = Counter(
        pair.kind for _, pair in train_pairs(mine, "train", 40, 0, both_wrong=0.25, both_correct=0.5)
    )
    assert kinds == {
        Kind.first_correct: 10,
        Kind.second_correct: 10,
        Kind.both_wrong: 20,
        Kind.both_correct: 40,
    }
    assert all(
        pair.kind in MONITORED_SPLITS and not is_evaluation(split)
        for split, pair in monitored_pairs(mine, 10, 0)
    )


def test_too_few_candidates_is_said(problems: list[LabelledProblem]) -> None:
    with pytest.raises(ValueError, match="different first_correct pairs"):
        train_pairs([p for p in problems if p.use is Use.validation][:1], "train", 10_000, 0)


def test_files_round_trip(
    tmp_path: Path, problems: list[LabelledProblem], splits: dict[str, list[Pair]]
) -> None:
    rows = problem_rows(problems[:20])
    write_rows(tmp_path / "problems.parquet", rows)
    assert problem_rows(problems_of(read_rows(tmp_path / "problems.parquet"))) == rows
    named = [(name, pair) for name, pairs in splits.items() for pair in pairs[:4]]
    write_rows(tmp_path / "pairs.parquet", pair_rows(named))
    assert pairs_of(read_rows(tmp_path / "pairs.parquet"), "x") == named
    assert content_hash(pair_rows(named)) == content_hash(pair_rows(list(named)))


def test_bad_rows_are_named(tmp_path: Path, splits: dict[str, list[Pair]]) -> None:
    good = pair_rows([("train", splits["train"][0])])[0]
    path = tmp_path / "mine.jsonl"

    def message(*rows: object) -> str:
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        with pytest.raises(DataError) as caught:
            pairs_of(read_rows(path), str(path))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "row 2" in message(good, "{")
    assert "not JSON" in message(good, "{")
    assert "expected a JSON object" in message(good, [1])
    missing = {k: v for k, v in good.items() if k != "b_text"}
    assert "row 1: field 'b_text' is missing" in message(missing)
    assert "field 'a_correct' is 'yes', expected bool" in message({**good, "a_correct": "yes"})
    assert "field 'domain'" in message({**good, "domain": "law"})
    assert "the labels make it" in message({**good, "kind": "both_wrong"})
    path.with_suffix(".parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_rows(path.with_suffix(".parquet"))
    with pytest.raises(DataError, match="no such file"):
        read_rows(tmp_path / "none.jsonl")


def test_worked_solutions() -> None:
    steps = (Step("boxed", "a * b", "in boxes"), Step("all", "boxed + c", "in all"))
    values = {"a": 3, "b": 4, "c": 5}
    text = write_solution(work_out(steps, values))
    assert text == "in boxes: 3 * 4 = 12\nin all: 12 + 5 = 17\nanswer: 17"
    assert read_answer(text) == 17
    assert read_answer("answer: many") is read_answer("17") is None
    mutants = solution_mutants(steps, values, Random(0))
    assert len({m.text for m in mutants}) == len(mutants) > 5
    assert any(read_answer(m.text) == 17 for m in mutants if m.mutation == "swapped"), "4 * 3 is no mistake"
    carried = [m for m in mutants if m.mutation == "arithmetic" and m.line == 1]
    assert all(read_answer(m.text) != 17 for m in carried), "a slip is carried on to the answer"
