"""Test the model card: front matter, method, metrics and settings."""

from __future__ import annotations

from dataclasses import replace

import yaml

from corpo.config import Config
from corpo.report.model_card import model_card

METRICS = [
    {"step": 1, "reward_mean": 0.1},
    {"step": 2, "validation/pass@1": 0.5, "validation/reward": 0.25, "validation/kl_from_start": 1.5},
]


def _card(config: Config) -> str:
    return model_card(config, "base-hash", "data-hash", METRICS, {"commit": "abc"})


def test_card_has_front_matter_and_a_row_per_validation() -> None:
    card = _card(Config())
    fields = yaml.safe_load(card.split("---\n")[1])
    assert fields["license"] == "mit"
    assert "base_model" not in fields, "the shipped base is no model of a hub"
    assert "| 2 | 0.500 | 0.250 | 1.500 |" in card
    assert "| 1 |" not in card
    assert "| commit | abc |" in card


def test_card_names_the_base_model_of_a_hub() -> None:
    config = Config()
    config = replace(config, model=replace(config.model, path="owner/name"))
    assert yaml.safe_load(_card(config).split("---\n")[1])["base_model"] == "owner/name"


def test_card_of_another_task_says_nothing_about_candidates() -> None:
    config = Config()
    card = _card(replace(config, task=replace(config.task, name="sums", options={"largest": 9})))
    assert "# A policy for the task sums trained with corpo" in card
    assert "questions of the task `sums` with the options {'largest': 9} (stage data-hash)" in card
    assert yaml.safe_load(card.split("---\n")[1])["tags"] == ["corpo", "corpo", "sums"]
    assert not any(word in card for word in ("candidate", "verifier", "pair"))


def test_card_gives_the_options_of_training_as_yaml() -> None:
    config = Config()
    settings = yaml.safe_load(_card(config).split("```yaml\n")[1].split("```")[0])
    assert settings["train"]["lr"] == config.train.lr
    assert settings["rollout"]["temperature"] == config.rollout.temperature
