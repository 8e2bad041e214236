"""Options of the warm start that a policy for `data=pipelines` needs."""

from __future__ import annotations

from corpo.config import WarmStartConfig
from corpo.data.types import LabelledProblem, Use
from corpo.policy.nano import train_tokenizer
from corpo.task import Candidate, Domain
from corpo.train.sft import token_weights
from corpo.train.teachers import PairTeacher, short_problems

TEXTS = [
    "def f(xs):\n    ys = xs[2:]\n    return ys\n<think>;A;drop2:64;check:6644--;ok;B;rev:1;bad</think> A: 9"
] * 50


def test_tokens_of_words_keep_verdicts_and_digits_apart() -> None:
    tokenizer = train_tokenizer(TEXTS, 500)
    tokens = [tokenizer.decode(token) for token in tokenizer(TEXTS[0])["input_ids"]]
    assert "".join(tokens) == TEXTS[0]
    assert {";ok", ";bad", ";check:", ";rev:", "<think>", "\n    return ys"} <= set(tokens)
    assert all(token.isdigit() is False or len(token) == 1 for token in tokens)


def test_verdict_words_have_a_weight_of_their_own() -> None:
    tokenizer = train_tokenizer(TEXTS, 500)
    weights_V = token_weights(tokenizer, PairTeacher.weighted_texts, 3.0)
    ids = tokenizer(";ok;bad")["input_ids"]
    assert [float(weights_V[token]) for token in ids] == [3.0, 3.0]
    assert float(weights_V.sum()) == len(weights_V) + 4
    assert len(weights_V) == len(tokenizer)


def test_short_problems_are_half_of_each_domain() -> None:
    problems = []
    for domain in Domain:
        for length in range(1, 6):
            candidate = Candidate("x" * length, True, "reference")
            problems.append(
                LabelledProblem(
                    id=f"{domain}{length}",
                    domain=domain,
                    family="",
                    topic="",
                    use=Use.warm_start,
                    statements=(),
                    candidates=(candidate,),
                )
            )
    lengths = [(problem.domain, len(problem.candidates[0].text)) for problem in short_problems(problems)]
    assert lengths == [
        *((Domain.code, length) for length in (1, 2, 3)),
        *((Domain.math, length) for length in (1, 2, 3)),
    ]


def test_the_second_phase_is_a_short_warm_start_with_more_slips() -> None:
    config = WarmStartConfig()
    second = config.second_phase
    assert (second.steps, second.slips, second.lr) == (200, 0.05, 5e-4)
    assert (second.warmup_steps, second.evaluate_every, second.short_steps) == (20, 100, 0)
    assert (second.pairs, second.math_share, second.seed) == (config.pairs, config.math_share, config.seed)
