"""The verifier task: read a problem and two candidates, reason, give a confidence that each is correct."""

from corpo.task.prompt import COMPACT, COMPACT_SYSTEM, INSTRUCT, chat_prompt, render_prompt, separate_prompts
from corpo.task.response import (
    CUT,
    Fault,
    Verdict,
    complete_responses,
    continuation,
    format_response,
    parse_response,
)
from corpo.task.reward import (
    ConfidenceReward,
    OrdinalReward,
    Reward,
    TextReward,
    build_reward,
    level_at,
    register_reward,
)
from corpo.task.types import Candidate, Domain, Kind, Pair, Problem

__all__ = [
    "COMPACT",
    "COMPACT_SYSTEM",
    "CUT",
    "INSTRUCT",
    "Candidate",
    "ConfidenceReward",
    "Domain",
    "Fault",
    "Kind",
    "OrdinalReward",
    "Pair",
    "Problem",
    "Reward",
    "TextReward",
    "Verdict",
    "build_reward",
    "chat_prompt",
    "complete_responses",
    "continuation",
    "format_response",
    "level_at",
    "parse_response",
    "register_reward",
    "render_prompt",
    "separate_prompts",
]
