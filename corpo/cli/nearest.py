"""Name what is spelt most like a misspelt command, flag, choice or option."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from corpo.utils.errors import ConfigError


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean NAME?)" with the known name that is most alike, or "" if none is alike."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


class ArgumentParser(argparse.ArgumentParser):
    """A parser that raises ConfigError with one line instead of printing how the command is used."""

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError with the message and the flag that is spelt most like an unknown one."""
        known = list(self._option_string_actions)
        unknown = re.findall(r"unrecognized arguments: (-\S+)", message)
        hint = nearest(unknown[0], known) if unknown else ""
        raise ConfigError(f"{self.prog.removeprefix('corpo ')}: {message}{hint}; see {self.prog} --help")
