"""Explain an import that fails because the extra `pipeline` is not installed."""

from __future__ import annotations

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


def missing_package(error: ModuleNotFoundError, command: str) -> CorpoError:
    """Return an error that names the remedy. Raise the given error if the extra does not hold the module."""
    module = (error.name or "").partition(".")[0]
    if module not in PIPELINE_MODULES:
        raise error
    return CorpoError(f"corpo {command} needs the module {module}: run pip install 'corpo-rl[pipeline]'")
