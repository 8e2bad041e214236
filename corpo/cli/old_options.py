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
    "candidates.rollout.rows": "candidates.rollout.max_rows",
    "rollout.vllm.context": "rollout.vllm.max_model_len",
    "rollout.vllm.sequences": "rollout.vllm.max_num_seqs",
    "rollout.vllm.memory": "rollout.vllm.gpu_memory_utilization",
    "rollout.vllm.tensor_parallel": "rollout.vllm.tensor_parallel_size",
    "rollout.vllm.eager": "rollout.vllm.enforce_eager",
    "rollout.vllm.sleep": "rollout.vllm.enable_sleep_mode",
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
        if match and match["name"] in OLD_OPTION_NAMES:
            new_name = OLD_OPTION_NAMES[match["name"]]
            print(
                f"corpo: {match['name']} is now called {new_name}; the next release will refuse the old name",
                file=sys.stderr,
            )
            argument = f"{match['prefix']}{new_name}{match['rest'] or ''}"
        translated.append(argument)
    return translated
