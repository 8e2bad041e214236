"""Malformed input for the entry points, and functions that feed it to them.

Every case has a part of the one line that the user has to see.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

from corpo.utils.files import write_text

# Options of the command line, by what is wrong: the overrides and a part of the message.
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
    "name with a newline": (["name='a\nb'"], "line breaks"),
    "name with a byte that is not UTF-8": (["name='\udcff'"], "line breaks"),
    "outputs with a byte that is not UTF-8": (["outputs='\udcff'"], "not valid Unicode"),
    "outputs with NUL": (["outputs='a\0b'"], "NUL"),
    "plugin relative": (["plugins=[.x]"], "plugins=[.x]: give names of Python modules"),
    "plugin with a slash": (["plugins=[a/b]"], "plugins=[a/b]: give names of Python modules"),
    "plugin empty": (["plugins=['']"], "give names of Python modules"),
    "plugin missing": (["plugins=[no_such_module]"], "PYTHONPATH"),
    "data.problems": (["data.problems=riddles"], "choose one of pipelines, bank"),
    "data.pipelines": (["data.pipelines.train_problems=0"], "data.pipelines.train_problems=0"),
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
    "warm_start.rationale": (["warm_start.rationale=guess"], "trace, rewrite"),
    "warm_start.verdict_weight": (["warm_start.verdict_weight=0"], "warm_start.verdict_weight=0"),
    "warm_start.short_steps": (["warm_start.short_steps=-1"], "warm_start.short_steps=-1"),
    "warm_start.lr": (["warm_start.lr=0"], "warm_start.lr=0"),
    "warm_start.lr nan": (["warm_start.lr=nan"], "warm_start.lr=nan"),
    "warm_start.math_share": (["warm_start.math_share=1.5"], "warm_start.math_share=1.5"),
    "warm_start.decay_share": (["warm_start.decay_share=0"], "warm_start.decay_share=0"),
    "warm_start.prompt_steps": (["warm_start.prompt_steps=-1"], "warm_start.prompt_steps=-1"),
    "reward.name": (["reward.name=brier"], "choose one of confidence, ordinal"),
    "reward.levels": (["reward.levels=1"], "reward.levels=1"),
    "reward.levels above": (["reward.levels=100000000"], "reward.levels=100000000: must be at most 1000"),
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
    "train.minibatches": (["train.minibatches=0"], "train.minibatches=0"),
    "train.minibatches of unequal size": (["train.minibatches=3"], "must divide train.prompts_per_step=32"),
    "train.minibatches without a ratio": (["train.minibatches=2"], "set train.loss.ppo_clip"),
    "train.epochs": (["train.epochs=0"], "train.epochs=0"),
    "train.epochs without a ratio": (["train.epochs=2"], "set train.loss.ppo_clip"),
    "train.group_size": (["train.group_size=0"], "train.group_size=0"),
    "train.lr": (["train.lr=-1"], "train.lr=-1"),
    "train.lr nan": (["train.lr=nan"], "train.lr=nan"),
    "train.lr inf": (["train.lr=inf"], "train.lr=inf"),
    "train.max_grad_norm": (["train.max_grad_norm=0"], "train.max_grad_norm=0"),
    "train.optimizer": (["train.optimizer=muon"], "adamw, sgd"),
    "train.warmup_steps": (["train.warmup_steps=0"], "train.warmup_steps=0"),
    "train.weight_decay": (["train.weight_decay=-1"], "train.weight_decay=-1"),
    "train.weight_decay nan": (["train.weight_decay=nan"], "train.weight_decay=nan"),
    "train.token_budget": (["train.token_budget=0"], "train.token_budget=0"),
    "train.checkpoint_every": (["train.checkpoint_every=0"], "train.checkpoint_every=0"),
    "train.keep_rollouts_every": (["train.keep_rollouts_every=0"], "train.keep_rollouts_every=0"),
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
    "study.warm_starts": (["study.warm_starts=2"], "choose model=nano_new"),
    "study.lr": (["+study.lr.rloo=0.1"], "not among study.baselines"),
    "study.lr negative": (["+study.lr.grpo=-1"], "study.lr.grpo=-1"),
    "study.variants": (["+study.variants={a: {train.speed: 1}}"], "study.variants.a: no option 'speed'"),
    "study.variants of a number": (["+study.variants={a: 3}"], "study.variants.a"),
    "model.path new": (["model.path=new"], "set model.warm_start=true"),
    "study.variants nan": (["+study.variants={a: {train.lr: nan}}"], "study.variants.a"),
    "study.variants of another type": (
        ["+study.variants={a: {train.steps: 1.5}}"],
        "expected a whole number",
    ),
    "study.seeds negative": (["study.seeds=[0,-1]"], "study.seeds=-1"),
    "baseline.options nan": (["+baseline.options.std=nan"], "baseline.options.std=nan"),
    "model.architecture": (
        ["+model.architecture.num_hidden_layers=1000000"],
        "model.architecture.num_hidden_layers=1000000",
    ),
    "nested too deep": (["+baseline.options.std=" + "[" * 30 + "]" * 30], "nested"),
    "budget.devices": (["budget.devices=0"], "budget.devices=0"),
    "budget.memory_gib": (["budget.memory_gib=0"], "budget.memory_gib=0"),
    "budget.teraflops": (["budget.teraflops=-1"], "budget.teraflops=-1"),
}

GOOD_ROW: dict[str, object] = {
    "split": "mine",
    "problem_id": "1",
    "domain": "code",
    "family": "f",
    "topic": "t",
    "statement": "Return 1.",
    "a_text": "return 1",
    "a_correct": True,
    "a_origin": "me",
    "a_line": 0,
    "b_text": "return 2",
    "b_correct": False,
    "b_origin": "me",
    "b_line": 0,
}


def _without(field: str) -> dict[str, object]:
    return {key: value for key, value in GOOD_ROW.items() if key != field}


# Rows of a file of pairs (data.file), by what is wrong: a row or a whole line, and a part of the message.
ROWS: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "not JSON"),
    "cut": ('{"split": "mine", ', "not JSON"),
    "blank": ("", "row 2"),
    "a list": ("[]", "expected a JSON object"),
    "a key twice": ('{"split": "mine", "split": "other"}', "the key 'split' is there twice"),
    "a key twice, inside": ('{"split": {"a": 1, "b": 2, "a": 1}}', "the key 'a' is there twice"),
    "half of a surrogate pair": ({**GOOD_ROW, "statement": "a\ud800"}, "not valid Unicode"),
    "half of a surrogate pair in a key": ({**GOOD_ROW, "\udfff": "a"}, "not valid Unicode"),
    "nested deep": ({**GOOD_ROW, "extra": json.loads("[" * 200 + "]" * 200)}, "nested more than 100 deep"),
    "nested too deep for the parser": ("[" * 100_000, "not JSON"),
    "split with a path": ({**GOOD_ROW, "split": "../../mine"}, "a split without slashes"),
    "family with a newline": ({**GOOD_ROW, "family": "a\n# b"}, "without line breaks"),
    "id with an escape sequence": ({**GOOD_ROW, "problem_id": "\x1b[2J"}, "without line breaks"),
    "a number": ("3", "expected a JSON object"),
    "nothing": ("null", "expected a JSON object"),
    **{f"no {field}": (_without(field), f"field {field!r} is missing") for field in GOOD_ROW},
    "statement a number": ({**GOOD_ROW, "statement": 3}, "'statement' is 3"),
    "statement empty": ({**GOOD_ROW, "statement": " "}, "'statement'"),
    "candidate empty": ({**GOOD_ROW, "a_text": ""}, "'a_text'"),
    "candidate null": ({**GOOD_ROW, "a_text": None}, "'a_text' is None"),
    "label a text": ({**GOOD_ROW, "a_correct": "yes"}, "'a_correct' is 'yes'"),
    "label a number": ({**GOOD_ROW, "b_correct": 1}, "'b_correct' is 1"),
    "line a text": ({**GOOD_ROW, "b_line": "3"}, "'b_line' is '3'"),
    "line a switch": ({**GOOD_ROW, "b_line": True}, "'b_line' is True"),
    "line negative": ({**GOOD_ROW, "b_line": -1}, "'b_line' is -1"),
    "domain unknown": ({**GOOD_ROW, "domain": "law"}, "choose code or math"),
    "kind wrong": ({**GOOD_ROW, "kind": "both_wrong"}, "the labels make it first_correct"),
}

# Arguments of `corpo` in a folder with these files, by what is wrong: the arguments and a part of the
# message.
FILES = {
    "p.md": b"Return 1.",
    "a.py": b"def f(): return 1",
    "s.txt": b"1 + 1 = 2",
    "empty.py": b" \n",
    "cut.py": b"def f(:",
    "binary.py": b"\x80\xfe",
    "deep.py": b"x = " + b"-" * 100_000 + b"1",
}
COMMANDS: dict[str, tuple[list[str], str]] = {
    "unknown command": (["trian"], "no command 'trian'"),
    "unknown shell": (["completion", "fish"], "no completion for 'fish'"),
    "verify: no such problem": (["verify", "none.md", "a.py", "a.py"], "none.md: cannot be read"),
    "verify: an empty program": (["verify", "p.md", "a.py", "empty.py"], "empty.py: is empty"),
    "verify: no program": (["verify", "p.md", "cut.py", "a.py"], "cut.py, line 1: not Python"),
    "verify: nested too deep": (["verify", "p.md", "deep.py", "a.py"], "deep.py: not Python (nested"),
    "verify: no text": (["verify", "p.md", "binary.py", "a.py"], "binary.py: cannot be read"),
    "verify: one of each": (["verify", "p.md", "a.py", "s.txt"], "not one of each"),
    "verify: no rollouts": (["verify", "p.md", "a.py", "a.py", "--rollouts", "0"], "--rollouts 0"),
    "verify: an unknown option": (
        ["verify", "p.md", "a.py", "a.py", "train.stpes=1"],
        "did you mean train.steps?",
    ),
}

# Folders of a policy, by what is wrong: their files and a part of the message.
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
# Files in a study's results folder, by what is wrong: the file, its content (None: missing), part of the
# message.
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

# Files of the newer of two checkpoints, by what is wrong: the file, its content (None: missing), part of
# the warning.
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


def _outcome(work: Callable[[], object]) -> tuple[int, str]:
    """Run `work` as the command line does. Return the exit code and the text on standard error."""
    from corpo.cli.failure import exit_with
    from corpo.utils.errors import CorpoError

    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
        try:
            try:
                work()
            except CorpoError as error:
                exit_with(error)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1, stderr.getvalue()
    return 0, stderr.getvalue()


def compose_options(overrides: list[str]) -> tuple[int, str]:
    """Compose a config from options."""
    from corpo.cli.compose import load_config

    return _outcome(lambda: load_config(overrides))


def read_row(row: object, folder: Path) -> tuple[int, str]:
    """Read a file of pairs whose second row is this one."""
    from corpo.data.store import pairs_of, read_rows

    path = folder / "mine.jsonl"
    good = json.dumps(GOOD_ROW)
    lines = [good, row if isinstance(row, str) else json.dumps(row), good]
    path.write_text("\n".join(lines) + "\n")
    return _outcome(lambda: pairs_of(read_rows(path), str(path)))


def run_command(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Run `corpo` in a folder with FILES."""
    from corpo.cli.main import main

    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    with contextlib.chdir(folder):
        return _outcome(lambda: main(arguments))


