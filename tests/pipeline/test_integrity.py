"""A file of a finished stage that has changed is found before it is used, with the remedy."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from corpo.pipeline import stage as stage_module
from corpo.pipeline.stage import Stage
from corpo.utils.errors import DataError
from corpo.utils.files import read_json, write_json, write_jsonl, write_text


def _write_result(folder: Path) -> None:
    write_jsonl(folder / "metrics.jsonl", [{"step": 1, "loss": 0.5}])
    write_json(folder / "policy/config.json", {"layers": 4})
    write_text(folder / "pairs.parquet", "PAR1" * 9)
    write_text(folder / "step-000001.safetensors", "a checkpoint, which has a hash of its own")
    write_text(folder / "rank-1-of-2/step-000001.safetensors", "the checkpoint of another process")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    finished = Stage("train", "train", (), {}, tmp_path, _write_result, minutes=lambda: 1.0)
    finished.run()
    return finished


def _flip_bit(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position // 8] ^= 1 << position % 8
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["metrics.jsonl", "policy/config.json", "pairs.parquet", "spec.json"])
def test_every_flipped_bit_of_a_file_is_found(stage: Stage, name: str) -> None:
    path = stage.folder / name
    intact = path.read_bytes()
    for position in random.Random(name).sample(range(8 * len(intact)), 12):
        _flip_bit(path, position)
        with pytest.raises(DataError, match="delete the folder") as error:
            stage.checked(name)
        assert str(path) in str(error.value)
        path.write_bytes(intact)
    assert stage.checked(name) == path


def test_every_flipped_bit_of_the_record_is_found_or_changes_nothing(stage: Stage) -> None:
    path = stage.folder / "done.json"
    intact, record = path.read_bytes(), stage.record
    for position in random.Random(0).sample(range(8 * len(intact)), 200):
        _flip_bit(path, position)
        if path.read_bytes().lower() != intact.lower():  # the case of a number's exponent is of no matter
            with pytest.raises(DataError, match="is damaged"):
                stage.checked()
        path.write_bytes(intact)
    assert stage.record == record


def test_damage_in_a_folder_is_found_and_damage_beside_it_is_not_its_concern(stage: Stage) -> None:
    _flip_bit(stage.folder / "policy/config.json", 9)
    stage.checked("metrics.jsonl")
    for name in ("policy", ""):
        with pytest.raises(DataError, match=r"policy/config\.json: is damaged"):
            stage.checked(name)


def test_a_missing_file_is_found(stage: Stage) -> None:
    (stage.folder / "metrics.jsonl").unlink()
    with pytest.raises(DataError, match=r"metrics\.jsonl: is damaged or missing"):
        stage.checked("metrics.jsonl")


def test_the_remedy_makes_the_result_again(stage: Stage) -> None:
    _flip_bit(stage.folder / "pairs.parquet", 3)
    shutil.rmtree(stage.folder)
    stage.run()
    assert stage.checked("pairs.parquet").read_text() == "PAR1" * 9


def test_files_that_a_checkpoint_or_the_lock_holds_are_not_hashed(stage: Stage) -> None:
    hashed = read_json(stage.folder / "done.json")["files"]
    assert sorted(hashed) == ["metrics.jsonl", "pairs.parquet", "policy/config.json", "spec.json"]


def test_records_of_older_versions_have_no_hashes_and_are_accepted(stage: Stage) -> None:
    record = stage.record
    write_json(stage.folder / "done.json", record)
    assert stage.record == record
    stage.checked()


def test_a_damaged_input_stops_the_stage_that_uses_it(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use(folder: Path) -> None:
        stage.checked("metrics.jsonl")

    monkeypatch.setitem(stage_module.VERSIONS, "user", 1)
    user = Stage("user", "user", (stage,), {}, tmp_path, use, minutes=lambda: 1.0)
    _flip_bit(stage.folder / "metrics.jsonl", 0)
    with pytest.raises(DataError, match=r"metrics\.jsonl"):
        user.run()
    assert not user.done
