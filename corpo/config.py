"""Every option of an experiment with its default, unit and range. Hydra composes these classes from `conf/`.

The comment of a field is its description in docs/reference/options.md, which is generated from this file. A
value out of range raises ValueError with one line that names the option, the value and the remedy. Every
number is finite and at most 1,000,000, unless MAXIMA says otherwise. This module imports nothing heavy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from corpo.task import COMPACT, INSTRUCT, Reward, build_reward
from corpo.utils.validate import check_name, check_values, shown_number

NEW = "new"  # the `model.path` of an untrained nano policy
VERIFY, GENERATE, SOLVE = TASK_NAMES = ("verify", "generate", "solve")  # of `task.name`
ADAMW, SGD = OPTIMIZERS = ("adamw", "sgd")  # of `train.optimizer`
AGGREGATIONS = ("token_sum", "token_mean", "sequence_mean", "constant")
PIPELINES, BANK = PROBLEM_SETS = ("pipelines", "bank")  # of `data.problems`
TRACE, REWRITE = RATIONALES = ("trace", "rewrite")  # of `warm_start.rationale`
CANDIDATE_SOURCES = ("given", "references", "mutants", "sampled")
TRACKERS = ("tensorboard", "wandb")
MAX_LEVELS = 1000  # of the reward
# The largest values of options. Above them a run would not end or would not fit into any memory. A `*` stands
# for a name that the user chooses.
MAXIMA = {
    "candidates.cpu_seconds": 3600,
    "candidates.mutants": 10_000,
    "candidates.samples": 10_000,
    "data.mutants_per_solution": 10_000,
    "data.pairing.max_candidate_chars": 10**8,
    "data.pairing.max_statement_chars": 10**8,
    "data.sources.*.limit": 10**9,
    "evaluate.ks": 100_000,
    "evaluate.num_rollouts": 100_000,
    "nano.heads": 1000,
    "nano.layers": 1000,
    "nano.mlp": 100_000,
    "nano.width": 10_000,
    "rollout.vllm.max_model_len": 10**8,
    "study.warm_starts": 1000,
    "train.group_size": 10_000,
    "train.token_budget": 10**8,
    **dict.fromkeys(("model.architecture.max_position_embeddings", "model.architecture.rope_theta"), 10**9),
    "model.architecture.num_hidden_layers": 1000,
}


def _require_min(section: str, config: Any, minimum: float, *names: str) -> None:
    """Raise ValueError if an option is below the minimum, NaN or infinite."""
    for name in names:
        value = getattr(config, name)
        if not minimum <= value < math.inf:
            raise ValueError(
                f"{section}.{name}={shown_number(value)}: must be at least {minimum:g}, and finite"
            )


def _require_max(section: str, config: Any, maximum: float, *names: str) -> None:
    for name in names:
        if not getattr(config, name) <= maximum:
            raise ValueError(
                f"{section}.{name}={shown_number(getattr(config, name))}: must be at most {maximum:g}"
            )


def _require_positive(section: str, config: Any, *names: str) -> None:
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(
                f"{section}.{name}={shown_number(getattr(config, name))}: must be positive, and finite"
            )


def _require_distinct(section: str, config: Any, *names: str) -> None:
    """Raise ValueError if a list is empty or holds a value twice."""
    for name in names:
        values = list(getattr(config, name))
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{section}.{name}={values}: give at least one, and none twice")


def _require_choice(section: str, config: Any, name: str, choices: tuple[str, ...]) -> None:
    if getattr(config, name) not in choices:
        raise ValueError(f"{section}.{name}={getattr(config, name)!r}: choose one of {', '.join(choices)}")


@dataclass
class TaskConfig:
    """The task: what policies are asked, and how their answers are graded."""

    # verify (judge pairs of programs, as in the paper), generate (write programs, solve word problems), solve
    # (the same for the real problems of data.sources), or a task that a plugin registers
    name: str = VERIFY
    # options of the task, such as those in conf/task/generate.yaml; verify has none
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name == VERIFY and self.options:
            raise ValueError(f"task.options={dict(self.options)}: task.name={VERIFY} has no options")


@dataclass
class SourceConfig:
    """A source of real problems: a data set of the hub, a file or a folder, and how to read it."""

    # how to read the rows: a loader registered in corpo.data.sources; null uses the name of the source
    loader: str | None = None
    path: str | None = None  # a local file or folder, instead of the hub
    hub: str | None = None  # the data set's id on the hub, or a folder with the same layout
    subset: str | None = None  # the name of the data set's configuration on the hub
    split: str = "train"  # the split of the data set
    revision: str | None = None  # the commit of the data set on the hub; null uses the newest
    files: list[str] = field(default_factory=list)  # JSONL files of the data set, if it has no Parquet files
    # a JSONL file of programs for these problems; each line has task_id or prompt, and completion or samples
    samples: str | None = None
    limit: int | None = None  # the number of problems to use, from the first, at least 1; null uses all
    # share of the problems for evaluation, 0 to 1; of the others, nine in ten are for training, one for
    # validation
    evaluation: float = 1.0
    splits: str | None = None  # the prefix of the names of its splits; null uses the name of the source

    def __post_init__(self) -> None:
        if self.limit is not None:
            _require_min("data.sources.*", self, 1, "limit")
        if not 0 <= self.evaluation <= 1:
            raise ValueError(f"data.sources.*.evaluation={self.evaluation:g}: choose a share between 0 and 1")


@dataclass
class PairingConfig:
    """The choice of pairs of real problems. The two shares apply to embedded problems, too."""

    max_pairs_per_problem: int = 4  # pairs per problem and split, at least 1; no candidate is used twice
    max_candidate_chars: int = 1500  # characters per candidate, at least 1; longer candidates are left out
    max_statement_chars: int = 2000  # characters per problem statement, at least 1; longer ones are left out
    # consecutive words that a training problem must not share with an evaluation problem, at least 1
    overlap_words: int = 13
    # share of training pairs in which both candidates are wrong, 0 to 1; 0 in the paper
    both_wrong: float = 0.0
    # share of training pairs in which both candidates are correct, 0 to 1; 0 in the paper
    both_correct: float = 0.0

    def __post_init__(self) -> None:
        limits = ("max_pairs_per_problem", "max_candidate_chars", "max_statement_chars", "overlap_words")
        _require_min("data.pairing", self, 1, *limits)
        _require_min("data.pairing", self, 0, "both_wrong", "both_correct")
        if self.both_wrong + self.both_correct > 1:
            raise ValueError(
                f"data.pairing: both_wrong={self.both_wrong:g} and both_correct={self.both_correct:g} "
                "are shares; together at most 1"
            )


@dataclass
class PipelinesConfig:
    """The numbers of problems of `data.problems=pipelines`. *Our choice*."""

    warm_start_problems: int = 5000  # code problems of the warm start, at least 1
    math_warm_start_problems: int = 2000  # word problems of the warm start, at least 1
    train_problems: int = 800  # code problems of training, at least 1; of task=generate, problems per domain
    # numbers of operations of training and validation problems, from 2 to 4; more are harder
    train_operations: list[int] = field(default_factory=lambda: [2, 3, 4])
    # the fewest and the most values in the example of training and validation problems, from 3 to 8; those of
    # the warm start and of the evaluation have 3 to 5
    train_values: list[int] = field(default_factory=lambda: [3, 5])
    validation_problems: int = 150  # code problems of validation, and as many word problems, at least 1
    # evaluation problems of each part, at least 1: code with seen and with unseen combinations of operations,
    # longer code, and math with seen and with unseen combinations
    evaluation_problems: int = 150

    def __post_init__(self) -> None:
        counts = (
            "warm_start_problems",
            "math_warm_start_problems",
            "train_problems",
            "validation_problems",
            "evaluation_problems",
        )
        _require_min("data.pipelines", self, 1, *counts)
        _require_distinct("data.pipelines", self, "train_operations")
        if not set(self.train_operations) <= {2, 3, 4}:
            raise ValueError(
                f"data.pipelines.train_operations={list(self.train_operations)}: choose from 2, 3 and 4; "
                "five operations are for evaluation"
            )
        if len(self.train_values) != 2 or not 3 <= self.train_values[0] <= self.train_values[1] <= 8:
            raise ValueError(
                f"data.pipelines.train_values={list(self.train_values)}: "
                "give two numbers from 3 to 8, the smaller one first"
            )


@dataclass
class DataConfig:
    """The data stage: pairs of embedded problems, or from real sources."""

    # the embedded problems: pipelines (programs composed of list operations, and word problems in steps), or
    # bank (families of problems)
    problems: str = PIPELINES
    # families of code problems of the bank, at least 1; the shortest of each topic first
    code_families: int = 24
    # families of math problems of the bank, at least 1; they are used for evaluation only
    math_families: int = 6
    # one-edit mutants to sample per correct solution (of pipelines: per problem), at least 1
    mutants_per_solution: int = 8
    pairs_per_split: int = 150  # evaluation pairs per split, at least 1; both orders of each are evaluated
    train_pairs: int = 3000  # training pairs, at least 1; both orders of each are trained on
    # validation pairs, at least 1, of problems that are neither trained nor evaluated on
    validation_pairs: int = 100
    seed: int = 0  # random seed of problems, mutants and pairs
    # how the sandbox isolates programs: process or namespaces; null uses the strongest that this machine
    # supports
    isolation: str | None = None
    # a JSONL or Parquet file with your own evaluation pairs, instead of the evaluation splits
    file: str | None = None
    # real problems instead of the embedded ones, by name; see data.sources.NAME
    sources: dict[str, SourceConfig] = field(default_factory=dict)
    pairing: PairingConfig = field(default_factory=PairingConfig)
    pipelines: PipelinesConfig = field(default_factory=PipelinesConfig)

    def __post_init__(self) -> None:
        _require_choice("data", self, "problems", PROBLEM_SETS)
        counts = (
            "code_families",
            "math_families",
            "mutants_per_solution",
            "pairs_per_split",
            "train_pairs",
            "validation_pairs",
        )
        _require_min("data", self, 1, *counts)
        if self.isolation is not None:
            _require_choice("data", self, "isolation", ("process", "namespaces"))


@dataclass
class ModelConfig:
    """The policy to start from."""

    # a folder, a hub id, package:MODULE/FILE, nano_base (the base policy that ships with corpo), or new (an
    # untrained nano policy, which needs a warm start)
    path: str = "nano_base"
    # float32 or bfloat16, the type of the weights; bfloat16 is slow on CPUs without instructions for it
    dtype: str = "float32"
    # the text of the prompt: compact (for policies warm-started here) or instruct (explains the response
    # format)
    style: str = COMPACT
    chat_template: bool = False  # put the prompt into the chat format of the model
    # entries of the model's config.json, so that a dry run needs no hub
    architecture: dict[str, Any] = field(default_factory=dict)
    # teach the policy the response format first (see warm_start); the shipped policy has learned it
    warm_start: bool = False

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError(f"model.path={self.path!r}: give a folder or a hub id")
        if self.path == NEW and not self.warm_start:
            raise ValueError(
                f"model.path={NEW}: an untrained nano policy needs a warm start; "
                "set model.warm_start=true (model=nano_new)"
            )
        if self.path == NEW and self.style != COMPACT:
            raise ValueError(
                f"model.style={self.style!r}: a new nano policy learns the compact style; choose compact"
            )
        _require_choice("model", self, "dtype", ("bfloat16", "float32"))
        _require_choice("model", self, "style", (COMPACT, INSTRUCT))


@dataclass
class NanoConfig:
    """The size of a new nano policy. *Our choice*: what two CPU cores train in under an hour."""

    vocabulary: int = 1024  # tokens, at least 300, learned by byte-pair encoding from demonstrations
    width: int = 128  # width of the hidden states, a multiple of twice `heads`
    layers: int = 4  # transformer layers, at least 1
    heads: int = 4  # attention heads per layer, at least 1
    mlp: int = 352  # hidden units of the gated MLP of a layer, at least 1
    context: int = 512  # maximum tokens of a prompt and its completion, at least 1

    def __post_init__(self) -> None:
        _require_min("nano", self, 1, "layers", "heads")
        _require_min("nano", self, 1, "mlp", "context")
        _require_min("nano", self, 300, "vocabulary")
        if self.width % (2 * self.heads):
            raise ValueError(f"nano.width={self.width}: must be a multiple of twice nano.heads={self.heads}")


@dataclass
class WarmStartConfig:
    """Supervised fine-tuning on demonstrations. *Our choice*: the paper starts from a pretrained reasoner."""

    steps: int = 2800  # optimizer steps, at least 1
    pairs: int = 20  # pairs per step, at least 1; each in both orders, or twice as many in one order
    both_orders: bool = False  # show each pair in both orders
    math_share: float = 0.35  # expected share of math pairs, 0 to 1
    prompt_weight: float = 0.0  # weight of the loss on prompt tokens, at least 0; responses have weight 1
    # the first steps, in which prompts are learned, too, at least 0; null is all steps
    prompt_steps: int | None = None
    lr: float = 2e-3  # peak learning rate of AdamW, positive
    warmup_steps: int = 60  # steps of the linear warm-up, at least 1
    # share of the steps, at the end, in which the learning rate falls linearly to 0; above 0, at most 1
    decay_share: float = 0.5
    weight_decay: float = 0.05  # weight decay of AdamW, at least 0
    max_grad_norm: float = 1.0  # the norm to which the gradient is clipped, positive
    micro_batches: int = 4  # parts in which a batch is computed, at least 1; more parts need less memory
    # the first steps, which draw only the half of the problems with the shorter candidates, at least 0
    short_steps: int = 300
    # the rationale in the think block: trace (run each candidate on the example; needs data=pipelines) or
    # rewrite (copy each candidate up to its first wrong line and correct it)
    rationale: str = TRACE
    # share of the values in a demonstrated trace that are wrong, 0 to 1; the trace goes on from them
    slips: float = 0.01
    # steps of a second phase that starts from the result with a new optimizer, at least 0. The first phase
    # teaches the skill; the second one makes the policy less careful, so that it has something to learn
    second_steps: int = 200
    second_slips: float = 0.05  # share of wrong values in the second phase, 0 to 1
    second_lr: float = 5e-4  # peak learning rate of the second phase, positive
    # weight of the loss on the words ok and bad of a trace, positive; other tokens of a response weigh 1
    verdict_weight: float = 3.0
    evaluate_every: int = 300  # steps between evaluations and between checkpoints, at least 1
    dev_pairs: int = 16  # pairs per domain and kind for evaluation, at least 1
    seed: int = 0  # random seed of the demonstrations and their order

    def __post_init__(self) -> None:
        counts = ("steps", "pairs", "warmup_steps", "micro_batches", "evaluate_every", "dev_pairs")
        _require_min("warm_start", self, 1, *counts)
        _require_choice("warm_start", self, "rationale", RATIONALES)
        _require_positive("warm_start", self, "lr", "decay_share", "max_grad_norm", "verdict_weight")
        _require_positive("warm_start", self, "second_lr")
        _require_min("warm_start", self, 0, "math_share", "prompt_weight", "weight_decay")
        _require_min("warm_start", self, 0, "short_steps", "slips")
        _require_min("warm_start", self, 0, "second_steps", "second_slips")
        if self.prompt_steps is not None:
            _require_min("warm_start", self, 0, "prompt_steps")
        _require_max("warm_start", self, 1, "math_share", "decay_share")
        _require_max("warm_start", self, 1, "slips", "second_slips")

    @property
    def second_phase(self) -> WarmStartConfig:
        """Return the settings of the second phase as those of a warm start of its own.

        Raises ValueError if there is none.
        """
        return replace(
            self,
            steps=self.second_steps,
            lr=self.second_lr,
            slips=self.second_slips,
            warmup_steps=max(1, self.second_steps // 10),
            decay_share=0.8,
            short_steps=0,
            evaluate_every=max(1, self.second_steps // 2),
        )


@dataclass
class RewardConfig:
    """A reward registered in `corpo.task.reward`, by name, and its arguments."""

    name: str = "ordinal"  # ordinal, or a reward that a plugin registers
    levels: int = 10  # number of different rewards, at least 2; half of them, rounded up, are for failures
    # R_min_correct: above every reward of a failure, at most the smallest reward of a success
    threshold: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of a reward of your own

    def __post_init__(self) -> None:
        _require_max("reward", self, MAX_LEVELS, "levels")
        self.build()

    def build(self) -> Reward:
        """Return the reward. Raises ValueError if its name is unknown or its arguments do not fit."""
        return build_reward(self.name, self.levels, self.threshold, self.options)


@dataclass
class BaselineConfig:
    """A baseline registered in `corpo.baselines`, by name, and its options."""

    name: str = "corpo"  # grpo, static, corpo, another registered baseline, or one that a plugin registers
    options: dict[str, Any] = field(default_factory=dict)  # options of the baseline, such as std of grpo


@dataclass
class VllmConfig:
    """The arguments of the vLLM engine. Their names are those of vLLM."""

    # maximum tokens of a prompt and its completion, at least 1; a smaller context of the model is the limit
    max_model_len: int = 1024
    max_num_seqs: int = 256  # rollouts decoded at once, at least 1
    # share of the accelerator's memory that the engine may use, above 0, at most 1; on CPUs, of the machine's
    # memory
    gpu_memory_utilization: float = 0.4
    tensor_parallel_size: int = 1  # accelerators over which one copy of the weights is spread, at least 1
    enforce_eager: bool = True  # do not capture graphs: the engine starts in seconds, but samples more slowly
    enable_sleep_mode: bool = False  # free the engine's memory while the trainer works; accelerators only
    # largest difference of log-probs between engine and trainer after a weight sync, nats per token,
    # positive; bfloat16 kernels differ by 0.03 on the nano policy
    probe_tolerance: float = 0.1

    def __post_init__(self) -> None:
        _require_min("rollout.vllm", self, 1, "max_model_len", "max_num_seqs", "tensor_parallel_size")
        _require_positive("rollout.vllm", self, "gpu_memory_utilization", "probe_tolerance")
        _require_max("rollout.vllm", self, 1, "gpu_memory_utilization")


@dataclass
class RolloutConfig:
    """Sampling. There is no top-p or top-k, because they would bias the gradient."""

    engine: str = "transformers"  # transformers, or vllm
    # maximum tokens of a completion, at least 1; a longer response is cut and fails
    max_new_tokens: int = 112
    temperature: float = 1.0  # sampling temperature in training and evaluation, positive
    # texts that end a rollout, in addition to the model's end-of-sequence token
    stop: list[str] = field(default_factory=list)
    # judge each candidate of a pair in a prompt of its own, which shows it in both places, and join the i-th
    # responses into one, which is rewarded as a whole; needs model.style=compact
    separate_prompts: bool = False
    max_rows: int = 1024  # rollouts that the transformers engine decodes at once, at least 1; limits memory
    vllm: VllmConfig = field(default_factory=VllmConfig)

    def __post_init__(self) -> None:
        _require_choice("rollout", self, "engine", ("transformers", "vllm"))
        _require_min("rollout", self, 1, "max_new_tokens", "max_rows")
        _require_positive("rollout", self, "temperature")
        if "" in self.stop:
            raise ValueError(
                f"rollout.stop={list(self.stop)}: an empty text would end every rollout at once; leave it out"
            )


@dataclass
class LossConfig:
    """The loss. The default is the loss of the paper (arXiv 2511.04439): a token sum, no ratio clip or KL."""

    # how the losses of tokens are averaged: token_sum, token_mean, sequence_mean or constant
    # (corpo/train/loss.py)
    aggregation: str = "token_sum"
    # PPO's ratio clipping, between 0 and 1, such as 0.2; null is none. It acts only with several updates per
    # batch (train.minibatches, train.epochs)
    ppo_clip: float | None = None
    # weight of KL(policy || policy before training) in the loss (k3 estimate), at least 0; never part of the
    # reward
    kl: float = 0.0
    entropy: float = 0.0  # weight of the entropy bonus, at least 0
    # truncated importance sampling: the largest importance ratio of a token, at least 1; null is none. For an
    # engine whose log-probs differ from the trainer's
    importance_ratio_cap: float | None = None

    def __post_init__(self) -> None:
        _require_choice("train.loss", self, "aggregation", AGGREGATIONS)
        _require_min("train.loss", self, 0, "kl", "entropy")
        if self.importance_ratio_cap is not None and self.importance_ratio_cap < 1:
            raise ValueError(
                f"train.loss.importance_ratio_cap={self.importance_ratio_cap:g}: "
                "choose a value of at least 1, or null for none"
            )
        if self.importance_ratio_cap is not None and self.ppo_clip is not None:
            raise ValueError(
                "train.loss: choose ppo_clip or importance_ratio_cap, not both; they limit the same ratio"
            )
        if self.ppo_clip is not None and not 0 < self.ppo_clip < 1:
            raise ValueError(
                f"train.loss.ppo_clip={self.ppo_clip:g}: choose a value between 0 and 1, or null for none"
            )


@dataclass
class LoraConfig:
    """Low-rank adapters (LoRA), trained instead of all weights."""

    rank: int = 0  # rank of the adapters, at least 0; 0 trains all weights
    alpha: int = 32  # scale of the adapters, at least 1; it is divided by the rank

    def __post_init__(self) -> None:
        _require_min("train.lora", self, 0, "rank")
        _require_min("train.lora", self, 1, "alpha")


@dataclass
class TrainConfig:
    """One run of reinforcement learning. *Our choice*: the paper states none of these numbers."""

    steps: int = 60  # batches of new rollouts, at least 1; each gives minibatches x epochs updates
    prompts_per_step: int = 32  # prompts per step, even; they are both orders of half as many pairs
    group_size: int = 16  # rollouts per prompt, at least 1; most baselines need 2
    # parts of a batch with one update each, at least 1; both orders of a pair stay in the same part. Several
    # updates per batch need train.loss.ppo_clip or train.loss.importance_ratio_cap
    minibatches: int = 1
    epochs: int = 1  # passes over a batch, at least 1; each divides it anew. 1 in the paper
    optimizer: str = ADAMW  # adamw, or sgd (without momentum), which needs a larger learning rate
    lr: float = 1e-4  # learning rate after the warm-up, positive
    warmup_steps: int = 5  # steps of the linear warm-up, at least 1
    # the norm to which the gradient is clipped, positive; null does not clip
    max_grad_norm: float | None = 1.0
    weight_decay: float = 0.0  # weight decay, at least 0
    # average the loss over groups with a non-zero advantage only (dynamic filtering)
    filter_zero_advantage_groups: bool = False
    # tokens in one forward pass of training, at least 1; larger is faster on GPUs, but slower on CPUs,
    # whose cores compute one forward pass each
    token_budget: int = 1024
    validate_every: int = 10  # steps between validations, at least 1
    validation_prompts: int = 64  # validation prompts, at least 1
    validation_rollouts: int = 8  # rollouts per validation prompt, at least 1
    checkpoint_every: int = 10  # steps between checkpoints, at least 1; the last two are kept
    # steps between those whose first responses are kept for reading, at least 1; no result depends on it
    keep_rollouts_every: int = 5
    # recompute activations in the backward pass: needs less memory, but a third more computation
    gradient_checkpointing: bool = False
    lora: LoraConfig = field(default_factory=LoraConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        counts = (
            "steps",
            "prompts_per_step",
            "group_size",
            "minibatches",
            "epochs",
            "warmup_steps",
            "token_budget",
            "validate_every",
            "validation_prompts",
            "validation_rollouts",
            "checkpoint_every",
            "keep_rollouts_every",
        )
        _require_min("train", self, 1, *counts)
        _require_choice("train", self, "optimizer", OPTIMIZERS)
        _require_positive("train", self, "lr")
        if self.max_grad_norm is not None:
            _require_positive("train", self, "max_grad_norm")
        _require_min("train", self, 0, "weight_decay")
        if self.prompts_per_step % 2:
            raise ValueError(
                f"train.prompts_per_step={self.prompts_per_step}: "
                "must be even, because each pair comes in both orders"
            )
        if self.prompts_per_step % (2 * self.minibatches):
            raise ValueError(
                f"train.minibatches={self.minibatches}: twice this number must divide "
                f"train.prompts_per_step={self.prompts_per_step}, because both orders of a pair stay together"
            )
        limits = (self.loss.ppo_clip, self.loss.importance_ratio_cap)
        if self.updates_per_step > 1 and limits == (None, None):
            raise ValueError(
                f"train.minibatches={self.minibatches}, train.epochs={self.epochs}: several updates per "
                "batch need an importance ratio; set train.loss.ppo_clip, such as 0.2, or "
                "train.loss.importance_ratio_cap"
            )

    @property
    def updates_scale_with_gradient(self) -> bool:
        """Return whether an update is the gradient times the learning rate.

        It is not with AdamW and with gradient clipping, which decide how large an update is.
        """
        return self.optimizer == SGD and self.max_grad_norm is None

    @property
    def updates_per_step(self) -> int:
        """Return the number of updates per batch of rollouts."""
        return self.minibatches * self.epochs


@dataclass
class CandidatesConfig:
    """The candidates of real problems."""

    # any of given (they come with the problems), references, mutants (of references), sampled (from a model)
    sources: list[str] = field(default_factory=lambda: ["given"])
    mutants: int = 8  # one-edit mutants to sample per reference, at least 1
    # the calls or runs of a problem that count, from the first, at least 1; null runs all
    max_tests: int | None = None
    # relative tolerance of floats in values of calls and in outputs, at least 0; null is that of the source's
    # own judge, or else 1e-6
    tolerance: float | None = None
    # processor time in seconds for 50 calls of a program, or for each of its runs, positive
    cpu_seconds: float = 3.0
    samples: int = 8  # programs that the model writes per problem, at least 1
    seed: int = 0  # random seed of mutants and samples
    # the model that writes programs, and how it samples them
    model: ModelConfig = field(default_factory=ModelConfig)
    rollout: RolloutConfig = field(default_factory=lambda: RolloutConfig(max_new_tokens=256, temperature=0.8))

    def __post_init__(self) -> None:
        _require_min("candidates", self, 1, "mutants", "samples")
        if self.max_tests is not None:
            _require_min("candidates", self, 1, "max_tests")
        if self.tolerance is not None:
            _require_min("candidates", self, 0, "tolerance")
        _require_positive("candidates", self, "cpu_seconds")
        if not set(self.sources) <= set(CANDIDATE_SOURCES):
            known = ", ".join(CANDIDATE_SOURCES)
            raise ValueError(f"candidates.sources={list(self.sources)}: choose of {known}")


@dataclass
class EvaluateConfig:
    """The evaluation of policies: n rollouts per prompt, and pass@k from them."""

    num_rollouts: int = 16  # rollouts per prompt (n), at least 1
    ks: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 16])  # every k of pass@k, from 1 to n
    seed: int = 0  # random seed of the rollouts
    # trained policies to evaluate, as name: folder, in addition to the base; nothing is trained then
    policies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_min("evaluate", self, 1, "num_rollouts")
        _require_distinct("evaluate", self, "ks")
        for k in self.ks:
            if not 1 <= k <= self.num_rollouts:
                raise ValueError(
                    f"evaluate.ks={list(self.ks)}: pass@{k} needs "
                    f"1 <= k <= evaluate.num_rollouts={self.num_rollouts} rollouts"
                )


@dataclass
class StudyConfig:
    """A study: every baseline, trained with every seed, for every variant."""

    # names of the baselines, in the order of tables and figures
    baselines: list[str] = field(default_factory=lambda: ["grpo", "static", "corpo"])
    seeds: list[int] = field(default_factory=lambda: [0])  # training seeds; each trains every baseline
    # warm starts to make, at least 0; seed s starts from warm start s modulo this number, which is also the
    # seed of the warm start. 0 makes no such warm starts: all runs start from one policy
    warm_starts: int = 0
    lr: dict[str, float] = field(default_factory=dict)  # learning rates, by baseline, instead of train.lr
    variants: dict[str, Any] = field(default_factory=dict)  # options that a variant changes, by its name
    # train every variant and compare them by validation alone; no evaluation split is used
    select_on_validation: bool = False

    def __post_init__(self) -> None:
        _require_distinct("study", self, "baselines", "seeds")
        _require_min("study", self, 0, "warm_starts")
        for name, lr in self.lr.items():
            if name not in self.baselines:
                raise ValueError(f"study.lr.{name}: not among study.baselines={list(self.baselines)}")
            if not 0 < lr < math.inf:
                raise ValueError(f"study.lr.{name}={lr:g}: must be positive, and finite")
        for name, options in self.variants.items():
            if not isinstance(options, dict):
                raise ValueError(
                    f"study.variants.{name}={options!r}: "
                    "give the options that it changes, such as {train.lr: 0.0001}"
                )


@dataclass
class TrackConfig:
    """Trackers that receive the metrics of a run. JSONL records are always written."""

    trackers: list[str] = field(default_factory=list)  # any of tensorboard, wandb
    wandb_mode: str = "offline"  # offline, or online, which needs an account
    project: str = "corpo"  # the project of Weights & Biases
    entity: str | None = None  # the entity of Weights & Biases; null is your own

    def __post_init__(self) -> None:
        if not set(self.trackers) <= set(TRACKERS):
            raise ValueError(f"track.trackers={list(self.trackers)}: choose of {', '.join(TRACKERS)}")
        _require_choice("track", self, "wandb_mode", ("offline", "online"))


@dataclass
class BudgetConfig:
    """The assumptions of a dry run about the machine and the data."""

    devices: int = 1  # devices that share a step, at least 1
    memory_gib: float = 16.0  # memory of one device in GiB, positive
    # sustained speed of one device in training, in TFLOP/s, positive; the default is two CPU cores in
    # bfloat16
    teraflops: float = 0.3
    prompt_tokens: int = 192  # tokens of a long prompt, at least 1; the default covers embedded problems

    def __post_init__(self) -> None:
        _require_min("budget", self, 1, "devices", "prompt_tokens")
        _require_positive("budget", self, "memory_gib", "teraflops")


@dataclass
class Config:
    """One experiment."""

    name: str = "reproduce"  # name of its folder under results/
    seed: int = 0  # random seed of one training run
    dry_run: bool = False  # print the configuration, the stages to run and an estimate, and do nothing else
    # Python modules to import first, such as one that registers a baseline
    plugins: list[str] = field(default_factory=list)
    outputs: str = "outputs"  # folder of the stages; each stage has a folder named by the hash of its inputs
    results: str = "results"  # folder of tables, figures and reports
    task: TaskConfig = field(default_factory=TaskConfig)
    data: DataConfig = field(default_factory=DataConfig)
    candidates: CandidatesConfig = field(default_factory=CandidatesConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    nano: NanoConfig = field(default_factory=NanoConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    study: StudyConfig = field(default_factory=StudyConfig)
    track: TrackConfig = field(default_factory=TrackConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)

    def __post_init__(self) -> None:
        if self.study.warm_starts and not self.model.warm_start:
            raise ValueError(
                f"study.warm_starts={self.study.warm_starts}: model.warm_start is false, so there are no "
                "warm starts; choose model=nano_new"
            )
        if self.rollout.separate_prompts and self.task.name != VERIFY:
            raise ValueError(
                f"rollout.separate_prompts=true: only prompts of pairs can be divided; choose task={VERIFY}"
            )
        if self.rollout.separate_prompts and (self.model.style != COMPACT or self.model.chat_template):
            raise ValueError(
                "rollout.separate_prompts=true: only the compact prompt can be divided; "
                "choose model.style=compact model.chat_template=false"
            )
        check_name("name", self.name)
        for name, source in self.data.sources.items():
            if source.splits is not None:
                check_name(f"data.sources.{name}.splits", source.splits)
        check_values(self, MAXIMA)
