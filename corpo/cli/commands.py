"""The commands of `corpo`: their names, where they are implemented, and what their help says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command and its help page.

    `target` is the job (in `corpo.cli.jobs`) of a Hydra command, or the `module:function` of any other
    command. `options` are the most common options of a Hydra command, explained on its help page.
    """

    name: str
    group: str
    summary: str
    description: str
    example: str
    results: str
    target: str
    options: tuple[str, ...] = ()

    @property
    def is_hydra(self) -> bool:
        """Return whether the command takes Hydra's options."""
        return ":" not in self.target


START, RUN, LOOK, USE = "See the idea", "Run experiments", "Read results", "Use and share"
_COMMON = ("name", "dry_run")
_TRAINING = ("seed", "baseline.name", "train.steps", "train.lr", "model.path", "rollout.engine")

_ALL = (
    Command(
        name="demo",
        group=START,
        summary="sample responses and see which failures GRPO rewards, in seconds",
        description=(
            "Samples responses of the shipped base policy to a few problems, and shows those to one problem\n"
            "with their rewards and their advantages under GRPO, static and CoRPO.\n"
            "  --html FILE   also write this as a page"
        ),
        example="corpo demo seed=3 --html demo.html",
        results="the terminal",
        target="corpo.cli.demo:main",
        options=("seed", "model.path", "train.prompts_per_step", "train.group_size"),
    ),
    Command(
        name="reproduce",
        group=RUN,
        summary="the main job: data, three baselines, evaluation, table, figures and report",
        description=(
            "Builds the data, trains GRPO, static and CoRPO from the shipped base policy, evaluates all\n"
            "of them and writes table, figures and report. Finished stages are skipped, and a killed\n"
            "run continues."
        ),
        example="corpo reproduce experiment=tiny",
        results="results/<name>/report.md; the stages are in outputs/",
        target="REPRODUCE",
        options=(*_COMMON, "study.baselines", "study.seeds", "train.steps"),
    ),
    Command(
        name="study",
        group=RUN,
        summary="several seeds, an ablation or a search over hyperparameters",
        description=(
            "Runs every baseline of `study.baselines` with every seed of `study.seeds`. With\n"
            "`study.variants` it runs every variant: an ablation, or a choice by validation alone if\n"
            "`study.select_on_validation` is true."
        ),
        example="corpo study experiment=ablate_levels",
        results="results/<name>/report.md",
        target="STUDY",
        options=(*_COMMON, "study.baselines", "study.seeds", "study.variants", "study.select_on_validation"),
    ),
    Command(
        name="data",
        group=RUN,
        summary="build, execute and label the pairs",
        description=(
            "Draws problems, executes every candidate program in a sandbox, and pairs candidates into splits."
        ),
        example="corpo data data=humaneval candidates=mutants name=humaneval",
        results="outputs/data/<key>/: pairs.parquet, card.md, sheet.png, pairs.html",
        target="DATA",
        options=(*_COMMON, "data.pairs_per_split", "data.train_pairs", "data.isolation"),
    ),
    Command(
        name="warm-start",
        group=RUN,
        summary="make the policy that reinforcement learning starts from",
        description=(
            "Trains a nano policy from nothing by supervised fine-tuning, or teaches the task to a\n"
            "pretrained model."
        ),
        example="corpo warm-start experiment=tiny",
        results="outputs/warm_start/<key>/policy",
        target="WARM_START",
        options=(*_COMMON, "model.path", "warm_start.steps", "warm_start.lr", "warm_start.rationale"),
    ),
    Command(
        name="train",
        group=RUN,
        summary="train one policy, or sweep with -m",
        description=(
            "Trains one policy with one baseline and one seed. With -m it trains every combination of\n"
            "the listed values."
        ),
        example="corpo train -m baseline=grpo,static,corpo seed=0,1",
        results="outputs/train/<key>/: policy/, metrics.jsonl, groups.jsonl",
        target="TRAIN",
        options=(*_COMMON, *_TRAINING),
    ),
    Command(
        name="evaluate",
        group=RUN,
        summary="evaluate a trained policy and its base",
        description=(
            "Evaluates the policy that these options train, and the base it starts from, on the\n"
            "evaluation splits or on your own pairs. With `evaluate.policies` it evaluates finished\n"
            "policies and writes their table."
        ),
        example="corpo evaluate baseline=corpo data.file=mine.jsonl",
        results="outputs/evaluate/<key>/rollouts.parquet",
        target="EVALUATE",
        options=(*_COMMON, "evaluate.num_rollouts", "evaluate.ks", "evaluate.policies", "data.file"),
    ),
    Command(
        name="report",
        group=LOOK,
        summary="write tables, figures and report of finished studies again",
        description=(
            "Without a flag: the report of one finished study, named by the same options as the study.\n"
            "  --claims [FOLDER]         every study in FOLDER (default: results), from its records alone\n"
            "  --merge PART ... FOLDER   parts of one study that ran apart, as one study in FOLDER\n"
            "  --track                   send a finished study to the trackers of track="
        ),
        example="corpo report --claims",
        results="results/<name>/report.md, results/README.md",
        target="corpo.cli.report:main",
        options=(*_COMMON, "track.trackers"),
    ),
    Command(
        name="doctor",
        group=LOOK,
        summary="show what this machine has and what is missing",
        description=(
            "Checks Python, packages, devices, sandbox, disk and the base policy. The exit code is 1\n"
            "if something needed is missing."
        ),
        example="corpo doctor",
        results="the terminal",
        target="corpo.cli.doctor:main",
    ),
    Command(
        name="verify",
        group=USE,
        summary="judge two of your own files with a trained policy",
        description=(
            "Reads a problem and two candidates. The exit code is 0 if both are judged correct, 1 if at\n"
            "least one is judged wrong, 2 for bad input and 3 if no response could be parsed."
        ),
        example="corpo verify problem.md a.py b.py --policy outputs/train/<key>/policy",
        results="the terminal; --json for programs",
        target="corpo.cli.verify:main",
    ),
    Command(
        name="publish",
        group=USE,
        summary="export pairs for other trainers, upload a policy or a data set to the hub",
        description=(
            "  pairs [OPTION=VALUE ...]   write the pairs as conversations for verl and TRL, and as a\n"
            "                             folder for the hub\n"
            "  upload FOLDER OWNER/NAME   upload a policy/ or a hub/ folder; needs HF_HUB_OFFLINE=0 and\n"
            "                             a login"
        ),
        example="corpo publish pairs data=full model.style=instruct",
        results="outputs/data/<key>/: conversations-<style>/, hub/",
        target="corpo.cli.publish:main",
    ),
    Command(
        name="completion",
        group=USE,
        summary="print shell completion for bash or zsh",
        description="Prints a script that completes commands, groups and options.",
        example='eval "$(corpo completion bash)"',
        results="the terminal",
        target="corpo.cli.completion:main",
    ),
)

COMMANDS = {command.name: command for command in _ALL}

# The commands of the last release, and what does the same now.
RENAMED_COMMANDS = {
    "ablate": "corpo study",
    "tune": "corpo study",
    "claims": "corpo report --claims",
    "merge": "corpo report --merge",
    "track": "corpo report --track",
    "export": "corpo publish pairs",
    "push": "corpo publish upload",
    "engines": "python -m benchmarks.speed.engines",
}
