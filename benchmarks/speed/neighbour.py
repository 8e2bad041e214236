"""Measure training steps on an idle machine and with one busy neighbour, by how the cores share the work.

    python -m benchmarks.speed.neighbour                 both ways, three rounds (5 minutes)

*Parts of the batch* is what `corpo` does (`corpo/policy/cores.py`): each core computes the rollouts and
gradients of its own part. *Each operation* is torch's own way: all cores compute each operation together
(OpenMP).

Each measurement is a process of its own, which does one training step that warms up and some that count. A
round measures both ways once, so that they are compared under the same conditions. The busy neighbour is a
process that does nothing but occupy a core. Writes results/bench/neighbour.md. Run it on a quiet machine.
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

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "results/bench/neighbour.md"
PARTS, OPERATIONS = "parts of the batch", "each operation"
NEIGHBOURS = (0, 1)
STEPS, PROMPTS, GROUP = 2, 16, 16


def main() -> None:
    """Measure both ways and write the page, or measure one way in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=(PARTS, OPERATIONS), help="measure in this process and print JSON")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child)))
        return
    results: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        for neighbours in NEIGHBOURS:
            with busy_neighbours(neighbours):
                for way in (PARTS, OPERATIONS):
                    result = measure_in_process(way)
                    print(way, neighbours, result, flush=True)
                    results.setdefault((way, neighbours), []).append(result)
    write_text(PAGE, page(results))
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


def measure_in_process(way: str) -> dict[str, Any]:
    """Return what `measure` returns in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "benchmarks.speed.neighbour", "--child", way]
    process = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def measure(way: str) -> dict[str, Any]:
    """Train the shipped base policy for some steps.

    Return the seconds of sampling and of the update per step, the number of threads, and a hash of the
    weights.
    """
    import hashlib

    import torch

    from corpo.cli.compose import load_config
    from corpo.pipeline.demo import training_pairs
    from corpo.pipeline.models import model_path, prompt_renderer, rollout_engine
    from corpo.policy import cores
    from corpo.policy.load import load_policy
    from corpo.rollout import hf
    from corpo.tasks import task_of
    from corpo.train import rl

    if way == OPERATIONS:
        for module in (cores, hf, rl):
            module.is_parallel = _never  # type: ignore[attr-defined]
    config = load_config([f"train.prompts_per_step={PROMPTS}", f"train.group_size={GROUP}"])
    torch.manual_seed(0)
    path = model_path(config)
    model, tokenizer = load_policy(config.model, path)
    pairs = training_pairs(config)
    with rollout_engine(config, model, tokenizer, path) as engine:
        trainer = rl.PolicyGradientTrainer(
            model,
            tokenizer,
            engine,
            task=task_of(config),
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


def _never(device: Any) -> bool:
    return False


def page(results: dict[tuple[str, int], list[dict[str, Any]]]) -> str:
    """Return the page: medians over rounds, and their ratios to torch's way on an idle machine."""
    from corpo.pipeline.provenance import provenance

    reference = _step_seconds(results[OPERATIONS, 0])
    rows = []
    for way in (OPERATIONS, PARTS):
        for neighbours in NEIGHBOURS:
            rounds = results[way, neighbours]
            seconds = _step_seconds(rounds)
            hashes = sorted({result["weights"] for result in rounds})
            rows.append((way, neighbours, f"{seconds:.2f}", f"{seconds / reference:.2f}", ", ".join(hashes)))
    header = ("the cores share", "busy neighbours", "step, s", "over each operation, idle", "weights")
    facts, rounds = provenance(), results[PARTS, 0]
    return f"""# Training beside a busy process

Seconds of a training step of the shipped base policy with {PROMPTS} prompts x {GROUP} rollouts on
{rounds[0]["threads"]} cores: medians of {len(rounds)} rounds. `corpo` shares out the parts of a batch
(`corpo/policy/cores.py`); torch shares out each operation. Command: `python -m benchmarks.speed.neighbour`.

{table(header, rows)}

{facts["cpu"]}, {facts["cores"]} cores, torch {facts["torch"]}, commit {facts["commit"]}.
"""


def _step_seconds(rounds: Sequence[dict[str, Any]]) -> float:
    return statistics.median(result["rollouts"] + result["update"] for result in rounds)


if __name__ == "__main__":
    main()
