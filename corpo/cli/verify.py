"""Judge two files with a trained policy: `corpo verify problem.md a.py b.py [--policy FOLDER] [--json] [OPTION=VALUE ...]`.

Python files are programs, others worked solutions. Exit code 0: both are judged correct; 1: at least one is judged wrong; 2: bad input; 3: no
verdict could be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from corpo.cli.hydra_app import compose, refuse, validated
from corpo.pipeline.models import model_path, prompt_renderer, rollout_engine

if TYPE_CHECKING:
    from corpo.config import Config
    from corpo.task import Pair


@dataclass(frozen=True)
class Judgement:
    """What a group of rollouts says of a pair."""

    confidence: tuple[float, float]  # mean scores, 0 to 10
    called_correct: tuple[float, float]  # share of verdicts
    response: str  # of the verdict nearest to the mean
    verdicts: int
    rollouts: int


def judgement(texts: Sequence[str]) -> Judgement | None:
    """None where not one response is a verdict."""
    from corpo.task import CUT, Verdict, parse_response

    read = [(text, verdict) for text in texts if isinstance(verdict := parse_response(text), Verdict)]
    if not read:
        return None
    scores = [verdict.scores for _, verdict in read]
    mean = tuple(sum(side) / len(side) for side in zip(*scores, strict=True))
    share = tuple(sum(score > CUT for score in side) / len(side) for side in zip(*scores, strict=True))
    nearest = min(
        range(len(read)),
        key=lambda at: sum((score - centre) ** 2 for score, centre in zip(scores[at], mean, strict=True)),
    )
    return Judgement((mean[0], mean[1]), (share[0], share[1]), read[nearest][0], len(read), len(texts))


def read_pair(problem: Path, a: Path, b: Path) -> Pair:
    """A pair of unknown labels. Raises ValueError where a file is missing, empty, not text, or not a program."""
    from corpo.task import Candidate, Domain, Pair, Problem

    statement, *texts = (_text(path) for path in (problem, a, b))
    if (a.suffix == ".py") != (b.suffix == ".py"):
        raise ValueError(f"{a} and {b}: give two programs (.py) or two worked solutions, not one of each")
    domain = Domain.code if a.suffix == ".py" else Domain.math
    if domain is Domain.code:
        for path, text in zip((a, b), texts, strict=True):
            try:
                compile(text, str(path), "exec")
            except SyntaxError as error:
                raise ValueError(f"{path}, line {error.lineno}: not Python ({error.msg})") from None
    given = [Candidate(text, correct=False, origin="given") for text in texts]
    return Pair(Problem(str(problem), domain, "given", "given", statement), *given)


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    if not text:
        raise ValueError(f"{path}: is empty")
    return text


def judge_pair(config: Config, pair: Pair, rollouts: int) -> Judgement | None:
    from transformers.utils.logging import disable_progress_bar

    from corpo.policy.load import load_policy

    disable_progress_bar()  # an answer is a few lines
    path = model_path(config)
    model, tokenizer = load_policy(config.model, path)
    prompt = prompt_renderer(config, tokenizer)(pair)
    room = int(model.config.max_position_embeddings) - config.rollout.max_new_tokens
    if (length := len(tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"])) > room:
        raise ValueError(
            f"problem and programs are {length} tokens, and {config.model.path} has room for {room}; shorten them or take another policy"
        )
    with rollout_engine(config, model, tokenizer, path) as engine:
        return judgement(engine.generate([prompt], rollouts, config.seed).texts_PG[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="corpo verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("problem", "a", "b"):
        parser.add_argument(name, type=Path)
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="OPTION=VALUE",
        help="options as in training, such as model=smollm2_135m",
    )
    parser.add_argument(
        "--policy",
        help="a folder that training wrote (default: the shipped base, which knows the shipped families only)",
    )
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        if options.rollouts < 1:
            raise ValueError(f"--rollouts {options.rollouts}: must be at least 1")
        pair = read_pair(options.problem, options.a, options.b)
        config = validated(
            compose([*options.overrides, *([f"model.path={options.policy}"] if options.policy else [])])
        )
        said = judge_pair(config, pair, options.rollouts)
    except (HydraException, OmegaConfBaseException, ValueError, RuntimeError) as error:
        refuse(error)
    if said is None:
        print(
            f"corpo: none of {options.rollouts} responses is a verdict; is {config.model.path} trained for this task?",
            file=sys.stderr,
        )
        sys.exit(3)
    correct = [share > 0.5 for share in said.called_correct]
    if options.json:
        sides = {
            name: {
                "file": str(path),
                "confidence": round(mean, 3),
                "called_correct": share,
                "correct": verdict,
            }
            for name, path, mean, share, verdict in zip(
                "ab", (options.a, options.b), said.confidence, said.called_correct, correct, strict=True
            )
        }
        print(
            json.dumps(
                {
                    **sides,
                    "rationale": said.response,
                    "verdicts": said.verdicts,
                    "rollouts": said.rollouts,
                    "policy": config.model.path,
                }
            )
        )
    else:
        for path, mean, share, verdict in zip(
            (options.a, options.b), said.confidence, said.called_correct, correct, strict=True
        ):
            print(
                f"{path}: {'correct' if verdict else 'wrong'}, confidence {mean:.1f} of 10, called correct by {share:.0%} of {said.verdicts} verdicts"
            )
        print(f"rationale: {said.response}")
    sys.exit(0 if all(correct) else 1)


if __name__ == "__main__":
    main()
