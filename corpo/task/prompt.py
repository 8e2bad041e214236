"""Render a pair as the prompt that the verifier reads."""

from __future__ import annotations

from corpo.task.types import Pair

COMPACT = "compact"  # for policies warm-started in this format, such as the shipped nano
INSTRUCT = "instruct"  # states the response format, for pretrained chat models

_INSTRUCTIONS = (
    "You are given a problem and two candidate solutions, A and B. "
    "Decide for each, on its own, whether it is correct: one, both or neither may be. "
    "Reason inside <think> and </think>, then give your confidence that each is correct "
    "as a number from 0 (certainly wrong) to 10 (certainly correct), in exactly this form:\n"
    "A: <number>\n"
    "B: <number>\n"
    "\n"
)


def render_prompt(pair: Pair, style: str = COMPACT) -> str:
    """Return the prompt text of a pair. `style` is COMPACT or INSTRUCT; any other raises ValueError."""
    body = f"{pair.problem.statement}\n[A]\n{pair.a.text}\n[B]\n{pair.b.text}\n"
    if style == COMPACT:
        return body
    if style == INSTRUCT:
        return _INSTRUCTIONS + body
    raise ValueError(f"prompt style {style!r}: choose {COMPACT!r} or {INSTRUCT!r}")


def chat_prompt(pair: Pair, tokenizer, style: str = INSTRUCT) -> str:  # type: ignore[no-untyped-def]
    """Return the prompt in a tokenizer's chat template, up to the start of the assistant's turn.

    COMPACT replaces the template's default system prompt with a few words.
    """
    messages = [{"role": "user", "content": render_prompt(pair, style)}]
    if style == COMPACT:
        messages.insert(0, {"role": "system", "content": "Verify A and B."})
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
