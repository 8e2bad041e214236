"""The verifier task: a problem and two candidates go in, reasoning and a confidence for each come out."""

from corpo.task.prompt import COMPACT, INSTRUCT, chat_prompt, render_prompt
from corpo.task.response import CUT, Fault, Verdict, format_response, parse_response
from corpo.task.reward import OrdinalReward
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
    "Verdict",
    "chat_prompt",
    "format_response",
    "parse_response",
    "render_prompt",
]
