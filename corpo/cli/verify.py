"""`corpo verify`: judge two candidates for a problem with a trained policy.

Files that end in .py are programs, others are worked solutions. The shipped policy judges pipelines of list
operations and word problems in steps only, and refuses other input. The exit code is 0 if both are judged
correct, 1 if at least one is judged wrong, 2 for bad input and 3 if no response could be parsed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.cli.nearest import ArgumentParser
from corpo.config import ModelConfig
from corpo.utils.errors import ConfigError, DataError

if TYPE_CHECKING:
    from corpo.config import Config
    from corpo.task import Pair

ALL_CORRECT, SOME_WRONG, NO_VERDICT = 0, 1, 3  # exit codes; 2 is bad input
TRACE_TOKEN = ";check:"  # in the vocabulary of the policies that learned to write traces, and of no other

# What these policies can judge.
_CODE_KIND = (
    "programs made of list operations (data=pipelines), "
    "for a problem that ends in an example such as f([7, 9]) == [9, 7]"
)
_MATH_KIND = "word problems in steps, such as 'pens: 7, 5 more, doubled, how many'"


@dataclass(frozen=True)
class Judgement:
    """The summary of a group of rollouts for one pair. Pairs of numbers are for A and B."""

    confidence: tuple[float, float]  # mean scores, 0 to 10
    called_correct: tuple[float, float]  # share of verdicts
    response: str  # of the verdict nearest to the mean
    verdicts: int
    rollouts: int

    @property
    def correct(self) -> list[bool]:
        """Return for each candidate whether most verdicts call it correct."""
        return [share > 0.5 for share in self.called_correct]


def main(arguments: Sequence[str]) -> None:
    """Judge the files that the arguments name, print the judgement and exit with its code."""
    from corpo.cli.compose import load_config
    from corpo.cli.old_options import translate_old_options

    options = _parse(arguments)
    if options.rollouts < 1:
        raise ConfigError(f"--rollouts {options.rollouts}: must be at least 1")
    files = (options.a, options.b)
    pair = read_pair(options.problem, *files)
    overrides = translate_old_options(options.overrides)
    if options.policy and options.baseline:
        raise ConfigError("--policy and --baseline both name a policy; give one of them")
    if options.policy:
        overrides.append(f"model.path={options.policy}")
    if options.baseline:
        overrides.append(f"baseline={options.baseline}")
    if options.seed is not None:
        overrides.append(f"seed={options.seed}")
    config = load_config(overrides)
    if options.baseline:
        config = _with_trained_policy(config)
    judgement = judge_pair(config, pair, options.rollouts)
    if judgement is None:
        print(
            f"corpo: none of {options.rollouts} responses could be parsed; "
            f"is {config.model.path} trained for this task?",
            file=sys.stderr,
        )
        sys.exit(NO_VERDICT)
    if options.json:
        print(json.dumps(_as_json(judgement, files, config.model.path)))
    else:
        _print(judgement, files)
    if config.model.path == ModelConfig.path:
        print(f"corpo: the shipped base policy knows only {_CODE_KIND}, and {_MATH_KIND}", file=sys.stderr)
    sys.exit(ALL_CORRECT if all(judgement.correct) else SOME_WRONG)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = ArgumentParser(prog="corpo verify")
    for name in ("problem", "a", "b"):
        parser.add_argument(name, type=Path)
    parser.add_argument("overrides", nargs="*", metavar="OPTION=VALUE")
    parser.add_argument("--policy")
    parser.add_argument("--baseline")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rollouts", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    # In Python 3.11, parse_args refuses options such as seed=3 behind an option such as --json.
    return parser.parse_intermixed_args(arguments)


def _with_trained_policy(config: Config) -> Config:
    """Return the config with the policy that it has trained. Raises ConfigError if it has not trained one."""
    from corpo.pipeline.train import train_stage, trained_policy

    if not train_stage(config).done:
        raise ConfigError(
            f"--baseline {config.baseline.name} --seed {config.seed}: no such policy is trained here; "
            f"run corpo train baseline={config.baseline.name} seed={config.seed} with the same options first"
        )
    model = replace(config.model, path=trained_policy(config).path(), warm_start=False)
    return replace(config, model=model)


def read_pair(problem: Path, a: Path, b: Path) -> Pair:
    """Return a pair with unknown labels.

    Raises DataError if a file is missing, empty, not text, or not a program.
    """
    from corpo.task import Candidate, Domain, Pair, Problem

    for path in (problem, a, b):
        if path.suffix == ".ipynb":
            raise DataError(f"{path}: is a notebook; save its code as a program (.py)")
    statement, text_a, text_b = (_read_text(path) for path in (problem, a, b))
    if (a.suffix == ".py") != (b.suffix == ".py"):
        raise DataError(f"{a} and {b}: give two programs (.py) or two worked solutions, not one of each")
    domain = Domain.code if a.suffix == ".py" else Domain.math
    if domain is Domain.code:
        _check_syntax(a, text_a)
        _check_syntax(b, text_b)
    candidates = [Candidate(text, correct=False, origin="given") for text in (text_a, text_b)]
    return Pair(Problem(str(problem), domain, "given", "given", statement), *candidates)


def _check_syntax(path: Path, text: str) -> None:
    from corpo.data.python_text import PARSE_ERRORS

    try:
        compile(text, str(path), "exec")
    except PARSE_ERRORS as error:
        number = error.lineno if isinstance(error, SyntaxError) else None
        line = f", line {number}" if number else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "nested too deep"
        raise DataError(f"{path}{line}: not Python ({reason})") from None


def _read_text(path: Path) -> str:
    from corpo.data.sources.text_files import read_text

    text = read_text(path).strip()
    if not text:
        raise DataError(f"{path}: is empty")
    return text


def judge_pair(config: Config, pair: Pair, num_rollouts: int) -> Judgement | None:
    """Sample rollouts of the configured policy for a pair and summarise them.

    Raises ConfigError if the task has no pairs. Raises DataError if the pair is too long, or if the policy
    writes traces and the pair has none.
    """
    from transformers.utils.logging import disable_progress_bar

    from corpo.pipeline.data import require_pairs
    from corpo.pipeline.models import fits_context, model_path, prompt_renderer, rollout_engine
    from corpo.policy.load import load_policy
    from corpo.task import complete_responses

    require_pairs(config)
    disable_progress_bar()  # the answer is a few lines
    path = model_path(config)
    model, tokenizer = load_policy(config.model, path)
    prompt = prompt_renderer(config, tokenizer)(pair)
    if not fits_context(config, model, tokenizer)(prompt):
        tokens = len(tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"])
        room = int(model.config.max_position_embeddings) - config.rollout.max_new_tokens
        raise DataError(
            f"problem and programs are {tokens} tokens, and {config.model.path} has room for {room}; "
            "shorten them or use another policy"
        )
    if TRACE_TOKEN in tokenizer.get_vocab():
        _check_traceable(pair, config.model.path)
    with rollout_engine(config, model, tokenizer, path) as engine:
        texts_PG = engine.generate([prompt], num_rollouts, config.seed).texts_PG
    [responses] = complete_responses([prompt], texts_PG)
    return summarise_responses(responses)


def _check_traceable(pair: Pair, policy: str) -> None:
    """Check that a pair is of the kind that a policy with traces can judge. Raises DataError if not."""
    from corpo.task import Domain
    from corpo.train.demonstrations import trace

    try:
        trace(pair)
    except DataError:
        kind = _CODE_KIND if pair.problem.domain is Domain.code else _MATH_KIND
        raise DataError(
            f"{policy} cannot judge this pair: it judges only {kind}; choose another policy with model="
        ) from None


def summarise_responses(responses: Sequence[str]) -> Judgement | None:
    """Return the judgement of a group of responses, or None if none of them can be parsed."""
    from corpo.task import CUT, Verdict, parse_response

    parsed, scores = [], []
    for response in responses:
        verdict = parse_response(response)
        if isinstance(verdict, Verdict):
            parsed.append(response)
            scores.append(verdict.scores)
    if not parsed:
        return None
    means, shares = [], []
    for side in zip(*scores, strict=True):
        means.append(sum(side) / len(side))
        shares.append(sum(score > CUT for score in side) / len(side))
    distances = [(a - means[0]) ** 2 + (b - means[1]) ** 2 for a, b in scores]
    nearest = parsed[distances.index(min(distances))]
    return Judgement((means[0], means[1]), (shares[0], shares[1]), nearest, len(parsed), len(responses))


def _as_json(judgement: Judgement, files: Sequence[Path], policy: str) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for side, name in enumerate("ab"):
        record[name] = {
            "file": str(files[side]),
            "confidence": round(judgement.confidence[side], 3),
            "called_correct": judgement.called_correct[side],
            "correct": judgement.correct[side],
        }
    return {
        **record,
        "rationale": judgement.response,
        "verdicts": judgement.verdicts,
        "rollouts": judgement.rollouts,
        "unreadable": judgement.rollouts - judgement.verdicts,
        "policy": policy,
    }


def _print(judgement: Judgement, files: Sequence[Path]) -> None:
    for side, path in enumerate(files):
        verdict = "correct" if judgement.correct[side] else "wrong"
        print(
            f"{path}: {verdict}, confidence {judgement.confidence[side]:.1f} of 10, "
            f"called correct by {judgement.called_correct[side]:.0%} of {judgement.verdicts} verdicts"
        )
    if unreadable := judgement.rollouts - judgement.verdicts:
        print(f"{unreadable} of {judgement.rollouts} responses could not be read as a verdict")
    print(f"rationale: {judgement.response}")
