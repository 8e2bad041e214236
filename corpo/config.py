"""Every option, its default and its range. Hydra composes these from `conf/`; nothing heavy is imported here.

A value out of range raises ValueError with one line that names the field, the value and what to do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from corpo.task import COMPACT, INSTRUCT, Reward, build_reward

NEW = "new"  # as a model's path
AGGREGATIONS = ("token_sum", "token_mean", "sequence_mean", "constant")


def _at_least(owner: str, config: Any, least: float, *names: str) -> None:
    for name in names:
        if not least <= getattr(config, name) < math.inf:  # nan is neither
            raise ValueError(
                f"{owner}.{name}={getattr(config, name):g}: must be at least {least:g}, and finite"
            )


def _above_zero(owner: str, config: Any, *names: str) -> None:
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"{owner}.{name}={getattr(config, name):g}: must be positive, and finite")


def _at_most(owner: str, config: Any, most: float, *names: str) -> None:
    for name in names:
        if not getattr(config, name) <= most:
            raise ValueError(f"{owner}.{name}={getattr(config, name):g}: must be at most {most:g}")


def _some_different(owner: str, config: Any, *names: str) -> None:
    for name in names:
        values = list(getattr(config, name))
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{owner}.{name}={values}: give at least one, and none twice")


def _one_of(owner: str, config: Any, name: str, choices: tuple[str, ...]) -> None:
    if getattr(config, name) not in choices:
        raise ValueError(f"{owner}.{name}={getattr(config, name)!r}: choose one of {', '.join(choices)}")


@dataclass
class SourceConfig:
    """Real problems: a data set of the hub, a file or a folder, and how it is read."""

    loader: str | None = (
        None  # that reads its rows, registered in corpo.data.sources; null takes the source's own name
    )
    path: str | None = None  # a file or folder here, instead of the hub
    hub: str | None = None  # a data set's id on the hub, or a folder laid out like one
    subset: str | None = None  # of the data set: its config's name
    split: str = "train"  # of the data set
    revision: str | None = None  # of the data set: a commit, lest it changes; null is the newest
    files: list[str] = field(default_factory=list)  # JSONL files of the data set, where it has nothing better
    samples: str | None = (
        None  # JSONL of programs for these problems: task_id (or prompt) with completion or samples a line
    )
    limit: int | None = None  # problems, the first ones; null takes all
    evaluation: float = (
        1.0  # share of the problems that evaluate; of the others nine in ten train and one validates
    )
    splits: str | None = None  # what its splits' names begin with; null takes the source's own name

    def __post_init__(self) -> None:
        if self.limit is not None:
            _at_least("data.sources.*", self, 1, "limit")
        if not 0 <= self.evaluation <= 1:
            raise ValueError(f"data.sources.*.evaluation={self.evaluation:g}: choose a share between 0 and 1")


@dataclass
class PairingConfig:
    """How candidates of real problems become pairs; of the bank's, only the two shares say something."""

    max_pairs_per_problem: int = 4  # pairs of one problem in one split, no candidate twice
    max_candidate_chars: int = 1500  # characters of a candidate; longer ones are left out
    max_statement_chars: int = 2000  # characters of a problem's statement; longer ones are left out
    overlap_words: int = 13  # words in a row that a training problem may not share with an evaluation problem
    both_wrong: float = (
        0.0  # share of training pairs with no correct candidate; in the paper all have exactly one
    )
    both_correct: float = 0.0  # share of training pairs with two correct candidates

    def __post_init__(self) -> None:
        _at_least(
            "data.pairing",
            self,
            1,
            "max_pairs_per_problem",
            "max_candidate_chars",
            "max_statement_chars",
            "overlap_words",
        )
        _at_least("data.pairing", self, 0, "both_wrong", "both_correct")
        if self.both_wrong + self.both_correct > 1:
            raise ValueError(
                f"data.pairing: both_wrong={self.both_wrong:g} and both_correct={self.both_correct:g} are shares; together at most 1"
            )


