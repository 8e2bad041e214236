"""Tests of the plug-ins for SkyRL, rLLM, slime, torchtitan and tinker-cookbook.

They use the packages where those can be imported, and `tests/plugins/stacks.py` elsewhere.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from corpo.baselines import advantages
from corpo.plugins.group_advantages import GROUPS_PER_REPORT
from tests.plugins import stacks

REWARDS = torch.tensor([[-1.0, -1.0, -1.0, -0.2], [-1.0, -0.6, 0.6, 1.0]])
CORPO = advantages(REWARDS, "corpo", threshold=0.0)
PLUGINS = ("skyrl", "rllm", "torchtitan", "tinker_cookbook")


@pytest.fixture(autouse=True)
def fresh_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import the plug-ins anew in each test, against the stack that the test provides."""
    for name in PLUGINS:
        monkeypatch.delitem(sys.modules, f"corpo.plugins.{name}", raising=False)


def _plugin(name: str) -> Any:
    return importlib.import_module(f"corpo.plugins.{name}")


# --- SkyRL ---

SKYRL = "skyrl.backends.skyrl_train.utils.ppo_utils"


@pytest.fixture
def skyrl(monkeypatch: pytest.MonkeyPatch) -> Any:
    registry = stacks.SkyrlRegistry()
    module = stacks.install(
        monkeypatch,
        SKYRL,
        register_advantage_estimator=registry.register,
        compute_advantages_and_returns=registry.compute_advantages_and_returns,
        AlgorithmConfig=SimpleNamespace,
    )
    if own_registry := getattr(module, "AdvantageEstimatorRegistry", None):  # the package's own
        monkeypatch.setattr(own_registry, "_functions", dict(own_registry._functions))
    return module


def _skyrl_advantages(skyrl: Any, rewards_PG: torch.Tensor, **config: Any) -> torch.Tensor:
    """Return the advantages (P, G) that SkyRL's own call computes for rewards on the last tokens."""
    lengths_N = 1 + torch.arange(rewards_PG.numel()) % 3
    mask = (torch.arange(3) < lengths_N[:, None]).long()
    token_rewards = torch.zeros(rewards_PG.numel(), 3)
    token_rewards[torch.arange(rewards_PG.numel()), lengths_N - 1] = rewards_PG.flatten()
    uids = [f"prompt{row // rewards_PG.shape[1]}" for row in range(rewards_PG.numel())]  # a list, as in SkyRL
    computed, returns = skyrl.compute_advantages_and_returns(
        token_rewards, mask, uids, "corpo", skyrl.AlgorithmConfig(**config)
    )
    assert returns.equal(computed)
    assert computed.equal(computed[:, :1] * mask), "every response token has the advantage of its rollout"
    return computed[:, 0].view(rewards_PG.shape)


def test_skyrl_gets_corpo_advantages(skyrl: Any) -> None:
    _plugin("skyrl").register("corpo", threshold=0.0)
    assert _skyrl_advantages(skyrl, REWARDS).equal(CORPO)


@pytest.mark.parametrize("setting", ["use_kl_in_reward", "advantage_batch_normalize"])
def test_skyrl_settings_that_would_change_the_advantages_are_refused(skyrl: Any, setting: str) -> None:
    _plugin("skyrl").register("corpo", threshold=0.0)
    with pytest.raises(ValueError, match=f"trainer.algorithm.{setting}=True: .*turn it off"):
        _skyrl_advantages(skyrl, REWARDS, **{setting: True})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"zero_variance_filter": True}, "trainer.algorithm.zero_variance_filter drops groups"),
        (
            {"dynamic_sampling": SimpleNamespace(type="filter")},
            "trainer.algorithm.dynamic_sampling.type=filter drops groups",
        ),
    ],
)
def test_skyrl_filter_of_equal_groups_is_warned_of_once(
    skyrl: Any, setting: dict[str, Any], message: str, caplog: Any
) -> None:
    _plugin("skyrl").register("corpo", threshold=0.0)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            _skyrl_advantages(skyrl, REWARDS, **setting)
    [record] = caplog.records
    assert record.getMessage().startswith(message)


