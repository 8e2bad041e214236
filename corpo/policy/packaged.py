"""A language model that comes inside a Python package, as GGUF: dequantised once into an ordinary folder, so that no hub is needed."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import torch
from filelock import FileLock
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from corpo.utils import ranks
from corpo.utils.errors import ModelError
from corpo.utils.files import file_hash

PREFIX = "package:"


def unpacked(path: str, cache: Path) -> Path:
    """The folder below `cache` for `package:<module>/<file>.gguf`, made on first use. Raises ModelError where the package is not there."""
    module, _, file = path.removeprefix(PREFIX).partition("/")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModelError(f"model.path={path}: the Python package {module} is not installed; run make smollm2")
    source = Path(spec.origin).parent / file
    if not source.is_file():
        raise ModelError(
            f"model.path={path}: {source.name} is not in the package {module}; check its version"
        )
    folder = cache / f"{source.stem}-{file_hash(source)[:12]}"
    if ranks.rank() > 0:
        ranks.wait_for(folder)
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{folder.name}.lock"):
            if not folder.is_dir():  # nor made by another process meanwhile
                _unpack(source, folder)
    return folder


def _unpack(source: Path, folder: Path) -> None:
    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    dequantise = GgufConfig(
        gguf_file=source.name, dequantize=True
    )  # else the weights stay packed, and cannot be trained
    AutoModelForCausalLM.from_pretrained(
        **where, quantization_config=dequantise, dtype=torch.bfloat16
    ).save_pretrained(beside)
    AutoTokenizer.from_pretrained(**where).save_pretrained(beside)
    beside.rename(folder)