@dataclass
class DataConfig:
    """What the data stage builds, from the embedded bank or from real sources."""

    code_families: int = 24  # the shortest of each topic first, so that a part stays stratified
    math_families: int = 6  # evaluated on only
    mutants_per_solution: int = 8  # sampled from all one-edit mutants of each correct solution
    pairs_per_split: int = 150  # unordered; both orders of each are evaluated
    train_pairs: int = 3000  # unordered
    validation_pairs: int = 100  # unordered, of families that are neither trained nor evaluated on
    seed: int = 0  # of problems, mutants and pairs
    isolation: str | None = None  # process or namespaces; null takes the strongest this machine has
    file: str | None = (
        None  # JSONL or Parquet with your own pairs for evaluation, instead of the bank's six splits
    )
    sources: dict[str, SourceConfig] = field(
        default_factory=dict
    )  # real problems instead of the bank, by name
    pairing: PairingConfig = field(default_factory=PairingConfig)  # of real problems' candidates

    def __post_init__(self) -> None:
        _at_least(
            "data",
            self,
            1,
            "code_families",
            "math_families",
            "mutants_per_solution",
            "pairs_per_split",
            "train_pairs",
            "validation_pairs",
        )
        if self.isolation is not None:
            _one_of("data", self, "isolation", ("process", "namespaces"))


@dataclass
class ModelConfig:
    """A policy to start from: a local folder or a hub id."""

    path: str = "data/nano_base"  # relative to the repository, absolute, a hub id, or new: a nano from nothing, which wants a warm start
    dtype: str = "float32"  # of the weights, or bfloat16: faster where the device multiplies in it, many times slower on CPUs that do not
    style: str = COMPACT  # what the prompt says: compact (a policy warm-started here) or instruct
    chat_template: bool = False  # put the prompt into the model's own chat format
    architecture: dict[str, Any] = field(
        default_factory=dict
    )  # entries of its config.json, for a dry run without a hub
    warm_start: bool = (
        False  # first teach it the verifier format, by `warm_start`; the shipped nano has had that
    )

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError(f"model.path={self.path!r}: give a folder or a hub id")
        if self.path == NEW and not self.warm_start:
            raise ValueError(
                f"model.path={NEW}: a nano from nothing can do nothing yet; set model.warm_start=true (model=nano_new)"
            )
        if self.path == NEW and self.style != "compact":
            raise ValueError(
                f"model.style={self.style!r}: a nano from nothing is taught the compact style; use that"
            )
        _one_of("model", self, "dtype", ("bfloat16", "float32"))
        _one_of("model", self, "style", (COMPACT, INSTRUCT))


@dataclass
class NanoConfig:
    """The size of a nano policy: *our choice*, what two CPU cores train in under an hour."""

    vocabulary: int = 1536  # tokens, learned by byte-pair encoding from the warm start's texts
    width: int = 192
    layers: int = 6
    heads: int = 6
    mlp: int = 512  # hidden units of each layer's gated MLP
    context: int = 1024  # most tokens of a prompt and its completion

    def __post_init__(self) -> None:
        _at_least("nano", self, 1, "layers", "heads", "mlp", "context")
        _at_least("nano", self, 300, "vocabulary")
        if self.width % (2 * self.heads):
            raise ValueError(f"nano.width={self.width}: must be a multiple of twice nano.heads={self.heads}")


@dataclass
class WarmStartConfig:
    """*Our choice* throughout: the paper starts from a pretrained reasoner."""

    steps: int = 1400
    pairs: int = 32  # each with its swapped twin
    math_share: float = 0.4
    prompt_weight: float = 0.3  # of the loss on prompt tokens, beside the response's
    prompt_steps: int | None = (
        None  # the first steps, in which prompts are learned; null is all. A pretrained model soon knows them
    )
    lr: float = 8e-4  # peak learning rate of AdamW
    warmup_steps: int = 150  # steps to the peak
    decay_share: float = 0.2  # of the steps, at the end, linearly to zero
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0  # of the gradient's norm
    micro_batches: int = 4  # parts that a batch is computed in: more need less memory
    rationale: str = "point"  # in the think block: point at the wrong line, or rewrite each candidate up to there as it should be
    evaluate_every: int = 100  # steps between points of the curve, and between checkpoints
    dev_pairs: int = 48  # per domain and kind, to draw the curve on
    seed: int = 0  # of demonstrations and of their order

    def __post_init__(self) -> None:
        _at_least(
            "warm_start",
            self,
            1,
            "steps",
            "pairs",
            "warmup_steps",
            "micro_batches",
            "evaluate_every",
            "dev_pairs",
        )
        _one_of("warm_start", self, "rationale", ("point", "rewrite"))
        _above_zero("warm_start", self, "lr", "decay_share", "max_grad_norm")
        _at_least(
            "warm_start",
            self,
            0,
            "math_share",
            "prompt_weight",
            "weight_decay",
            *(["prompt_steps"] if self.prompt_steps is not None else []),
        )
        _at_most("warm_start", self, 1, "math_share", "decay_share")


