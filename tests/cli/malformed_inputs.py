"""Malformed input as data: what is wrong, and what the one line about it has to say. `tests/cli/test_malformed.py` gives it all to the entry points.

`python -m benchmarks.robustness.malformed` writes the lines themselves to results/robustness/malformed.md.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent

# Options of the command line: name -> (overrides, what the message holds).
OPTIONS: dict[str, tuple[list[str], str]] = {
    "unknown key": (["train.stpes=3"], "did you mean train.steps?"),
    "unknown key, added": (["+train.stpes=3"], "train.stpes: no such option"),
    "key without its group": (["lr=1e-5"], "or train.lr"),
    "unknown group": (["trian=nano"], "trian"),
    "unknown choice": (["data=huge"], "huge"),
    "unknown experiment": (["experiment=nope"], "nope"),
    "no value": (["train.steps"], "train.steps"),
    "open bracket": (["study.seeds=[1,2"], "study.seeds"),
    "text for a number": (["train.steps=many"], "many"),
    "fraction for a count": (["train.steps=1.5"], "1.5"),
    "list for a number": (["train.steps=[1]"], "train.steps"),
    "null for a number": (["train.steps=null"], "train.steps"),
    "number for a list": (["study.seeds=3"], "study.seeds"),
    "text among numbers": (["study.seeds=[a]"], "'a'"),
    "text for a switch": (["dry_run=perhaps"], "perhaps"),
    "mapping for a name": (["baseline.name={a: 1}"], "baseline.name"),
    "name empty": (["name=''"], "name=''"),
    "name with a path": (["name=../x"], "name='../x'"),
    "plugin missing": (["plugins=[no_such_module]"], "PYTHONPATH"),
    "data.code_families": (["data.code_families=0"], "data.code_families=0"),
    "data.math_families": (["data.math_families=-1"], "data.math_families=-1"),
    "data.mutants_per_solution": (["data.mutants_per_solution=0"], "data.mutants_per_solution=0"),
    "data.pairs_per_split": (["data.pairs_per_split=0"], "data.pairs_per_split=0"),
    "data.train_pairs": (["data.train_pairs=0"], "data.train_pairs=0"),
    "data.validation_pairs": (["data.validation_pairs=0"], "data.validation_pairs=0"),
    "data.isolation": (["data.isolation=jail"], "process, namespaces"),
    "data.seed": (["data.seed=x"], "'x'"),
    "model.dtype": (["model.dtype=int8"], "bfloat16"),
    "model.style": (["model.style=loud"], "compact"),
    "model.chat_template": (["model.chat_template=2.5"], "2.5"),
    "model.path empty": (["model.path=''"], "model.path=''"),
    "nano.width": (["nano.width=100"], "nano.width=100"),
    "nano.heads": (["nano.heads=0"], "nano.heads=0"),
    "nano.layers": (["nano.layers=0"], "nano.layers=0"),
    "nano.vocabulary": (["nano.vocabulary=10"], "nano.vocabulary=10"),
    "nano.context": (["nano.context=0"], "nano.context=0"),
    "warm_start.steps": (["warm_start.steps=0"], "warm_start.steps=0"),
    "warm_start.rationale": (["warm_start.rationale=guess"], "point, rewrite"),
    "warm_start.lr": (["warm_start.lr=0"], "warm_start.lr=0"),
    "warm_start.lr nan": (["warm_start.lr=nan"], "warm_start.lr=nan"),
    "warm_start.math_share": (["warm_start.math_share=1.5"], "warm_start.math_share=1.5"),
    "warm_start.decay_share": (["warm_start.decay_share=0"], "warm_start.decay_share=0"),
    "warm_start.prompt_steps": (["warm_start.prompt_steps=-1"], "warm_start.prompt_steps=-1"),
    "reward.name": (["reward.name=brier"], "choose one of ordinal"),
    "reward.levels": (["reward.levels=1"], "reward.levels=1"),
    "reward.threshold above": (["reward.threshold=0.5"], "reward.threshold=0.5"),
    "reward.threshold below": (["reward.threshold=-0.9"], "every failure"),
    "reward.threshold nan": (["reward.threshold=nan"], "reward.threshold=nan"),
    "reward.options": (["+reward.options.x=1"], "does not take them"),
    "baseline.name": (["baseline.name=reinforce"], "choose one of"),
    "baseline.options": (["baseline=static", "+baseline.options.std=true"], "no option 'std'"),
    "baseline alone": (["baseline=grpo", "train.group_size=1"], "group size 1"),
    "study.baselines": (["study.baselines=[grpo,mean]"], "'mean' is unknown"),
    "study.baselines empty": (["study.baselines=[]"], "study.baselines=[]"),
    "study.baselines twice": (["study.baselines=[grpo,grpo]"], "study.baselines"),
    "study.seeds empty": (["study.seeds=[]"], "study.seeds=[]"),
    "study.seeds twice": (["study.seeds=[0,0]"], "study.seeds=[0, 0]"),
    "rollout.engine": (["rollout.engine=sglang"], "transformers, vllm"),
    "rollout.temperature": (["rollout.temperature=0"], "rollout.temperature=0"),
    "rollout.temperature inf": (["rollout.temperature=inf"], "rollout.temperature=inf"),
    "rollout.max_new_tokens": (["rollout.max_new_tokens=0"], "rollout.max_new_tokens=0"),
    "rollout.max_rows": (["rollout.max_rows=0"], "rollout.max_rows=0"),
    "rollout.stop empty": (["rollout.stop=['']"], "rollout.stop"),
    "rollout.vllm.gpu_memory_utilization": (
        ["rollout.vllm.gpu_memory_utilization=0"],
        "rollout.vllm.gpu_memory_utilization=0",
    ),
    "rollout.vllm.gpu_memory_utilization above one": (
        ["rollout.vllm.gpu_memory_utilization=2"],
        "rollout.vllm.gpu_memory_utilization=2",
    ),
    "rollout.vllm.max_model_len": (["rollout.vllm.max_model_len=0"], "rollout.vllm.max_model_len=0"),
    "train.steps": (["train.steps=0"], "train.steps=0"),
    "train.prompts_per_step odd": (["train.prompts_per_step=5"], "must be even"),
    "train.group_size": (["train.group_size=0"], "train.group_size=0"),
    "train.lr": (["train.lr=-1"], "train.lr=-1"),
    "train.lr nan": (["train.lr=nan"], "train.lr=nan"),
    "train.lr inf": (["train.lr=inf"], "train.lr=inf"),
    "train.max_grad_norm": (["train.max_grad_norm=0"], "train.max_grad_norm=0"),
    "train.warmup_steps": (["train.warmup_steps=0"], "train.warmup_steps=0"),
    "train.weight_decay": (["train.weight_decay=-1"], "train.weight_decay=-1"),
    "train.weight_decay nan": (["train.weight_decay=nan"], "train.weight_decay=nan"),
    "train.token_budget": (["train.token_budget=0"], "train.token_budget=0"),
    "train.checkpoint_every": (["train.checkpoint_every=0"], "train.checkpoint_every=0"),
    "train.validate_every": (["train.validate_every=0"], "train.validate_every=0"),
    "train.lora.rank": (["train.lora.rank=-1"], "train.lora.rank=-1"),
    "train.lora.alpha": (["train.lora.alpha=0"], "train.lora.alpha=0"),
    "train.loss.aggregation": (["train.loss.aggregation=mean"], "token_sum"),
    "train.loss.ppo_clip": (["train.loss.ppo_clip=2"], "train.loss.ppo_clip=2"),
    "train.loss.kl": (["train.loss.kl=-1"], "train.loss.kl=-1"),
    "train.loss.kl nan": (["train.loss.kl=nan"], "train.loss.kl=nan"),
    "train.loss.importance_ratio_cap": (
        ["train.loss.importance_ratio_cap=0.5"],
        "train.loss.importance_ratio_cap=0.5",
    ),
    "two corrections": (["train.loss.importance_ratio_cap=2", "train.loss.ppo_clip=0.2"], "not both"),
    "evaluate.num_rollouts": (["evaluate.num_rollouts=0", "evaluate.ks=[]"], "evaluate.num_rollouts=0"),
    "evaluate.ks above": (["evaluate.num_rollouts=8"], "pass@16 needs"),
    "evaluate.ks zero": (["evaluate.ks=[0]"], "pass@0 needs"),
    "evaluate.ks empty": (["evaluate.ks=[]"], "evaluate.ks=[]"),
    "track.trackers": (["track.trackers=[mlflow]"], "choose of tensorboard, wandb"),
    "track.wandb_mode": (["track.wandb_mode=maybe"], "offline, online"),
    "study.own_warm_starts": (["study.own_warm_starts=true"], "choose model=nano_new"),
    "study.lr": (["+study.lr.rloo=0.1"], "not among study.baselines"),
    "study.lr negative": (["+study.lr.grpo=-1"], "study.lr.grpo=-1"),
    "study.variants": (["+study.variants={a: {train.speed: 1}}"], "study.variants.a: no option 'speed'"),
    "study.variants of a number": (["+study.variants={a: 3}"], "study.variants.a"),
    "model.path new": (["model.path=new"], "set model.warm_start=true"),
    "budget.devices": (["budget.devices=0"], "budget.devices=0"),
    "budget.memory_gib": (["budget.memory_gib=0"], "budget.memory_gib=0"),
    "budget.teraflops": (["budget.teraflops=-1"], "budget.teraflops=-1"),
}

_ROW = {
    **{
        "split": "mine",
        "problem_id": "1",
        "domain": "code",
        "family": "f",
        "topic": "t",
        "statement": "Return 1.",
    },
    **{"a_text": "return 1", "a_correct": True, "a_origin": "me", "a_line": 0},
    **{"b_text": "return 2", "b_correct": False, "b_origin": "me", "b_line": 0},
}


def without(field: str) -> dict[str, object]:
    return {key: value for key, value in _ROW.items() if key != field}


# Rows of a file of pairs (data.file): name -> (a row, or a line as it stands; what the message holds).
ROWS: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "not JSON"),
    "cut": ('{"split": "mine", ', "not JSON"),
    "blank": ("", "row 2"),
    "a list": ("[]", "expected a JSON object"),
    "a number": ("3", "expected a JSON object"),
    "nothing": ("null", "expected a JSON object"),
    **{f"no {field}": (without(field), f"field {field!r} is missing") for field in _ROW},
    "statement a number": ({**_ROW, "statement": 3}, "'statement' is 3"),
    "statement empty": ({**_ROW, "statement": " "}, "'statement'"),
    "candidate empty": ({**_ROW, "a_text": ""}, "'a_text'"),
    "candidate null": ({**_ROW, "a_text": None}, "'a_text' is None"),
    "label a text": ({**_ROW, "a_correct": "yes"}, "'a_correct' is 'yes'"),
    "label a number": ({**_ROW, "b_correct": 1}, "'b_correct' is 1"),
    "line a text": ({**_ROW, "b_line": "3"}, "'b_line' is '3'"),
    "line a switch": ({**_ROW, "b_line": True}, "'b_line' is True"),
    "line negative": ({**_ROW, "b_line": -1}, "'b_line' is -1"),
    "domain unknown": ({**_ROW, "domain": "law"}, "choose code or math"),
    "kind wrong": ({**_ROW, "kind": "both_wrong"}, "the labels make it first_correct"),
}
GOOD_ROW = _ROW

# Arguments of the commands, in a folder with the files below: name -> (arguments after `corpo`, what the message holds).
FILES = {
    "p.md": b"Return 1.",
    "a.py": b"def f(): return 1",
    "s.txt": b"1 + 1 = 2",
    "empty.py": b" \n",
    "cut.py": b"def f(:",
    "binary.py": b"\xff\xfe",
}
COMMANDS: dict[str, tuple[list[str], str]] = {
    "unknown command": (["trian"], "no command 'trian'"),
    "unknown shell": (["completion", "fish"], "no completion for 'fish'"),
    "verify: no such problem": (["verify", "none.md", "a.py", "a.py"], "none.md: cannot be read"),
    "verify: an empty program": (["verify", "p.md", "a.py", "empty.py"], "empty.py: is empty"),
    "verify: no program": (["verify", "p.md", "cut.py", "a.py"], "cut.py, line 1: not Python"),
    "verify: no text": (["verify", "p.md", "binary.py", "a.py"], "binary.py: cannot be read"),
    "verify: one of each": (["verify", "p.md", "a.py", "s.txt"], "not one of each"),
    "verify: no rollouts": (["verify", "p.md", "a.py", "a.py", "--rollouts", "0"], "--rollouts 0"),
    "verify: an unknown option": (
        ["verify", "p.md", "a.py", "a.py", "train.stpes=1"],
        "did you mean train.steps?",
    ),
}

# Folders of a policy: name -> (their files, what the message holds).
POLICIES: dict[str, tuple[dict[str, bytes], str]] = {
    "an empty folder": ({}, "holds no *.safetensors"),
    "weights that are a pickle": ({"pytorch_model.bin": b"\x80\x04."}, "holds no *.safetensors"),
    "empty weights": ({"model.safetensors": b""}, "model.safetensors is damaged"),
    "weights cut short": (
        {"model.safetensors": (200).to_bytes(8, "little") + b'{"x":'},
        "model.safetensors is damaged",
    ),
    "weights that are text": (
        {"model.safetensors": b"version https://git-lfs.github.com/spec/v1"},
        "model.safetensors is damaged",
    ),
}

_OTHER_TABLE = b"a Parquet file with other columns"
# Records of a study, read by `corpo claims`: name -> (a file in its results folder, its content, none where it is missing; what the message holds).
RECORDS: dict[str, tuple[str, bytes | None, str]] = {
    "study.json cut": ("records/study.json", b'{"runs": [', "study.json: is damaged"),
    "study.json without runs": ("records/study.json", b"{}", "is damaged ('runs')"),
    "rollouts missing": ("records/rollouts.parquet", None, "rollouts.parquet: is not there"),
    "rollouts cut": ("records/rollouts.parquet", b"PAR1", "rollouts.parquet: is damaged"),
    "rollouts that are text": (
        "records/rollouts.parquet",
        b"version https://git-lfs.github.com/spec/v1\n",
        "rollouts.parquet: is damaged",
    ),
    "rewards cut": ("records/rewards.parquet", b"", "rewards.parquet: is damaged"),
    "a table of something else": ("records/rollouts.parquet", _OTHER_TABLE, "without the column 'policy'"),
    "provenance missing": ("provenance.json", None, "provenance.json: is not there"),
    "config missing": ("config.yaml", None, "config.yaml: is not there"),
    "metrics missing": ("records/metrics.parquet", None, "metrics.parquet: is not there"),
    "metrics that are no table": ("records/metrics.parquet", b"step 1\n", "metrics.parquet: is damaged"),
}

# Checkpoints of steps 1 and 2, the newer damaged: name -> (a file of it, its content, none where it is missing; what the warning holds).
CHECKPOINTS: dict[str, tuple[str, bytes | None, str]] = {
    "weights cut": ("step-000002.safetensors", b"cut", "step-000002.safetensors is damaged or incomplete"),
    "weights missing": ("step-000002.safetensors", None, "step-000002.safetensors is damaged or incomplete"),
    "record cut": ("step-000002.json", b'{"step": 2', "step-000002.safetensors is damaged or incomplete"),
    "record empty": ("step-000002.json", b"", "step-000002.safetensors is damaged or incomplete"),
    "record of something else": (
        "step-000002.json",
        b"[]",
        "step-000002.safetensors is damaged or incomplete",
    ),
}


def told(work: Callable[[], object]) -> tuple[int, str]:
    """Exit code and what was written to standard error."""
    said, code = io.StringIO(), 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            work()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 1
    return code, said.getvalue()


def of_option(overrides: list[str]) -> tuple[int, str]:
    from corpo.cli.hydra_app import checked

    return told(lambda: checked(overrides))


def of_row(row: object, folder: Path) -> tuple[int, str]:
    """Of a file whose second row this is."""
    from corpo.cli.hydra_app import refuse
    from corpo.data.store import pairs_of, read_rows
    from corpo.utils.errors import DataError

    path = folder / "mine.jsonl"
    path.write_text(
        "\n".join([json.dumps(_ROW), row if isinstance(row, str) else json.dumps(row), json.dumps(_ROW)])
        + "\n"
    )

    def read() -> None:
        try:
            pairs_of(read_rows(path), str(path))
        except DataError as error:
            refuse(error)

    return told(read)


def of_command(arguments: list[str], folder: Path) -> tuple[int, str]:
    from corpo.cli import main as cli

    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    before = sys.argv
    try:
        sys.argv = ["corpo", *arguments]
        with contextlib.chdir(folder):
            return told(cli.main)
    finally:
        sys.argv = before


def of_policy(files: dict[str, bytes], folder: Path) -> tuple[int, str]:
    from corpo.cli.hydra_app import refuse
    from corpo.policy.load import policy_hash
    from corpo.utils.errors import ModelError

    for name, data in files.items():
        (folder / name).write_bytes(data)

    def read() -> None:
        try:
            policy_hash(str(folder))
        except ModelError as error:
            refuse(error)

    return told(read)


def of_records(file: str, content: bytes | None, folder: Path) -> tuple[int, str]:
    """Of `corpo claims` on a study of one step and two prompts, one of whose files is damaged."""
    import numpy as np
    import pandas as pd

    from corpo.analysis.study import Run, Study, write_study
    from corpo.pipeline import claims
    from corpo.utils.files import write_json

    row: dict[str, object] = {
        "split": "code_both_wrong",
        "prompt_id": "00000",
        "pair_id": "p",
        "problem_id": "q",
        "family": "f",
        "kind": "both_wrong",
    }
    row |= {"correct": True, "reward": 1.0}
    shortcuts = pd.DataFrame(
        {"split": ["code_both_wrong"], "prompts": [1], "problems": [1], "length": [0.0], "words": [0.5]}
    )
    steps = {1: np.array([[-1.0, 1.0]])}
    mine = folder / "mine"
    write_study(
        Study(
            {0: pd.DataFrame([row])},
            [Run("grpo", 0, pd.DataFrame({"step": [1]}), steps, pd.DataFrame([row]), steps)],
            0.0,
            [1],
            shortcuts,
        ),
        [],
        [],
        "",
        mine,
    )
    write_json(mine / "provenance.json", {})
    write_text(mine / "config.yaml", "")
    if content is None:
        (mine / file).unlink()
    elif content == _OTHER_TABLE:
        shortcuts.drop(columns="split").to_parquet(mine / file)
    else:
        (mine / file).write_bytes(content)
    before = sys.argv
    try:
        sys.argv = ["corpo claims", str(folder)]
        return told(claims.main)
    finally:
        sys.argv = before


def of_checkpoint(file: str, content: bytes | None, folder: Path) -> tuple[int, str]:
    """The step that a run goes on from, and the warning."""
    import torch

    from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint

    for step in (1, 2):
        save_checkpoint(folder, Checkpoint(step, {"weight": torch.ones(4)}, {}))
    path = folder / file
    path.write_bytes(content) if content is not None else path.unlink()
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("corpo.train.checkpoint")
    logger.addHandler(handler)
    try:
        newest = load_latest(folder)
    finally:
        logger.removeHandler(handler)
    return newest.step if newest else 0, "\n".join(said)


def main() -> None:
    sections: dict[str, list[tuple[str, str, tuple[int, str]]]] = {
        "Options": [(name, " ".join(given), of_option(given)) for name, (given, _) in OPTIONS.items()],
        "Rows of a file of pairs": [],
        "Commands and their files": [],
        "Folders of a policy": [],
        "Records of a study (`corpo claims`)": [],
    }
    for name, (row, _) in ROWS.items():
        with tempfile.TemporaryDirectory() as folder:
            code, text = of_row(row, Path(folder))
            sections["Rows of a file of pairs"].append((name, "", (code, text.replace(f"{folder}/", ""))))
    for name, (arguments, _) in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            sections["Commands and their files"].append(
                (name, "corpo " + " ".join(arguments), of_command(arguments, Path(folder)))
            )
    for name, (files, _) in POLICIES.items():
        with tempfile.TemporaryDirectory() as folder:
            code, text = of_policy(files, Path(folder))
            sections["Folders of a policy"].append((name, "", (code, text.replace(folder, "mine"))))
    for name, (file, content, _) in RECORDS.items():
        with tempfile.TemporaryDirectory() as folder:
            code, text = of_records(file, content, Path(folder))
            sections["Records of a study (`corpo claims`)"].append(
                (name, "", (code, text.replace(folder, "results")))
            )
    count = sum(map(len, sections.values()))
    right = sum(
        code == 2 and text.count("\n") == 1 for rows in sections.values() for _, _, (code, text) in rows
    )
    parts = [
        f"# Malformed input\n\n`python -m benchmarks.robustness.malformed`. {count} cases; {right} end with exit code 2 and one line, before any work."
    ]
    for title, rows in sections.items():
        cells = [
            [name, f"`{given}`" if given else "", code, text.strip().replace("|", "\\|")]
            for name, given, (code, text) in rows
        ]
        parts.append(f"## {title}\n\n" + table(["what is wrong", "given", "exit code", "message"], cells))
    damaged = []
    for name, (file, content, _) in CHECKPOINTS.items():
        with tempfile.TemporaryDirectory() as folder:
            step, text = of_checkpoint(file, content, Path(folder))
            damaged.append([name, step, text.replace(f"{folder}/", "")])
    parts.append(
        "## Checkpoints, of two the newer damaged\n\n"
        + table(["what is wrong", "goes on from step", "warning"], damaged)
    )
    path = ROOT / "results/robustness/malformed.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n\n".join(parts) + "\n")
    print(path, f"{right} of {count}")


if __name__ == "__main__":
    main()
