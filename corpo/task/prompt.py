"""Render a pair as the prompt that the verifier reads."""

from __future__ import annotations

import re

from corpo.task.types import Pair
from corpo.utils.errors import ModelError

COMPACT = "compact"  # for policies warm-started in this format, such as the shipped nano
INSTRUCT = "instruct"  # states the response format, for pretrained chat models

_COMPACT_PROMPT = re.compile(r"(.*?)\n\[A\]\n(.*?)\n\[B\]\n(.*)\n(.*?)", re.DOTALL)
COMPACT_SYSTEM = "Verify A and B."
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
    body = _compact(pair.problem.statement, pair.a.text, pair.b.text)
    if style == COMPACT:
        return body
    if style == INSTRUCT:
        return _INSTRUCTIONS + body
    raise ValueError(f"prompt style {style!r}: choose {COMPACT!r} or {INSTRUCT!r}")


def separate_prompts(prompt: str) -> tuple[str, str, str]:
    """Return two prompts that show one candidate each, and the start of a response at their ends.

    `prompt` is that of a pair in the style COMPACT, perhaps followed by the start of a response without a
    line break. The first prompt shows candidate A in both places, the second one candidate B. So a policy
    that knows prompts of pairs can read them. Raises ValueError for any other text.
    """
    match = _COMPACT_PROMPT.fullmatch(prompt)
    if match is None:
        raise ValueError(f"the prompt {prompt!r} does not show one candidate A and one candidate B")
    statement, *candidates, start = match.groups()
    prompt_a, prompt_b = (f"{_compact(statement, text, text)}{start}" for text in candidates)
    return prompt_a, prompt_b, start


def _compact(statement: str, text_a: str, text_b: str) -> str:
    return f"{statement}\n[A]\n{text_a}\n[B]\n{text_b}\n"


def chat_prompt(prompt: str, tokenizer, system: str = "") -> str:  # type: ignore[no-untyped-def]
    """Return a prompt in a tokenizer's chat template, up to the start of the assistant's turn.

    `system` replaces the template's default system prompt, which stays if it is empty. If a template refuses
    a system message, it begins the user's message. Raises ModelError if there is no template, or if it
    refuses a user's message.
    """
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        raise ModelError(
            f"model.chat_template=true: the tokenizer of {tokenizer.name_or_path} has no chat template; "
            "set model.chat_template=false, or choose a chat model"
        )
    conversations = [[_message("user", prompt)]]
    if system:
        conversations = [
            [_message("system", system), _message("user", prompt)],
            [_message("user", f"{system}\n\n{prompt}")],
        ]
    refusals = []
    for messages in conversations:
        try:
            return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        except TemplateError as error:
            refusals.append(str(error))
    raise ModelError(
        f"model.chat_template=true: the chat template of {tokenizer.name_or_path} refuses the prompt "
        f"({refusals[-1]}); set model.chat_template=false, or correct the template"
    )


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
