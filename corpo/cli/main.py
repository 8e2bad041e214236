"""`corpo COMMAND [OPTION=VALUE ...]`: the entry points under one name. Options are Hydra's; `corpo COMMAND --help` lists the groups."""

from __future__ import annotations

import dataclasses
import runpy
import sys
from pathlib import Path
from typing import Any

from corpo.config import Config
from corpo.utils.paths import CONF

COMMANDS = {
    "reproduce": ("reproduce", "the main job: data, baselines, evaluation, table, figures, report"),
    "data": ("data", "build, execute and label the pairs"),
    "warm-start": ("warm_start", "make the policy that reinforcement learning starts from"),
    "train": ("train", "train one policy; with -m a sweep"),
    "evaluate": ("evaluate", "evaluate a trained policy and its base"),
    "report": ("report", "tables, figures and report of a finished study again"),
    "tune": ("tune", "every baseline at every variant, judged on validation alone"),
    "ablate": ("ablate", "every baseline under every variant, trained and evaluated: a table and a figure"),
    "merge": ("merge", "parts of one study, run apart, as one study"),
    "claims": (
        "claims",
        "what all studies in results/ say to the paper's claims; their tables and figures again",
    ),
    "track": ("track", "mirror a finished study in TensorBoard or Weights & Biases"),
    "engines": ("engines", "compare the two rollout engines"),
    "export": ("export", "write the pairs for verl and TRL"),
    "verify": ("verify", "judge two files of yours with a trained policy"),
    "push": ("push", "put a trained policy on the hub"),
    "doctor": ("doctor", "what this machine has, and what is missing for which part"),
    "completion": ("cli", 'print shell completion: eval "$(corpo completion bash)"'),
}

_BASH = """_corpo() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}"
    [ "$2" ] && word="$2"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=( $(compgen -W "{commands}" -- "$word") )
    else
        local line="${{COMP_LINE:0:$COMP_POINT}}"
        word="${{line##* }}"
        COMPREPLY=( $(compgen -W "{words}" -- "$word") )
        [[ "$word" == *=* ]] && COMPREPLY=( "${{COMPREPLY[@]#"${{word%%=*}}="}}" )
        [[ "${{COMPREPLY[0]}}" == *= ]] && compopt -o nospace
    fi
}}
complete -F _corpo corpo
"""


def main() -> None:
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h"):
        print(__doc__, *(f"  {command:12s} {what}" for command, (_, what) in COMMANDS.items()), sep="\n")
    elif name == "completion":
        print(completion(rest[0] if rest else "bash"), end="")
    elif name not in COMMANDS:
        print(f"corpo: no command {name!r}; choose one of {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    else:
        sys.argv = [f"corpo {name}", *rest]
        sys.path.insert(0, "")  # plugins of the current folder, as `python -m` finds them
        runpy.run_module(f"experiments.{COMMANDS[name][0]}", run_name="__main__", alter_sys=True)


def completion(shell: str) -> str:
    """Of commands, config groups with their choices, and every option. Bash, or zsh through its emulation of bash."""
    if shell not in ("bash", "zsh"):
        print(f"corpo: no completion for {shell!r}; choose bash or zsh", file=sys.stderr)
        sys.exit(2)
    groups = [
        f"{path.parent.relative_to(CONF)}={path.stem}"
        for path in sorted(Path(CONF).rglob("*.yaml"))
        if path.parent != Path(CONF)
    ]
    script = _BASH.format(
        commands=" ".join(COMMANDS), words=" ".join([*groups, *(f"{key}=" for key in options(Config))])
    )
    return ("autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else "") + script


def options(config: Any, prefix: str = "") -> list[str]:
    """Every option's name, as it is written on the command line."""
    names: list[str] = []
    for field in dataclasses.fields(config):
        inner = field.default_factory
        names += (
            options(inner, f"{prefix}{field.name}.")
            if dataclasses.is_dataclass(inner)
            else [f"{prefix}{field.name}"]
        )
    return names


if __name__ == "__main__":
    main()
