"""The verifier task: read a problem and two candidates, reason, give a confidence that each is correct."""

from corpo.task.prompt import COMPACT, INSTRUCT, chat_prompt, render_prompt
from corpo.task.response import CUT, Fault, Verdict, format_response, parse_response
from corpo.task.reward import OrdinalReward, Reward, build_reward, register_reward
from corpo.task.types import Candidate, Domain, Kind, Pair, Problem

__all__ = [
    "COMPACT",
    "CUT",
    "INSTRUCT",
    "Candidate",
    "Domain",
    "Fault",
    "Kind",
    "OrdinalReward",
    "Pair",
    "Problem",
    "Reward",
    "Verdict",
    "build_reward",
    "chat_prompt",
    "format_response",
    "parse_response",
    "register_reward",
    "render_prompt",
]
