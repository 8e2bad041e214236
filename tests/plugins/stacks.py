"""The parts of other training stacks that our plug-ins touch, for tests without their packages.

Each has exactly the signatures of the named source. If the package itself can be imported, the tests use it.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch


def install(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> ModuleType:
    """Return a module: the package's own if it can be imported, or else a new one with these members."""
    try:
        return importlib.import_module(name)
    except ImportError:
        module = ModuleType(name)
        vars(module).update(members)
        parts = name.split(".")
        for end in range(1, len(parts)):
            parent = ".".join(parts[:end])
            if parent not in sys.modules:
                monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
        monkeypatch.setitem(sys.modules, name, module)
        if len(parts) > 1:
            monkeypatch.setattr(sys.modules[".".join(parts[:-1])], parts[-1], module, raising=False)
        return module


class Registry:
    """Functions by name, with the decorator that adds one."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}

    def register(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
            self.functions[name] = function
            return function

        return decorator


# --- SkyRL 0.4.0, skyrl/backends/skyrl_train/utils/ppo_utils.py ---


class SkyrlRegistry(Registry):
    """The registry and the call of SkyRL."""

    def compute_advantages_and_returns(
        self,
        token_level_rewards: Any,
        response_mask: Any,
        index: Any,
        adv_estimator: str,
        config: Any,
        values: Any = None,
        grpo_norm_by_std: bool = True,
        gamma: float = 1.0,
        lambd: float = 1.0,
        **kwargs: Any,
    ) -> Any:
        return self.functions[adv_estimator](
            token_level_rewards=token_level_rewards,
            response_mask=response_mask,
            index=index,
            values=values,
            grpo_norm_by_std=grpo_norm_by_std,
            gamma=gamma,
            lambd=lambd,
            config=config,
            **kwargs,
        )


# --- rLLM, rllm/trainer/algorithms/advantage.py, 2026-08-15 ---


class RllmRegistry(Registry):
    """The registry of rLLM, which looks up names that are not its own as "other"."""

    def get_rllm_adv_estimator(self, name: str) -> Callable[..., Any]:
        return self.functions[name if name in ("grpo", "reinforce", "rloo") else "other"]


# --- slime and miles, slime/utils/types.py and slime/ray/rollout.py, 2026-08 ---


@dataclass
class MilesSample:
    """A sample of miles, and the only members that the plug-in reads."""

    group_index: int | None
    index: int | None
    reward: float | None
    response_length: int = 3

    def get_reward_value(self, args: Any) -> float | None:
        return self.reward


@dataclass
class SlimeSample(MilesSample):
    """A sample of slime."""

    rollout_id: int | None = None


def slime_sample(group_index: int, index: int, reward: float) -> Any:
    """Return a sample: of slime's own class if it can be imported."""
    try:
        from slime.utils.types import Sample
    except ImportError:
        return SlimeSample(group_index, index, reward)
    return Sample(group_index=group_index, index=index, reward=reward, response_length=3)


@dataclass
class SlimeArguments:
    """The arguments of slime that concern rewards and advantages, with their default values."""

    reward_key: str | None = None
    advantage_estimator: str = "grpo"
    normalize_advantages: bool = False
    dynamic_sampling_filter_path: str | None = None


# --- torchtitan 0.3.0, torchtitan/config and torchtitan/experiments/rl/rollout/types.py ---


class Configurable:
    """The base class of torchtitan's components: `Config.build()` makes the component."""

    @dataclass(kw_only=True, slots=True)
    class Config:
        """The base class of their options."""

        _owner: ClassVar[type | None] = None

        def build(self) -> Any:
            assert self._owner is not None
            return self._owner(config=self)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.Config._owner = cls


@dataclass
class TitanRollout:
    """A rollout of torchtitan, and the only member that an estimator reads."""

    reward: float | None


@dataclass
class TitanGroup:
    """A group of torchtitan."""

    group_id: int
    rollouts: list[TitanRollout]


# --- tinker-cookbook 0.6.1, tinker_cookbook/rl/types.py and tinker_cookbook/rl/train.py ---

TINKER_TRAIN = "tinker_cookbook.rl.train"


@dataclass
class TinkerGroup:
    """A group of tinker-cookbook: its total rewards."""

    rewards: list[float] = field(default_factory=list)

    def get_total_rewards(self) -> list[float]:
        return self.rewards


def tinker_group(rewards: list[float]) -> Any:
    """Return a group with these rewards: of the package's own classes if it can be imported."""
    try:
        import tinker
        from tinker_cookbook.completers import TokensWithLogprobs
        from tinker_cookbook.rl.types import Trajectory, TrajectoryGroup, Transition
    except ImportError:
        return TinkerGroup(rewards)
    prompt = tinker.ModelInput.from_ints([1])
    action = TokensWithLogprobs([2, 3], [-0.5, -0.5])
    trajectories = []
    for _ in rewards:
        transition = Transition(prompt, action, reward=0.0, episode_done=True)
        trajectories.append(Trajectory([transition], final_ob=prompt))
    return TrajectoryGroup(trajectories, rewards, [{} for _ in rewards])


async def _tinker_prepare_minibatch(
    env_group_builders_P: Any,
    trajectory_groups_P: Any,
    tokenizer: Any,
    kl_reference_client: Any,
    kl_penalty_coef: float,
    kl_discount_factor: float,
    include_provenance: bool = True,
) -> tuple[list[Any], dict[str, Any], Any]:
    """Compute the advantages of the groups that it would print, and then those of all groups."""
    train = sys.modules[TINKER_TRAIN]
    for group in trajectory_groups_P[:2]:
        train.compute_advantages([group])
    data = []
    for advantages_G in train.compute_advantages(trajectory_groups_P):
        for advantage in advantages_G:
            values = torch.tensor([float(advantage)] * 2)
            tensor_data = SimpleNamespace(to_torch=lambda values=values: values)
            data.append(SimpleNamespace(loss_fn_inputs={"advantages": tensor_data}))
    return data, {}, None


def _tinker_remove_constant_reward_groups(trajectory_groups_P: list[Any]) -> list[Any]:
    return trajectory_groups_P


def _tinker_drop_constant_reward_group(
    trajectory_group: Any, config: Any, cost_tracker: Any, discarded_log: Any = None, step: int = 0
) -> Any:
    return trajectory_group


def install_tinker(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the training module of tinker-cookbook. What a plug-in replaces is restored after the test."""
    functions: dict[str, Callable[..., Any] | None] = {
        "compute_advantages": None,
        "prepare_minibatch": _tinker_prepare_minibatch,
        "remove_constant_reward_groups": _tinker_remove_constant_reward_groups,
        "drop_constant_reward_group": _tinker_drop_constant_reward_group,
    }
    train = install(monkeypatch, TINKER_TRAIN, **functions)
    for name in functions:
        monkeypatch.setattr(train, name, getattr(train, name))
    return train


def tinker_advantages(train: ModuleType, groups: list[Any]) -> tuple[list[float], dict[str, Any]]:
    """Return the advantages of all trajectories and the metrics that `prepare_minibatch` computes."""
    builder = SimpleNamespace(logging_tags=list)
    tokenizer = SimpleNamespace(decode=str)
    preparation = train.prepare_minibatch(
        [builder] * len(groups), groups, tokenizer, None, kl_penalty_coef=0.0, kl_discount_factor=0.0
    )
    data, metrics, _ = asyncio.run(preparation)
    advantages = []
    for datum in data:
        first, last = datum.loss_fn_inputs["advantages"].to_torch().tolist()
        assert first == last, "every token of a trajectory has its advantage"
        advantages.append(last)
    return advantages, metrics
