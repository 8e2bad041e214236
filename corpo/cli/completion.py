"""Shell completion of commands, groups of options and options."""

from __future__ import annotations

from collections.abc import Sequence

from corpo.cli.commands import COMMANDS
from corpo.cli.nearest import nearest
from corpo.cli.options import option_names
from corpo.config import Config
from corpo.utils.errors import ConfigError
from corpo.utils.resources import conf_folder

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


def main(arguments: Sequence[str]) -> None:
    """Print the script for the named shell, by default bash."""
    print(completion(arguments[0] if arguments else "bash"), end="")


def completion(shell: str) -> str:
    """Return the completion script for bash, or for zsh through its emulation of bash.

    Raises ConfigError for others.
    """
    if shell not in ("bash", "zsh"):
        hint = nearest(shell, ("bash", "zsh"))
        raise ConfigError(f"no completion for {shell!r}{hint}; choose bash or zsh")
    folder = conf_folder()
    words = []
    for path in sorted(folder.rglob("*.yaml")):
        if path.parent != folder:
            words.append(f"{path.parent.relative_to(folder)}={path.stem}")
    words += [f"{name}=" for name in option_names(Config()) if ".NAME." not in name]
    script = _BASH.format(commands=" ".join(COMMANDS), words=" ".join(words))
    return ("autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else "") + script