def read_policy(files: dict[str, bytes], folder: Path) -> tuple[int, str]:
    """Read a policy's folder with these files."""
    from corpo.policy.load import policy_hash

    for name, data in files.items():
        (folder / name).write_bytes(data)
    return _outcome(lambda: policy_hash(str(folder)))


def rebuild_results(file: str, content: bytes | None, folder: Path) -> tuple[int, str]:
    """Rebuild the results of a study with one step and two prompts, after damaging one of its files."""
    from corpo.cli.main import main

    results = folder / "mine"
    _write_small_study(results)
    if content is None:
        (results / file).unlink()
    elif content == _OTHER_TABLE:
        _shortcuts().drop(columns="split").to_parquet(results / file)
    else:
        (results / file).write_bytes(content)
    return _outcome(lambda: main(["report", "--claims", str(folder)]))


def _shortcuts():  # type: ignore[no-untyped-def]  # pandas is imported inside
    import pandas as pd

    return pd.DataFrame(
        {"split": ["code_both_wrong"], "prompts": [1], "problems": [1], "length": [0.0], "words": [0.5]}
    )


def _write_small_study(folder: Path) -> None:
    import numpy as np
    import pandas as pd

    from corpo.analysis.study import Run, Study, write_study
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
    steps = {1: np.array([[-1.0, 1.0]])}
    write_study(
        Study(
            {0: pd.DataFrame([row])},
            [Run("grpo", 0, pd.DataFrame({"step": [1]}), steps, pd.DataFrame([row]), steps)],
            0.0,
            [1],
            _shortcuts(),
        ),
        [],
        [],
        "",
        folder,
    )
    write_json(folder / "provenance.json", {})
    write_text(folder / "config.yaml", "")


def load_checkpoint(file: str, content: bytes | None, folder: Path) -> tuple[int, str]:
    """Load the latest of two checkpoints, after damaging a file. Return its step and the warnings."""
    import torch

    from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint

    for step in (1, 2):
        save_checkpoint(folder, Checkpoint(step, {"weight": torch.ones(4)}, {}))
    path = folder / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("corpo.train.checkpoint")
    logger.addHandler(handler)
    try:
        latest = load_latest(folder)
    finally:
        logger.removeHandler(handler)
    return latest.step if latest else 0, stream.getvalue().strip()
