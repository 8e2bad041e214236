"""A model's folder runs no code, its weights are never random, and its key sees every file that is read."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from corpo.config import ModelConfig
from corpo.pipeline.budget import architecture
from corpo.policy.load import load_policy, policy_hash
from corpo.utils.errors import ModelError
from corpo.utils.resources import shipped_policy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped_policy(), tmp_path / "policy"))


def _edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def _refusal(work: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as error:
        work()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_hidden_layers": 6}, r"weights are missing (model.layers.4."),
        ({"num_hidden_layers": 3}, r"weights are unexpected (model.layers.3."),
        ({"tie_word_embeddings": False}, "1 weights are missing (lm_head.weight)"),
        ({"attention_bias": True}, "weights are missing (model.layers.0.self_attn.k_proj.bias"),
        ({"intermediate_size": 100}, "cannot be loaded"),
        ({"vocab_size": 7}, "cannot be loaded"),
        ({"hidden_size": "wide"}, "cannot be loaded"),
        ({"num_attention_heads": 0}, "cannot be loaded"),
        ({"model_type": "no_such_type"}, "cannot be loaded"),
        ({"model_type": 3}, "cannot be loaded"),
    ],
)
def test_a_config_of_another_model_is_refused(
    folder: Path, changes: dict[str, object], expected: str
) -> None:
    _edit(folder / "config.json", **changes)
    assert expected in _refusal(lambda: load_policy(ModelConfig(), str(folder)))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "null", '"text"', "[" * 50_000, "\x00"])
def test_a_file_that_is_something_else_is_refused(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    architecture(str(folder), {})  # a dry run goes on without it
    refused = ""
    try:
        load_policy(ModelConfig(), str(folder))
    except ModelError as error:
        refused = str(error)
    assert "\n" not in refused
    assert "cannot be loaded" in refused or (name == "tokenizer_config.json" and content == "{}")


@pytest.mark.parametrize("model_type", ["mine", "llama"])
def test_python_code_of_a_folder_never_runs(
    folder: Path, tmp_path: Path, model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")  # transformers would ask
    mark = tmp_path / "ran"
    code = (
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nclass C: pass\nclass M: pass\nclass T: pass\n"
    )
    (folder / "code.py").write_text(code)
    auto_map = {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"}
    _edit(folder / "config.json", model_type=model_type, auto_map=auto_map)
    auto_map_of_tokenizer = {"AutoTokenizer": ["code.T", None]}
    _edit(folder / "tokenizer_config.json", tokenizer_class="T", auto_map=auto_map_of_tokenizer)
    works = [
        lambda: load_policy(ModelConfig(), str(folder)),
        lambda: architecture(str(folder), {}),
        lambda: policy_hash(str(folder)),
    ]
    messages = []
    for work in works:
        try:
            work()
        except ModelError as error:
            messages.append(str(error))
    assert not mark.exists()
    assert model_type == "llama" or "needs Python code from its folder, which is never run" in messages[0]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.safetensors"])
def test_pickled_weights_are_never_read(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()

    class Touch:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "ran",)

    (folder / name).write_bytes(pickle.dumps(Touch()))
    for work in (lambda: load_policy(ModelConfig(), str(folder)), lambda: policy_hash(str(folder))):
        assert "safetensors" in _refusal(work)
    assert not (tmp_path / "ran").exists()


def test_an_adapter_without_its_base_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    assert "is an adapter" in _refusal(lambda: policy_hash(str(folder)))


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with open(path, "a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "additional_chat_templates/tool_use.jinja",
        "special_tokens_map.json",
        "merges.txt",
        "spiece.model",
    ],
)
def test_the_key_of_a_policy_sees_every_file_that_is_read(folder: Path, name: str) -> None:
    before = policy_hash(str(folder))
    _append(folder / name, " ")
    assert policy_hash(str(folder)) != before


@pytest.mark.parametrize("name", ["README.md", "provenance.json", ".gitattributes", "pytorch_model.bin"])
def test_the_key_of_a_policy_ignores_files_that_are_not_read(folder: Path, name: str) -> None:
    before = policy_hash(str(folder))
    _append(folder / name, " ")
    assert policy_hash(str(folder)) == before


def test_the_key_of_a_policy_sees_files_behind_links(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    shutil.move(folder / "config.json", elsewhere)
    (folder / "config.json").symlink_to(elsewhere)
    (tmp_path / "linked").symlink_to(folder)
    before = policy_hash(str(tmp_path / "linked"))
    assert before == policy_hash(str(folder))
    _append(elsewhere, " ")
    assert policy_hash(str(tmp_path / "linked")) != before


def test_a_renamed_file_changes_the_key(folder: Path) -> None:
    before = policy_hash(str(folder))
    (folder / "generation_config.json").rename(folder / "generation.json")
    assert policy_hash(str(folder)) != before
