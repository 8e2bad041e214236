"""Candidates from a language model: every problem asked several times, programs taken out of whatever it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from corpo.data.candidates.extract import complete_code, extract_code
from corpo.data.execution.checks import StdioChecks
from corpo.data.sources import RawCandidate, RealProblem
from corpo.rollout.engine import RolloutEngine
from corpo.task import Domain
from corpo.utils.files import read_jsonl, write_jsonl
from corpo.utils.progress import progress

PART = 16  # problems between two savings


def request(problem: RealProblem, tokenizer: PreTrainedTokenizerBase | None) -> str:
    """What the model reads: a task in its chat format, or (without one) a text whose continuation is a solution."""
    if tokenizer is None:
        if problem.domain is Domain.math:
            return f"Question: {problem.statement}\nAnswer:"
        return problem.prompt or f'"""\n{problem.statement}\n"""\n'
    if problem.domain is Domain.math:
        wish = "Solve the problem step by step. End with a line `A: ` and the answer."
    elif isinstance(problem.checks, StdioChecks):
        wish = "Write a Python program that reads standard input and prints to standard output. Answer with one block of code."
    else:
        wish = "Write a Python function for this task. Answer with one block of code."
    messages = [{"role": "user", "content": f"{wish}\n\n{problem.statement}"}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def solution(problem: RealProblem, answer: str, chat: bool) -> str:
    """The candidate in a model's answer."""
    if problem.domain is Domain.math:
        return answer.strip()
    if problem.prompt and not chat:
        return complete_code(problem.starter, answer)
    return _preamble(problem.starter) + extract_code(answer)


def _preamble(starter: str) -> str:
    """What stands before the function that was asked for: imports and helpers, which an answer leaves out."""
    head, found, _ = starter.rpartition("\ndef ")
    return f"{head.strip()}\n\n" if found and head.strip() else ""


def sample_candidates(
    problems: Sequence[RealProblem],
    engine: RolloutEngine,
    tokenizer: PreTrainedTokenizerBase | None,
    samples: int,
    seed: int,
    folder: Path,
) -> None:
    """`samples` answers to each problem into `folder`, kept part by part and gone on with from there. `tokenizer` where the model is to chat."""
    parts = {
        folder / f"answers-{start:06d}.jsonl": range(start, min(start + PART, len(problems)))
        for start in range(0, len(problems), PART)
    }
    done = sum(len(numbers) for path, numbers in parts.items() if path.exists())
    with progress("sampling candidates", len(problems), done) as advance:
        for path, numbers in parts.items():
            if not path.exists():
                asked = [request(problems[number], tokenizer) for number in numbers]
                answers = engine.generate(asked, samples, seed, numbers, advance).texts_PG
                chat = tokenizer is not None
                write_jsonl(
                    path,
                    [
                        {"problem": problems[n].id, "chat": chat, "answers": mine}
                        for n, mine in zip(numbers, answers, strict=True)
                    ],
                )


def read_candidates(
    problems: Sequence[RealProblem], folder: Path, origin: str
) -> dict[str, list[RawCandidate]]:
    """By problem id, what `sample_candidates` left in `folder`."""
    by_id = {problem.id: problem for problem in problems}
    rows = [row for path in sorted(folder.glob("answers-*.jsonl")) for row in read_jsonl(path)]
    return {
        row["problem"]: [
            RawCandidate(solution(by_id[row["problem"]], answer, row["chat"]), origin)
            for answer in row["answers"]
        ]
        for row in rows
    }
