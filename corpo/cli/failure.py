"""End the program with one line: print an error, or explain a missing package."""

from __future__ import annotations

import sys
from typing import NoReturn

from corpo.utils.errors import CorpoError

# The modules of the packages in the extra `pipeline` of pyproject.toml.
PIPELINE_MODULES = frozenset(
    (
        "datasets",
        "filelock",
        "huggingface_hub",
        "hydra",
        "jinja2",
        "matplotlib",
        "numpy",
        "omegaconf",
        "pandas",
        "pyarrow",
        "rich",
        "safetensors",
        "scipy",
        "sklearn",
        "tokenizers",
        "transformers",
        "yaml",
    )
)


def exit_with(error: Exception) -> NoReturn:
    """Print the error as one line and exit with code 2."""
    print(f"corpo: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2)


def missing_package(error: ModuleNotFoundError, command: str) -> CorpoError:
    """Return an error that names the remedy. Raise the given error if the extra does not hold the module."""
    module = (error.name or "").partition(".")[0]
    if module not in PIPELINE_MODULES:
        raise error
    return CorpoError(f"corpo {command} needs the module {module}: run pip install 'corpo-rl[pipeline]'")