@dataclass
class RewardConfig:
    """A name registered in `corpo.task.reward` and what it is made with."""

    name: str = "ordinal"  # ordinal, or one that a plugin registers
    levels: int = 10  # different rewards, half of them (rounded up) failures
    threshold: float = 0.0  # R_min_correct
    options: dict[str, Any] = field(default_factory=dict)  # of a reward of your own

    def __post_init__(self) -> None:
        self.build()

    def build(self) -> Reward:
        return build_reward(self.name, self.levels, self.threshold, self.options)


@dataclass
class BaselineConfig:
    """A name registered in `corpo.baselines` and its options."""

    name: str = "corpo"  # grpo, static, corpo, another of docs/baselines.md, or one that a plugin registers
    options: dict[str, Any] = field(default_factory=dict)  # such as std, ddof and eps of grpo


@dataclass
class VllmConfig:
    """What the vLLM engine is started with."""

    max_model_len: int = 1024  # most tokens of a prompt and its completion
    max_num_seqs: int = 256  # rollouts decoded at once
    gpu_memory_utilization: float = 0.4  # share of the accelerator's memory (on CPUs: of the machine's)
    tensor_parallel_size: int = 1  # accelerators that one copy of the weights is spread over
    enforce_eager: bool = True  # no graph capture: starts in seconds, samples slower
    enable_sleep_mode: bool = False  # free the engine's memory while the trainer works; accelerators only
    probe_tolerance: float = 0.1  # nats a token between engine and trainer after a weight sync: bf16 kernels differ by 0.03 on the nano policy

    def __post_init__(self) -> None:
        _at_least("rollout.vllm", self, 1, "max_model_len", "max_num_seqs", "tensor_parallel_size")
        _above_zero("rollout.vllm", self, "gpu_memory_utilization", "probe_tolerance")
        _at_most("rollout.vllm", self, 1, "gpu_memory_utilization")


@dataclass
class RolloutConfig:
    """Sampling: always from the full distribution, for top-p and top-k would bias the gradient."""

    engine: str = "transformers"  # transformers, or vllm
    max_new_tokens: int = 24  # of a completion; a response that is longer is cut and fails
    temperature: float = 1.0  # of sampling, in training and in evaluation
    stop: list[str] = field(
        default_factory=list
    )  # a rollout ends with any of these, beside the model's end of sequence
    max_rows: int = 1024  # rollouts that the transformers engine decodes at once: bounds memory
    vllm: VllmConfig = field(default_factory=VllmConfig)

    def __post_init__(self) -> None:
        _one_of("rollout", self, "engine", ("transformers", "vllm"))
        _at_least("rollout", self, 1, "max_new_tokens", "max_rows")
        _above_zero("rollout", self, "temperature")
        if "" in self.stop:
            raise ValueError(
                f"rollout.stop={list(self.stop)}: an empty text would end every rollout at once; leave it out"
            )


