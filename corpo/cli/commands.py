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


RUN, LOOK, USE = "Run experiments", "Read results", "Use and share"
_COMMON = ("name", "dry_run")
_TRAINING = ("seed", "baseline.name", "train.steps", "train.lr", "model.path", "rollout.engine")

_ALL = (
    Command(
        "reproduce",
        RUN,
        "the main job: data, three baselines, evaluation, table, figures and report",
        "Builds the data, trains GRPO, static and CoRPO from the shipped base policy, evaluates all\n"
        "of them and writes table, figures and report. Finished stages are skipped, and a killed\n"
        "run continues.",
        "corpo reproduce experiment=tiny",
        "results/<name>/report.md; the stages are in outputs/",
        "REPRODUCE",
        (*_COMMON, "study.baselines", "study.seeds", "train.steps"),
    ),
    Command(
        "study",
        RUN,
        "several seeds, an ablation or a search over hyperparameters",
        "Runs every baseline of `study.baselines` with every seed of `study.seeds`. With\n"
        "`study.variants` it runs every variant: an ablation, or a choice by validation alone if\n"
        "`study.select_on_validation` is true.",
        "corpo study experiment=ablate_levels",
        "results/<name>/report.md",
        "STUDY",
        (*_COMMON, "study.baselines", "study.seeds", "study.variants", "study.select_on_validation"),
    ),
    Command(
        "data",
        RUN,
        "build, execute and label the pairs",
        "Draws problems, executes every candidate program in a sandbox, and pairs candidates into splits.",
        "corpo data data=humaneval candidates=mutants name=humaneval",
        "outputs/data/<key>/: pairs.parquet, card.md, sheet.png, pairs.html",
        "DATA",
        (*_COMMON, "data.pairs_per_split", "data.train_pairs", "data.isolation"),
    ),
    Command(
        "warm-start",
        RUN,
        "make the policy that reinforcement learning starts from",
        "Trains a nano policy from nothing by supervised fine-tuning, or teaches the task to a\n"
        "pretrained model.",
        "corpo warm-start experiment=tiny",
        "outputs/warm_start/<key>/policy",
        "WARM_START",
        (*_COMMON, "model.path", "warm_start.steps", "warm_start.lr", "warm_start.rationale"),
    ),
    Command(
        "train",
        RUN,
        "train one policy, or sweep with -m",
        "Trains one policy with one baseline and one seed. With -m it trains every combination of\n"
        "the listed values.",
        "corpo train -m baseline=grpo,static,corpo seed=0,1",
        "outputs/train/<key>/: policy/, metrics.jsonl, groups.jsonl",
        "TRAIN",
        (*_COMMON, *_TRAINING),
    ),
    Command(
        "evaluate",
        RUN,
        "evaluate a trained policy and its base",
        "Evaluates the policy that these options train, and the base it starts from, on the\n"
        "evaluation splits or on your own pairs. With `evaluate.policies` it evaluates finished\n"
        "policies and writes their table.",
        "corpo evaluate baseline=corpo data.file=mine.jsonl",
        "outputs/evaluate/<key>/rollouts.parquet",
        "EVALUATE",
        (*_COMMON, "evaluate.num_rollouts", "evaluate.ks", "evaluate.policies", "data.file"),
    ),
    Command(
        "report",
        LOOK,
        "write tables, figures and report of finished studies again",
        "Without a flag: the report of one finished study, named by the same options as the study.\n"
        "  --claims [FOLDER]         every study in FOLDER (default: results), from its records alone\n"
        "  --merge PART ... FOLDER   parts of one study that ran apart, as one study in FOLDER\n"
        "  --track                   send a finished study to the trackers of track=",
        "corpo report --claims",
        "results/<name>/report.md, results/README.md",
        "corpo.cli.report:main",
        (*_COMMON, "track.trackers"),
    ),
    Command(
        "doctor",
        LOOK,
        "show what this machine has and what is missing",
        "Checks Python, packages, devices, sandbox, disk and the base policy. The exit code is 1\n"
        "if something needed is missing.",
        "corpo doctor",
        "the terminal",
        "corpo.cli.doctor:main",
    ),
    Command(
        "verify",
        USE,
        "judge two of your own files with a trained policy",
        "Reads a problem and two candidates. The exit code is 0 if both are judged correct, 1 if at\n"
        "least one is judged wrong, 2 for bad input and 3 if no response could be parsed.",
        "corpo verify problem.md a.py b.py --policy outputs/train/<key>/policy",
        "the terminal; --json for programs",
        "corpo.cli.verify:main",
    ),
    Command(
        "publish",
        USE,
        "export pairs for other trainers, upload a policy or a data set to the hub",
        "  pairs [OPTION=VALUE ...]   write the pairs as conversations for verl and TRL, and as a\n"
        "                             folder for the hub\n"
        "  upload FOLDER OWNER/NAME   upload a policy/ or a hub/ folder; needs HF_HUB_OFFLINE=0 and\n"
        "                             a login",
        "corpo publish pairs data=full model.style=instruct",
        "outputs/data/<key>/: conversations-<style>/, hub/",
        "corpo.cli.publish:main",
    ),
    Command(
        "completion",
        USE,
        "print shell completion for bash or zsh",
        "Prints a script that completes commands, groups and options.",
        'eval "$(corpo completion bash)"',
        "the terminal",
        "corpo.cli.completion:main",
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