def test_skyrl_estimator_survives_the_way_to_another_process(
    skyrl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check cloudpickle, with which SkyRL sends the estimators of its registry to Ray's processes."""
    cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")
    estimators: list[Any] = []

    def keep(name: str) -> Callable[[Any], None]:
        return estimators.append

    module = _plugin("skyrl")
    monkeypatch.setattr(module, "register_advantage_estimator", keep)
    module.register("corpo", threshold=0.0)
    received = cloudpickle.loads(cloudpickle.dumps(estimators[0]))
    computed, _ = received(REWARDS.view(-1, 1), torch.ones(8, 1), list("aaaabbbb"))
    assert computed.view(REWARDS.shape).equal(CORPO)


# --- rLLM ---


@pytest.fixture
def rllm(monkeypatch: pytest.MonkeyPatch) -> Any:
    registry = stacks.RllmRegistry()
    return stacks.install(
        monkeypatch,
        "rllm.trainer.algorithms.advantage",
        register_rllm_adv_estimator=registry.register,
        get_rllm_adv_estimator=registry.get_rllm_adv_estimator,
    )


def test_rllm_gets_corpo_advantages_of_groups_of_any_size(rllm: Any) -> None:
    _plugin("rllm").register("corpo", threshold=0.0)
    estimator = rllm.get_rllm_adv_estimator("corpo")
    rewards = [REWARDS[0].double().numpy(), REWARDS[1, 1:].double().numpy()]
    computed, returns = estimator(rewards=rewards, algorithm_config=None, traj_groups=[])
    for values_G, rewards_G in zip(computed, rewards, strict=True):
        expected = advantages(torch.from_numpy(rewards_G)[None], "corpo", threshold=0.0)[0]
        assert values_G.tolist() == expected.tolist()
    assert [values_G.tolist() for values_G in returns] == [values_G.tolist() for values_G in computed]


def test_rllm_writes_corpo_advantages_into_the_steps() -> None:
    """Check the function of rLLM that calls the estimator, which only its package has."""
    reason = "rLLM is not installed; see docs/how_to/plugins.md"
    algorithms = pytest.importorskip("rllm.trainer.algorithms", reason=reason, exc_type=ImportError)
    from rllm.types import Step, Trajectory, TrajectoryGroup

    _plugin("rllm").register("corpo", threshold=0.0)
    groups = []
    for number, rewards in enumerate(REWARDS.double().tolist()):
        trajectories = [Trajectory(steps=[Step()], reward=reward) for reward in rewards]
        groups.append(TrajectoryGroup(trajectories=trajectories, group_id=f"task{number}:agent"))
    config = algorithms.AlgorithmConfig(estimator=algorithms.rLLMAdvantageEstimator("corpo"))
    algorithms.collect_reward_and_advantage_from_trajectory_groups(groups, config)
    expected = advantages(REWARDS.double(), "corpo", threshold=0.0).tolist()
    for group, advantages_G in zip(groups, expected, strict=True):
        assert [trajectory.steps[0].advantage for trajectory in group.trajectories] == advantages_G


# --- slime ---


def _slime_samples(rewards_PG: torch.Tensor) -> list[Any]:
    samples = []
    for index, reward in enumerate(rewards_PG.flatten().tolist()):
        samples.append(stacks.slime_sample(index // rewards_PG.shape[1], index, reward))
    return samples


def test_slime_gets_the_rewards_and_corpo_advantages() -> None:
    post_process = _plugin("slime").reward_post_process(threshold=0.0)
    rewards, processed = post_process(stacks.SlimeArguments(), _slime_samples(REWARDS))
    assert rewards == REWARDS.flatten().tolist()
    assert processed == pytest.approx(CORPO.flatten().tolist(), abs=1e-7)


def test_slime_sample_without_a_reward_gets_advantage_zero() -> None:
    samples = _slime_samples(REWARDS)
    samples[0] = replace(samples[0], reward=None)
    post_process = _plugin("slime").reward_post_process(threshold=0.0)
    _, processed = post_process(stacks.SlimeArguments(), samples)
    expected = advantages(REWARDS[:1, 1:], "corpo", threshold=0.0)[0].tolist()
    assert processed[:4] == pytest.approx([0.0, *expected], abs=1e-7)


def test_slime_counts_a_rollout_of_several_samples_once() -> None:
    samples = [replace(sample, rollout_id=sample.index) for sample in _slime_samples(REWARDS)]
    samples.insert(7, replace(samples[7], index=70, reward=0.0))  # an earlier part of the last rollout
    post_process = _plugin("slime").reward_post_process(threshold=0.0)
    _, processed = post_process(stacks.SlimeArguments(), samples)
    assert processed[7] == processed[8]
    assert [*processed[:7], processed[8]] == pytest.approx(CORPO.flatten().tolist(), abs=1e-7)


def test_slime_samples_without_an_index_are_rollouts_of_their_own() -> None:
    samples = [replace(sample, index=None) for sample in _slime_samples(REWARDS)]
    _, processed = _plugin("slime").reward_post_process(threshold=0.0)(stacks.SlimeArguments(), samples)
    assert processed == pytest.approx(CORPO.flatten().tolist(), abs=1e-7)


def test_miles_gets_corpo_advantages() -> None:
    samples = []
    for index, reward in enumerate(REWARDS.flatten().tolist()):
        samples.append(stacks.MilesSample(index // 4, index, reward))
    _, processed = _plugin("slime").reward_post_process(threshold=0.0)(stacks.SlimeArguments(), samples)
    assert processed == pytest.approx(CORPO.flatten().tolist(), abs=1e-7)


def test_slime_samples_without_a_group_are_refused() -> None:
    samples = [replace(sample, group_index=None) for sample in _slime_samples(REWARDS)]
    post_process = _plugin("slime").reward_post_process(threshold=0.0)
    with pytest.raises(ValueError, match="the prompt of rollout 0 is None"):
        post_process(stacks.SlimeArguments(), samples)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"advantage_estimator": "ppo"}, "--advantage-estimator=ppo: .*; use grpo, gspo or cispo"),
        ({"normalize_advantages": True}, "--normalize-advantages=True: .*; turn it off"),
    ],
)
def test_slime_settings_that_would_change_the_advantages_are_refused(
    setting: dict[str, Any], message: str
) -> None:
    post_process = _plugin("slime").reward_post_process(threshold=0.0)
    with pytest.raises(ValueError, match=message):
        post_process(stacks.SlimeArguments(**setting), _slime_samples(REWARDS))


def test_slime_filter_of_equal_groups_is_warned_of_once(caplog: Any) -> None:
    post_process = _plugin("slime").reward_post_process(threshold=0.0)
    path = "slime.rollout.filter_hub.dynamic_sampling_filters.check_reward_nonzero_std"
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            post_process(stacks.SlimeArguments(dynamic_sampling_filter_path=path), _slime_samples(REWARDS))
    [record] = caplog.records
    assert "drops groups whose rewards are equal" in record.getMessage()


# --- torchtitan ---


@pytest.fixture
def titan_estimator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the estimator that torchtitan builds of its configuration."""
    stacks.install(monkeypatch, "torchtitan.config", Configurable=stacks.Configurable)
    return _plugin("torchtitan").CorpoAdvantage.Config(threshold=0.0).build()


def _titan_group(rewards: list[float | None], number: int = 0) -> stacks.TitanGroup:
    return stacks.TitanGroup(number, [stacks.TitanRollout(reward) for reward in rewards])


def test_torchtitan_gets_corpo_advantages(titan_estimator: Any) -> None:
    for number, rewards_G in enumerate(REWARDS.double()):
        expected = advantages(rewards_G[None], "corpo", threshold=0.0)[0]
        assert titan_estimator(_titan_group(rewards_G.tolist(), number)) == expected.tolist()
    assert titan_estimator(_titan_group([1.0, None])) == [0.0, 0.0]


def test_torchtitan_warns_once_of_the_default_that_drops_equal_failures(
    titan_estimator: Any, caplog: Any
) -> None:
    with caplog.at_level(logging.WARNING):
        titan_estimator(_titan_group([1.0, 1.0]))  # has no advantages, so that dropping it loses nothing
        assert caplog.records == []
        for _ in range(2):
            assert titan_estimator(_titan_group([-1.0, -1.0])) == [-1.0, -1.0]
    [record] = caplog.records
    assert record.getMessage().startswith("drop_zero_std_reward_groups of TrainingSampleBuilder.Config")


# --- tinker-cookbook ---


@pytest.fixture
def tinker(monkeypatch: pytest.MonkeyPatch) -> Any:
    return stacks.install_tinker(monkeypatch)


def test_tinker_cookbook_gets_corpo_advantages_and_logs_metrics(tinker: Any) -> None:
    _plugin("tinker_cookbook").replace_advantages(threshold=0.0)
    rewards_P = [REWARDS[0].tolist(), REWARDS[1].tolist()[1:]]
    groups = [stacks.tinker_group(rewards) for rewards in rewards_P]
    computed, metrics = stacks.tinker_advantages(tinker, groups)
    expected = []
    for rewards in rewards_P:
        advantages_1G = advantages(torch.tensor([rewards], dtype=torch.float64), "corpo", threshold=0.0)
        expected.extend(advantages_1G.float().flatten().tolist())
    assert computed == expected
    assert metrics["advantages/clip_active_fraction"] == 0.5
    assert metrics["advantages/pass_rate"] == pytest.approx(2 / 7)


def test_tinker_cookbook_rewards_may_be_whole_numbers(tinker: Any) -> None:
    _plugin("tinker_cookbook").replace_advantages(threshold=1)
    computed, _ = stacks.tinker_advantages(tinker, [stacks.tinker_group([0, 0, 1, 0])])
    assert computed == [-1, -1, 0, -1]


def test_tinker_cookbook_option_that_drops_equal_failures_is_warned_of_once(tinker: Any, caplog: Any) -> None:
    _plugin("tinker_cookbook").replace_advantages(threshold=0.0)
    group = stacks.tinker_group([-1.0, -0.5])
    with caplog.at_level(logging.WARNING):
        tinker.drop_constant_reward_group(group, SimpleNamespace(remove_constant_reward_groups=False), None)
        assert caplog.records == []
        for _ in range(2):
            config = SimpleNamespace(remove_constant_reward_groups=True)
            assert tinker.drop_constant_reward_group(group, config, None) is group
            assert tinker.remove_constant_reward_groups([group]) == [group]
    [record] = caplog.records
    assert record.getMessage().startswith("remove_constant_reward_groups drops groups")


# --- the failure of a public run, in every plug-in ---


def _run_skyrl(rewards_PG: torch.Tensor, request: pytest.FixtureRequest) -> None:
    skyrl = request.getfixturevalue("skyrl")
    _plugin("skyrl").register("corpo", threshold=0.0)
    _skyrl_advantages(skyrl, rewards_PG)


def _run_rllm(rewards_PG: torch.Tensor, request: pytest.FixtureRequest) -> None:
    rllm = request.getfixturevalue("rllm")
    _plugin("rllm").register("corpo", threshold=0.0)
    rllm.get_rllm_adv_estimator("corpo")(rewards=list(rewards_PG.numpy()), algorithm_config=None)


def _run_slime(rewards_PG: torch.Tensor, request: pytest.FixtureRequest) -> None:
    _plugin("slime").reward_post_process(threshold=0.0)(stacks.SlimeArguments(), _slime_samples(rewards_PG))


def _run_torchtitan(rewards_PG: torch.Tensor, request: pytest.FixtureRequest) -> None:
    estimator = request.getfixturevalue("titan_estimator")
    for number, rewards in enumerate(rewards_PG.tolist()):
        estimator(_titan_group(rewards, number))


def _run_tinker_cookbook(rewards_PG: torch.Tensor, request: pytest.FixtureRequest) -> None:
    tinker = request.getfixturevalue("tinker")
    _plugin("tinker_cookbook").replace_advantages(threshold=0.0)
    stacks.tinker_advantages(tinker, [stacks.tinker_group(rewards) for rewards in rewards_PG.tolist()])


@pytest.mark.parametrize("run", [_run_skyrl, _run_rllm, _run_slime, _run_torchtitan, _run_tinker_cookbook])
def test_threshold_that_fits_no_reward_is_warned_of(
    run: Any, request: pytest.FixtureRequest, caplog: Any
) -> None:
    """Check rewards in [0, 1] with threshold 0, with which the clip is never active."""
    rewards_PG = ((REWARDS + 1) / 2).repeat(GROUPS_PER_REPORT // 2, 1)
    with caplog.at_level(logging.WARNING):
        run(rewards_PG, request)
    [record] = caplog.records
    assert "CoRPO equals GRPO in this run" in record.getMessage()
