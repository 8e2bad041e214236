"""Measure training steps by how OpenMP threads wait, on an idle machine and with one busy neighbour.

    python -m benchmarks.speed.spin                               all settings, three rounds (20 minutes)
    python -m benchmarks.speed.spin --settings 300000 5000        two of them

Each measurement is a process of its own, which does one training step that warms up and some that count.
A round measures every setting once, so that settings are compared under the same conditions. The busy
neighbour is a process that does nothing but occupy a core. The last column is a hash of the weights after the
steps, which must be the same for all settings. Writes results/bench/spin.md. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpo.utils.files import write_text
from corpo.utils.markdown import table
from corpo.utils.openmp import SPIN_COUNT

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "results/bench/spin.md"
PASSIVE = "passive"
SETTINGS = ("300000", PASSIVE, "1000", "2000", "3000", "5000", "10000")  # GOMP_SPINCOUNT; first its default
NEIGHBOURS = (0, 1)
STEPS, PROMPTS, GROUP = 2, 16, 16


def main() -> None:
    """Measure all settings and write the page, or one setting in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", nargs="+", default=SETTINGS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", action="store_true", help="measure in this process and print JSON")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure()))
        return
    results: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        for neighbours in NEIGHBOURS:
            with busy_neighbours(neighbours):
                for setting in options.settings:
                    result = measure_in_process(setting)
                    print(setting, neighbours, result, flush=True)
                    results.setdefault((setting, neighbours), []).append(result)
    write_text(PAGE, page(results, options.settings))
    print(PAGE)


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """Occupy a core for each neighbour inside the `with` block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure_in_process(setting: str) -> dict[str, Any]:
    """Return what `measure` returns in a process whose OpenMP threads wait as the setting says."""
    environment = dict(os.environ)
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"):
        environment.pop(name, None)
    if setting == PASSIVE:
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    else:
        environment["GOMP_SPINCOUNT"] = setting
    command = [sys.executable, "-m", "benchmarks.speed.spin", "--child"]
    process = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def measure() -> dict[str, Any]:
    """Train the shipped base policy for some steps. Return seconds per step and a hash of the weights.

    The seconds of sampling and of the update come apart.
    """
    import hashlib

    import torch

    from corpo.cli.compose import load_config
    from corpo.pipeline.demo import training_pairs
    from corpo.pipeline.models import model_path, prompt_renderer, rollout_engine
    from corpo.policy.load import load_policy
    from corpo.train.rl import PolicyGradientTrainer

    config = load_config([f"train.prompts_per_step={PROMPTS}", f"train.group_size={GROUP}"])
    torch.manual_seed(0)
    path = model_path(config)
    model, tokenizer = load_policy(config.model, path)
    pairs = training_pairs(config)
    with rollout_engine(config, model, tokenizer, path) as engine:
        trainer = PolicyGradientTrainer(
            model,
            tokenizer,
            engine,
            reward=config.reward.build(),
            baseline="grpo",
            options={},
            render=prompt_renderer(config, tokenizer),
            config=config.train,
            seed=0,
            temperature=config.rollout.temperature,
        )
        steps = [trainer.step(pairs, step).metrics for step in range(1, STEPS + 2)][1:]
    weights = hashlib.sha256()
    for parameter in model.parameters():
        weights.update(parameter.detach().numpy().tobytes())
    return {
        "rollouts": statistics.mean(metrics["rollout_seconds"] for metrics in steps),
        "update": statistics.mean(metrics["update_seconds"] for metrics in steps),
        "threads": torch.get_num_threads(),
        "weights": weights.hexdigest()[:12],
    }


def page(results: dict[tuple[str, int], list[dict[str, Any]]], settings: Sequence[str]) -> str:
    """Return the page: medians over rounds, and their ratios to the default on an idle machine."""
    from corpo.pipeline.provenance import provenance

    reference = _step_seconds(results[settings[0], 0])
    rows = []
    for setting in settings:
        for neighbours in NEIGHBOURS:
            rounds = results[setting, neighbours]
            seconds = _step_seconds(rounds)
            hashes = sorted({result["weights"] for result in rounds})
            rows.append(
                (setting, neighbours, f"{seconds:.2f}", f"{seconds / reference:.2f}", ", ".join(hashes))
            )
    header = ("GOMP_SPINCOUNT", "busy neighbours", "step, s", f"over {settings[0]}, idle", "weights")
    facts, rounds = provenance(), results[settings[0], 0]
    return f"""# How OpenMP threads wait

Seconds of a training step of the shipped base policy with {PROMPTS} prompts x {GROUP} rollouts on
{rounds[0]["threads"]} threads: medians of {len(rounds)} rounds. `corpo` sets GOMP_SPINCOUNT to {SPIN_COUNT}
unless the environment says how threads wait. Command: `python -m benchmarks.speed.spin`.

{table(header, rows)}

{facts["cpu"]}, {facts["cores"]} cores, torch {facts["torch"]}, commit {facts["commit"]}.
"""


def _step_seconds(rounds: Sequence[dict[str, Any]]) -> float:
    return statistics.median(result["rollouts"] + result["update"] for result in rounds)


if __name__ == "__main__":
    main()