@dataclass
class LossConfig:
    """The paper's loss by default (arXiv 2511.04439: token sum, no ratio clipping, no KL); everything else is an option."""

    aggregation: str = "token_sum"  # token_sum, token_mean, sequence_mean or constant
    ppo_clip: float | None = None  # e.g. 0.2; null is the plain policy gradient
    kl: float = (
        0.0  # weight of the k3 estimate of KL(policy || warm start), in the loss and never in the reward
    )
    entropy: float = 0.0  # weight of the entropy bonus
    importance_ratio_cap: float | None = (
        None  # truncated importance sampling, for an engine whose log-probs are not the trainer's
    )

    def __post_init__(self) -> None:
        _one_of("train.loss", self, "aggregation", AGGREGATIONS)
        _at_least("train.loss", self, 0, "kl", "entropy")
        if self.importance_ratio_cap is not None and self.importance_ratio_cap < 1:
            raise ValueError(
                f"train.loss.importance_ratio_cap={self.importance_ratio_cap:g}: choose a value of at least 1, or null for none"
            )
        if self.importance_ratio_cap is not None and self.ppo_clip is not None:
            raise ValueError(
                "train.loss: choose ppo_clip or importance_ratio_cap, not both: each weights by the same ratio"
            )
        if self.ppo_clip is not None and not 0 < self.ppo_clip < 1:
            raise ValueError(
                f"train.loss.ppo_clip={self.ppo_clip:g}: choose a value between 0 and 1, or null for none"
            )


@dataclass
class LoraConfig:
    """Train adapters instead of all weights."""

    rank: int = 0  # 0 trains all weights
    alpha: int = 32  # scale of the adapters, over their rank

    def __post_init__(self) -> None:
        _at_least("train.lora", self, 0, "rank")
        _at_least("train.lora", self, 1, "alpha")


@dataclass
class TrainConfig:
    """One run of reinforcement learning; every number is *our choice*."""

    steps: int = 80  # updates, one batch of fresh rollouts each
    prompts_per_step: int = 32  # per step, both orders of half as many pairs
    group_size: int = 16  # rollouts a prompt
    lr: float = 1e-4  # of AdamW, constant after the warmup
    warmup_steps: int = 5  # steps from zero to the learning rate
    max_grad_norm: float = 1.0  # of the gradient's norm
    weight_decay: float = 0.0
    filter_zero_advantage_groups: bool = (
        False  # average the loss over groups with a non-zero advantage only (dynamic filtering)
    )
    token_budget: int = (
        4096  # tokens in one forward pass of training: more is slower on CPUs, for it leaves their caches
    )
    validate_every: int = 10  # steps
    validation_prompts: int = 64  # of the validation split
    validation_rollouts: int = 8  # rollouts a prompt in validation
    checkpoint_every: int = 10  # steps; the last two are kept
    gradient_checkpointing: bool = (
        False  # keep each layer's input only and compute the rest again: less memory, a third more work
    )
    lora: LoraConfig = field(default_factory=LoraConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        counts = (
            "steps",
            "prompts_per_step",
            "group_size",
            "warmup_steps",
            "token_budget",
            "validate_every",
            "validation_prompts",
            "validation_rollouts",
            "checkpoint_every",
        )
        _at_least("train", self, 1, *counts)
        _above_zero("train", self, "lr", "max_grad_norm")
        _at_least("train", self, 0, "weight_decay")
        if self.prompts_per_step % 2:
            raise ValueError(
                f"train.prompts_per_step={self.prompts_per_step}: must be even, for each pair comes in both orders"
            )


@dataclass
class CandidatesConfig:
    """Where candidates of real problems come from."""

    sources: list[str] = field(
        default_factory=lambda: ["given"]
    )  # any of given, references, mutants, sampled
    mutants: int = 8  # of each reference, sampled from all one-edit mutants
    max_tests: int = 50  # most calls or runs that a program is checked on, the first ones
    cpu_seconds: float = 3.0  # processor time for all calls of a program, or for each of its runs
    samples: int = 8  # programs that the model writes for each problem
    seed: int = 0  # of mutants and samples
    model: ModelConfig = field(default_factory=ModelConfig)  # that writes programs
    rollout: RolloutConfig = field(
        default_factory=lambda: RolloutConfig(max_new_tokens=256, temperature=0.8)
    )  # how it is sampled

    def __post_init__(self) -> None:
        _at_least("candidates", self, 1, "mutants", "max_tests", "samples")
        _above_zero("candidates", self, "cpu_seconds")
        for maker in self.sources:
            if maker not in (known := ("given", "references", "mutants", "sampled")):
                raise ValueError(f"candidates.sources={list(self.sources)}: choose of {', '.join(known)}")


@dataclass
class EvaluateConfig:
    """n rollouts a prompt, pass@k from them."""

    num_rollouts: int = 32  # n: rollouts a prompt
    ks: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 16])  # every k of pass@k; none above n
    seed: int = 0  # of the rollouts
    policies: dict[str, str] = field(
        default_factory=dict
    )  # finished policies to evaluate beside the base, name: folder; none are trained then

    def __post_init__(self) -> None:
        _at_least("evaluate", self, 1, "num_rollouts")
        _some_different("evaluate", self, "ks")
        for k in self.ks:
            if not 1 <= k <= self.num_rollouts:
                raise ValueError(
                    f"evaluate.ks={list(self.ks)}: pass@{k} needs 1 <= k <= evaluate.num_rollouts={self.num_rollouts} rollouts"
                )


