"""Test the verifier task: grammar, ordinal reward, and symmetry in the order of candidates."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError

from corpo.task import (
    Candidate,
    ConfidenceReward,
    Domain,
    Fault,
    Kind,
    OrdinalReward,
    Pair,
    Problem,
    Reward,
    Verdict,
    build_reward,
    chat_prompt,
    complete_responses,
    format_response,
    parse_response,
    register_reward,
    render_prompt,
)
from corpo.utils.errors import ModelError

PROBLEM = Problem("p", Domain.code, "family", "topic", "Return 1.")
RIGHT, WRONG = (
    Candidate("def f():\n    return 1", True, "reference"),
    Candidate("def f():\n    return 2", False, "constant", 2),
)
SCORES = st.floats(0, 10).map(lambda x: round(x, 2))
LABELS = st.tuples(st.booleans(), st.booleans())


@pytest.mark.kind("responses of chat models and base models")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think></think> A: 9 B: 1", Verdict(9, 1)),
        ("<think>so\nit is</think>\nA: 7.5, B: 0\n", Verdict(7.5, 0)),
        ("  <think>x</think>A:10 B:10", Verdict(10, 10)),
        ("A: 9 B: 1", Fault.no_think),
        ("", Fault.no_think),
        ("<think>on and on", Fault.unclosed_think),
        ("<think>a</think><think>b</think> A: 1 B: 1", Fault.second_think),
        ("<think>a</think> A: 1 B: 1</think>", Fault.second_think),
        ("<think>a</think> A: 9", Fault.no_scores),
        ("<think>a</think> A: 9 B: 1 C: 3", Fault.no_scores),
        ("<think>a</think> B: 9 A: 1", Fault.no_scores),
        ("<think>a</think> A: 11 B: 1", Fault.out_of_range),
        ("<think>a</think> A: -1 B: 1", Fault.no_scores),
        ("<think>a</think> A: nan B: 1", Fault.no_scores),
        ("<think>a</think> A: 9 B: ١", Fault.no_scores),
        ("B adds.\n</think>\nA: 9\nB: 1", Verdict(9, 1)),
        ("a</think> A: 1 B: 1</think>", Fault.second_think),
        ("a<think></think> A: 1 B: 1", Fault.no_think),
        ("<think>a</think>\nA: 9 (correct)\nB: 1 - wrong, it adds", Verdict(9, 1)),
        ("<think>a</think>\n**A: 9**\n**B:** 1/10", Verdict(9, 1)),
        ("<think>a</think> A: 9 out of 10, B: 1 out of 10.", Verdict(9, 1)),
        ("<think>a</think> A: 9, correct; B: 1, wrong", Verdict(9, 1)),
        ("<think>a</think> A: 9 or 2 B: 1", Fault.no_scores),
        ("<think>a</think> A: 9 B: 1\nA: 2 B: 8", Fault.no_scores),
        ("<think>a</think> A: 9 B: 1\nWait, no.", Fault.no_scores),
        ("<think>a</think> A: 9 B: 1\n\nQuestion: Add.\n<think>b</think> A: 2 B: 8", Verdict(9, 1)),
        ("<think>a</think> A: 9 B: 1\nAdd two.\n[A]\nx\n[B]\ny\n<think></think> A: 2 B: 8", Verdict(9, 1)),
    ],
)
def test_parse_response_follows_the_grammar(text: str, expected: object) -> None:
    assert parse_response(text) == expected


@given(st.text() | st.text(alphabet="<think>/AB: 0123456789.,\n").map(lambda t: "<think></think>" + t))
def test_parse_response_never_raises(text: str) -> None:
    verdict = parse_response(text)
    assert isinstance(verdict, Fault) or all(0 <= score <= 10 for score in verdict.scores)


@given(SCORES, SCORES)
def test_format_and_parse_are_inverse(a: float, b: float) -> None:
    assert parse_response(format_response("why", a, b)) == Verdict(float(f"{a:g}"), float(f"{b:g}"))


@given(SCORES, SCORES, LABELS, st.sampled_from([2, 3, 5, 10]))
def test_swapping_changes_no_reward(a: float, b: float, labels: tuple[bool, bool], levels: int) -> None:
    reward, verdict = OrdinalReward(levels), Verdict(a, b)
    assert reward(verdict, labels) == reward(verdict.swapped(), labels[::-1])


@given(SCORES, SCORES, LABELS, st.sampled_from([2, 3, 5, 10]))
def test_failures_lie_below_the_threshold_and_successes_do_not(
    a: float, b: float, labels: tuple[bool, bool], levels: int
) -> None:
    reward, verdict = OrdinalReward(levels), Verdict(a, b)
    assert (reward(verdict, labels) >= reward.threshold) == verdict.is_correct(labels)


@given(SCORES, SCORES, SCORES, LABELS, st.sampled_from([3, 5, 10]))
def test_more_support_for_the_truth_never_earns_less(
    a: float, b: float, better: float, labels: tuple[bool, bool], levels: int
) -> None:
    reward = OrdinalReward(levels)
    improved = max(a, better) if labels[0] else min(a, better)
    assert reward(Verdict(improved, b), labels) >= reward(Verdict(a, b), labels)


def test_ordinal_reward_has_and_uses_its_levels() -> None:
    assert OrdinalReward(2).failures + OrdinalReward(2).successes == (-1, 1)
    assert OrdinalReward(3).failures + OrdinalReward(3).successes == (-1, -0.5, 1)
    assert OrdinalReward(10).failures + OrdinalReward(10).successes == (
        -1,
        -0.8,
        -0.6,
        -0.4,
        -0.2,
        0.2,
        0.4,
        0.6,
        0.8,
        1,
    )
    for levels in (2, 3, 5, 10):
        reward = OrdinalReward(levels)
        verdicts = (Verdict(a / 4, b / 4) for a, b in product(range(41), repeat=2))
        values = {reward(verdict, (True, False)) for verdict in verdicts}
        assert values == set(reward.failures + reward.successes), "a level is never given"
    assert OrdinalReward()(Fault.no_scores, (True, False)) == -1


@given(SCORES, SCORES, LABELS, LABELS, st.sampled_from([2, 3, 5, 10]))
def test_failures_by_confidence_do_not_depend_on_verdict_or_labels(
    a: float, b: float, labels: tuple[bool, bool], other_labels: tuple[bool, bool], levels: int
) -> None:
    reward = ConfidenceReward(levels)
    mirrored = [Verdict(*scores) for scores in product((a, round(10 - a, 2)), (b, round(10 - b, 2)))]
    failures = [reward(verdict, labels) for verdict in mirrored if not verdict.is_correct(labels)]
    failures += [
        reward(verdict, other_labels) for verdict in mirrored if not verdict.is_correct(other_labels)
    ]
    assert len(failures) >= 6, "each pair of labels has one success at most"
    assert len(set(failures)) == 1
    for verdict in mirrored:
        if verdict.is_correct(labels):
            assert reward(verdict, labels) == OrdinalReward(levels)(verdict, labels)


@given(SCORES, SCORES, SCORES, LABELS)
def test_a_less_confident_failure_never_earns_less(
    a: float, b: float, nearer: float, labels: tuple[bool, bool]
) -> None:
    reward, verdict = ConfidenceReward(), Verdict(a, b)
    if verdict.is_correct(labels):
        return
    calmer = Verdict(5 + (a - 5) * nearer / 10, b)
    assert not calmer.is_correct(labels)
    assert reward(calmer, labels) >= reward(verdict, labels)


def test_the_default_reward_prefers_half_right_failures_and_confidence_does_not() -> None:
    """Compare the failures of equal confidence on a training pair: both correct, both wrong, swapped."""
    failures = [Verdict(9, 9), Verdict(1, 1), Verdict(1, 9)]
    both_correct, both_wrong, swapped = (OrdinalReward()(verdict, (True, False)) for verdict in failures)
    assert both_correct == both_wrong > swapped
    assert {ConfidenceReward()(verdict, (True, False)) for verdict in failures} == {-0.8}
    scores = (0, 1, 2, 3, 4, 6, 7, 8, 9, 10)  # those that the base policy writes
    levels = {ConfidenceReward()(Verdict(*pair), (True, False)) for pair in product(scores, repeat=2)}
    assert set(ConfidenceReward().failures) <= levels, "a level of failure is never given"
    assert ConfidenceReward()(Fault.no_scores, (True, False)) == -1


@pytest.mark.parametrize("threshold", [-1.0, -0.2, 0.21, 1.0])
def test_a_threshold_on_the_wrong_side_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        OrdinalReward(10, threshold)


def test_a_score_on_the_cut_decides_nothing() -> None:
    assert not Verdict(5, 0).is_correct((True, False))
    assert not Verdict(5, 0).is_correct((False, False))


def test_swapping_a_pair_swaps_candidates_and_kind_but_not_id() -> None:
    pair = Pair(PROBLEM, RIGHT, WRONG)
    assert pair.kind is Kind.first_correct
    assert pair.swapped().kind is Kind.second_correct
    assert pair.swapped().swapped() == pair
    assert pair.id == pair.swapped().id
    assert render_prompt(pair) == "Return 1.\n[A]\ndef f():\n    return 1\n[B]\ndef f():\n    return 2\n"
    with pytest.raises(ValueError, match="style"):
        render_prompt(pair, "loud")


def _brier(levels: int, threshold: float) -> Reward:
    """Make a reward without levels, from the squared distance of scores and labels."""

    class Brier:
        def __init__(self) -> None:
            self.threshold = threshold

        def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float:
            if isinstance(response, Fault):
                return -2.0
            error = (
                sum((score / 10 - label) ** 2 for score, label in zip(response.scores, labels, strict=True))
                / 2
            )
            return 0.5 - error if response.is_correct(labels) else -error

    return Brier()


def test_a_registered_reward_has_to_separate_successes_from_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpo.task.reward.REWARDS", {})
    register_reward("brier")(_brier)
    built = build_reward("brier", 10, 0.0, {})
    assert built(Verdict(10, 0), (True, False)) == 0.5
    with pytest.raises(
        ValueError, match=r"'brier': gives .* to .*, but it must be below reward.threshold=-0.3"
    ):
        build_reward("brier", 10, -0.3, {})
    with pytest.raises(ValueError, match="choose one of brier"):
        build_reward("ordinal", 10, 0.0, {})


def test_the_ordinal_reward_built_by_name_is_the_class() -> None:
    assert build_reward("ordinal", 3, 0.0, {}) == OrdinalReward(3)


@pytest.mark.parametrize("tail", [" ", " a" + " ", ", ", "a "])
@pytest.mark.parametrize("scores", ["A: 9", "A: 9 a", "A: 9 B: 1", "A: 9 B: 1 a"])
def test_a_response_that_repeats_itself_without_end_is_a_fault(scores: str, tail: str) -> None:
    assert parse_response(f"<think></think> {scores}{100_000 * tail}!") is Fault.no_scores


class _Tokenizer:
    """A tokenizer whose chat template refuses some roles."""

    name_or_path = "model"
    chat_template = "a template"

    def __init__(self, *refused: str) -> None:
        self.refused = refused

    def apply_chat_template(self, messages: list[dict[str, str]], **options: bool) -> str:
        for message in messages:
            if message["role"] in self.refused:
                raise TemplateError(f"{message['role']} role not supported")
        return "".join(f"<{message['role']}>{message['content']}" for message in messages)


@pytest.mark.kind("responses of chat models and base models")
def test_a_template_without_a_system_role_gets_the_words_in_the_message_of_the_user() -> None:
    prompt, system = render_prompt(Pair(PROBLEM, RIGHT, WRONG)), "Verify A and B."
    assert chat_prompt(prompt, _Tokenizer(), system).startswith("<system>Verify A and B.<user>Return 1.")
    assert chat_prompt(prompt, _Tokenizer("system"), system).startswith("<user>Verify A and B.\n\nReturn 1.")
    assert chat_prompt(prompt, _Tokenizer()).startswith("<user>Return 1.")
    with pytest.raises(ModelError, match="refuses the prompt"):
        chat_prompt(prompt, _Tokenizer("system", "user"), system)


@pytest.mark.kind("responses of chat models and base models")
def test_a_tokenizer_without_a_template_is_refused() -> None:
    tokenizer = _Tokenizer()
    tokenizer.chat_template = None  # type: ignore[assignment]
    with pytest.raises(ModelError, match="has no chat template"):
        chat_prompt("Return 1.", tokenizer)


@pytest.mark.kind("responses of chat models and base models")
@pytest.mark.parametrize(
    ("end_of_prompt", "completion"),
    [
        ("<assistant>", "<think>B adds.</think> A: 9 B: 1"),
        ("<assistant><think>\n", "B adds.\n</think>\nA: 9 B: 1"),
        ("<assistant><think>\n\n</think>\n\n", "A: 9 B: 1"),
    ],
)
def test_think_tags_at_the_end_of_the_prompt_belong_to_the_response(
    end_of_prompt: str, completion: str
) -> None:
    [[response]] = complete_responses([f"Square x.{end_of_prompt}"], [[completion]])
    assert parse_response(response) == Verdict(9, 1)
