"""The commands of `corpo`: their names, where they are implemented, and what their help says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command and its help page.

    `target` is the job (in `corpo.cli.jobs`) of a Hydra command, or the `module:function` of any other
    command. `arguments` are those besides options, each with its meaning. `options` are the most common
    options and groups of options, in the order of the help page.
    """

    name: str
    group: str
    summary: str
    description: str
    example: str
    results: str
    target: str
    options: tuple[str, ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()

    @property
    def is_hydra(self) -> bool:
        """Return whether the command takes Hydra's options."""
        return ":" not in self.target

    @property
    def flags(self) -> list[str]:
        """Return the flags among the arguments, such as `--json`."""
        first_words = [argument.split()[0] for argument, _ in self.arguments]
        return [word for word in first_words if word.startswith("-")]


START, RUN, LOOK, USE = "Start here", "Run experiments", "Read results", "Use and share"
_STUDY = ("experiment", "study.baselines", "study.seeds", "train.steps", "name", "dry_run")
_SWEEP = ("-m", "run every combination of the values that commas separate")

_ALL = (
    Command(
        name="demo",
        group=START,
        summary="see in seconds which failures GRPO rewards",
        description="Samples responses of the base policy, and shows their rewards and advantages.",
        example="corpo demo seed=3 --html demo.html",
        results="the terminal",
        target="corpo.cli.demo:main",
        options=("seed", "model", "train.prompts_per_step", "train.group_size"),
        arguments=(("--html FILE", "write it as a page, too"),),
    ),
    Command(
        name="doctor",
        group=START,
        summary="show what this machine has and what is missing",
        description="Checks packages, devices, sandbox and disk. The exit code is 1 if something is missing.",
        example="corpo doctor",
        results="the terminal",
        target="corpo.cli.doctor:main",
    ),
    Command(
        name="reproduce",
        group=RUN,
        summary="the main job: data, three baselines, evaluation and report",
        description="Trains three baselines, evaluates them and writes a report. A killed run continues.",
        example="corpo reproduce experiment=reproduce",
        results="results/<name>/report.html and report.md; the stages are in outputs/",
        target="REPRODUCE",
        options=_STUDY,
    ),
    Command(
        name="study",
        group=RUN,
        summary="several seeds, an ablation or a search over hyperparameters",
        description="Trains every baseline with every seed, and with every variant if there are variants.",
        example="corpo study experiment=ablate_levels",
        results="results/<name>/report.md",
        target="STUDY",
        options=(*_STUDY, "study.variants"),
    ),
    Command(
        name="data",
        group=RUN,
        summary="build, execute and label the pairs",
        description="Draws problems, runs every candidate in a sandbox, and pairs candidates into splits.",
        example="corpo data data=humaneval candidates=mutants name=humaneval",
        results="outputs/data/<key>/: pairs.parquet, card.md, sheet.png, pairs.html",
        target="DATA",
        options=("data", "candidates", "data.pairs_per_split", "data.train_pairs", "dry_run"),
    ),
    Command(
        name="warm-start",
        group=RUN,
        summary="make the policy that reinforcement learning starts from",
        description="Trains a nano policy from nothing, or teaches the task to a pretrained model.",
        example="corpo warm-start model=nano_new experiment=tiny",
        results="outputs/warm_start/<key>/policy",
        target="WARM_START",
        options=("model", "data", "warm_start.steps", "warm_start.lr", "warm_start.rationale", "dry_run"),
    ),
    Command(
        name="train",
        group=RUN,
        summary="train one policy, or sweep with -m",
        description="Trains one policy with one baseline and one seed.",
        example="corpo train -m baseline=grpo,static,corpo seed=0,1",
        results="outputs/train/<key>/: policy/, metrics.jsonl, groups.jsonl",
        target="TRAIN",
        options=("baseline", "seed", "train.steps", "train.lr", "model", "track", "dry_run"),
        arguments=(_SWEEP,),
    ),
    Command(
        name="evaluate",
        group=RUN,
        summary="evaluate a trained policy and its base",
        description="Evaluates the policy that these options train, or those of `evaluate.policies`.",
        example="corpo evaluate baseline=corpo data.file=mine.jsonl",
        results="outputs/evaluate/<key>/rollouts.parquet",
        target="EVALUATE",
        options=("baseline", "seed", "evaluate.num_rollouts", "evaluate.policies", "data.file", "dry_run"),
        arguments=(_SWEEP,),
    ),
    Command(
        name="watch",
        group=LOOK,
        summary="show the curves of a run while it trains",
        description="Shows reward, pass@1, rewarded failures and the ratio of advantages, step by step.",
        example="corpo watch",
        results="the terminal",
        target="corpo.cli.watch:main",
        arguments=(("FOLDER", "the folder of the stages; the default is outputs"),),
    ),
    Command(
        name="report",
        group=LOOK,
        summary="write tables, figures and report of finished studies again",
        description="Writes the report of the finished study that the same options name.",
        example="corpo report --claims",
        results="results/<name>/report.md, results/README.md",
        target="corpo.cli.report:main",
        options=("experiment", "name", "track"),
        arguments=(
            ("--claims [FOLDER]", "all studies in FOLDER, by default results, from their records alone"),
            ("--merge PART ... FOLDER", "parts of a study that ran apart, as one study in FOLDER"),
            ("--track", "send a finished study to the trackers of track="),
        ),
    ),
    Command(
        name="verify",
        group=USE,
        summary="judge two of your own files with a trained policy",
        description=(
            "The exit code is 0 if both are judged correct, 1 if at least one is judged wrong, 2 for bad "
            "input and 3 if no response could be parsed."
        ),
        example="corpo verify problem.md a.py b.py --policy outputs/train/<key>/policy",
        results="the terminal",
        target="corpo.cli.verify:main",
        options=("model",),
        arguments=(
            ("PROBLEM A B", "files: the problem, and two programs (.py) or two worked solutions"),
            ("--policy FOLDER", "a policy that training wrote; the default is the shipped base policy"),
            ("--baseline NAME --seed N", "the policy that corpo train has trained here"),
            ("--rollouts N", "the number of responses; the default is 16"),
            ("--json", "print one JSON object"),
        ),
    ),
    Command(
        name="publish",
        group=USE,
        summary="export pairs for other trainers, upload a policy or a data set",
        description="Uploading needs HF_HUB_OFFLINE=0 and a login.",
        example="corpo publish pairs data=full model.style=instruct",
        results="outputs/data/<key>/: conversations-<style>/, hub/",
        target="corpo.cli.publish:main",
        options=("data", "model.style"),
        arguments=(
            ("pairs", "write the pairs as conversations for verl and TRL, and as a folder for the hub"),
            ("upload FOLDER NAME", "upload a policy/ or a hub/ folder to the hub as OWNER/NAME"),
            ("--public", "of upload: make it public; by default it is private"),
            ("--dry-run", "of upload: list the files only"),
        ),
    ),
    Command(
        name="completion",
        group=USE,
        summary="print shell completion for bash or zsh",
        description="Prints a script that completes commands, groups and options.",
        example='eval "$(corpo completion bash)"',
        results="the terminal",
        target="corpo.cli.completion:main",
        arguments=(("bash | zsh", "the shell; the default is bash"),),
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