@dataclass
class StudyConfig:
    """What `experiments.reproduce` runs: every baseline with every seed."""

    baselines: list[str] = field(
        default_factory=lambda: ["grpo", "static", "corpo"]
    )  # in the order of tables and figures
    seeds: list[int] = field(default_factory=lambda: [0])  # of training; each trains every baseline
    own_warm_starts: bool = False  # every seed has a warm start of its own, of that seed
    lr: dict[str, float] = field(
        default_factory=dict
    )  # learning rates of baselines that do not take train.lr
    variants: dict[str, Any] = field(
        default_factory=dict
    )  # of tune and ablate: by name, the options that each changes

    def __post_init__(self) -> None:
        _some_different("study", self, "baselines", "seeds")
        for name, lr in self.lr.items():
            if name not in self.baselines:
                raise ValueError(f"study.lr.{name}: not among study.baselines={list(self.baselines)}")
            if not 0 < lr < math.inf:
                raise ValueError(f"study.lr.{name}={lr:g}: must be positive, and finite")
        for name, options in self.variants.items():
            if not isinstance(options, dict):
                raise ValueError(
                    f"study.variants.{name}={options!r}: give the options that it changes, such as {{train.lr: 0.0001}}"
                )


@dataclass
class TrackConfig:
    """Where a run is mirrored, besides the JSONL records, which are always written."""

    trackers: list[str] = field(default_factory=list)  # any of tensorboard, wandb
    wandb_mode: str = "offline"  # or online, which needs an account
    project: str = "corpo"  # of Weights & Biases
    entity: str | None = None  # of Weights & Biases; null is your own

    def __post_init__(self) -> None:
        for kind in self.trackers:
            if kind not in ("tensorboard", "wandb"):
                raise ValueError(f"track.trackers={list(self.trackers)}: choose of tensorboard, wandb")
        _one_of("track", self, "wandb_mode", ("offline", "online"))


@dataclass
class BudgetConfig:
    """What the dry run takes for granted of machine and data."""

    devices: int = 1  # that share a step
    memory_gib: float = 16.0  # of one device
    teraflops: float = 0.3  # that one device sustains in training: two CPU cores in bfloat16
    prompt_tokens: int = 192  # a long prompt of the embedded bank

    def __post_init__(self) -> None:
        _at_least("budget", self, 1, "devices", "prompt_tokens")
        _above_zero("budget", self, "memory_gib", "teraflops")


@dataclass
class Config:
    """One experiment."""

    name: str = "reproduce"  # of the folder under results/
    seed: int = 0  # of one training run
    dry_run: bool = False  # print the config, the stages to run or skip and an estimate; do nothing
    plugins: list[str] = field(
        default_factory=list
    )  # modules to import first, e.g. one that registers a baseline
    outputs: str = "outputs"  # folder of the stages, each under the hash of what it depends on
    results: str = "results"  # folder of tables, figures and reports
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
        if self.study.own_warm_starts and not self.model.warm_start:
            raise ValueError(
                "study.own_warm_starts=true: model.warm_start is false, so there is none to make; choose model=nano_new"
            )
        if not self.name.strip() or self.name in (".", "..") or set(self.name) & set("/\\\0"):
            raise ValueError(f"name={self.name!r}: must be a folder's name, without slashes")
