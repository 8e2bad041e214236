"""Option names of the release before this one. They are accepted for one release, with a one-line notice."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

OLD_OPTION_NAMES = {
    "train.group": "train.group_size",
    "train.prompts": "train.prompts_per_step",
    "train.clip": "train.max_grad_norm",
    "train.warmup": "train.warmup_steps",
    "train.filter_silent": "train.filter_zero_advantage_groups",
    "train.validation_group": "train.validation_rollouts",
    "train.loss.importance_cap": "train.loss.importance_ratio_cap",
    "warm_start.clip": "warm_start.max_grad_norm",
    "warm_start.warmup": "warm_start.warmup_steps",
    "evaluate.group": "evaluate.num_rollouts",
    "track.to": "track.trackers",
    "candidates.makers": "candidates.sources",
    "candidates.tests": "candidates.max_tests",
    "rollout.rows": "rollout.max_rows",
    "rollout.vllm.context": "rollout.vllm.max_model_len",
    "rollout.vllm.sequences": "rollout.vllm.max_num_seqs",
    "rollout.vllm.memory": "rollout.vllm.gpu_memory_utilization",
    "rollout.vllm.tensor_parallel": "rollout.vllm.tensor_parallel_size",
    "rollout.vllm.eager": "rollout.vllm.enforce_eager",
    "rollout.vllm.sleep": "rollout.vllm.enable_sleep_mode",
    "candidates.rollout.vllm.context": "candidates.rollout.vllm.max_model_len",
    "candidates.rollout.vllm.sequences": "candidates.rollout.vllm.max_num_seqs",
    "candidates.rollout.vllm.memory": "candidates.rollout.vllm.gpu_memory_utilization",
    "candidates.rollout.vllm.tensor_parallel": "candidates.rollout.vllm.tensor_parallel_size",
    "candidates.rollout.vllm.eager": "candidates.rollout.vllm.enforce_eager",
    "candidates.rollout.vllm.sleep": "candidates.rollout.vllm.enable_sleep_mode",
    "data.pairing.most_of_problem": "data.pairing.max_pairs_per_problem",
    "data.pairing.longest": "data.pairing.max_candidate_chars",
    "data.pairing.longest_statement": "data.pairing.max_statement_chars",
    "data.pairing.overlap": "data.pairing.overlap_words",
}

_OVERRIDE = re.compile(r"(?P<prefix>[+~]{0,2})(?P<name>[\w.]+)(?P<rest>=.*)?", re.DOTALL)


def translate_old_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with old option names replaced. Print one line per replaced name."""
    translated = []
    for argument in arguments:
        match = _OVERRIDE.fullmatch(argument)
        new_name = _new_name(match["name"]) if match else None
        if match and new_name:
            print(
                f"corpo: {match['name']} is now called {new_name}; the next release will refuse the old name",
                file=sys.stderr,
            )
            argument = f"{match['prefix']}{new_name}{match['rest'] or ''}"
        translated.append(argument)
    return translated


def _new_name(name: str) -> str | None:
    """Return the new name of an old option, or None.

    The settings of `candidates.rollout` are named like those of `rollout`.
    """
    if name in OLD_OPTION_NAMES:
        return OLD_OPTION_NAMES[name]
    rollout_name = name.removeprefix("candidates.")
    if name.startswith("candidates.rollout.") and rollout_name in OLD_OPTION_NAMES:
        return f"candidates.{OLD_OPTION_NAMES[rollout_name]}"
    return None
