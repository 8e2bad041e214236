"""Load a language model from a Python package that contains it as GGUF, so that no hub is needed.

The weights are dequantised once, into an ordinary folder.
"""

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


def unpack_model(path: str, cache: Path) -> Path:
    """Return the folder in `cache` for `package:<module>/<file>.gguf`. The first call makes it.

    Raises ModelError if the package is not installed.
    """
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
            if not folder.is_dir():  # another process may have made it meanwhile
                _unpack(source, folder)
    return folder


def _unpack(source: Path, folder: Path) -> None:
    partial = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    gguf = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    # Without dequantisation the weights stay packed and cannot be trained.
    quantization = GgufConfig(gguf_file=source.name, dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        **gguf, quantization_config=quantization, dtype=torch.bfloat16, trust_remote_code=False
    )
    model.save_pretrained(partial)
    AutoTokenizer.from_pretrained(**gguf, trust_remote_code=False).save_pretrained(partial)
    partial.rename(folder)
