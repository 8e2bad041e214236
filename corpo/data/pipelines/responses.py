"""Read the traces in a response, and check that a verdict word follows from its trace."""

from __future__ import annotations

import re
from dataclasses import dataclass

from corpo.data.pipelines.traces import BAD, END, OK
from corpo.task.response import CLOSE, OPEN

_CODE_END = re.compile(r";check:(?:[\d-]{2})*([\d-])([\d-]);(ok|bad)")
_MATH_END = re.compile(r";[-+*/]+\d+:([\d-]*):([\d-]*);(ok|bad)")


@dataclass(frozen=True)
class WrittenTrace:
    """A candidate's trace as a policy wrote it."""

    text: str

    @property
    def word(self) -> str | None:
        """Return `ok` or `bad`, the last word of the trace, or None if it has none."""
        word = self.text.rpartition(";")[2]
        return word if word in (OK, BAD) else None

    @property
    def word_follows(self) -> bool:
        """Return whether the verdict word is the one that the end of the trace calls for."""
        start = self.text.rfind(";", 0, self.text.rfind(";"))
        end = self.text[start:] if start >= 0 else ""
        if match := _CODE_END.fullmatch(end):
            got, wanted, word = match.groups()
            return (word == OK) is (got == wanted == END)
        if match := _MATH_END.fullmatch(end):
            value, result, word = match.groups()
            return (word == OK) is (value == result)
        return False


def written_traces(response: str) -> tuple[WrittenTrace, WrittenTrace] | None:
    """Return the traces of A and B in a response, or None if it does not hold one of each."""
    thought = response.partition(OPEN)[2].partition(CLOSE)[0]
    first, separator, second = thought.partition(";B;")
    if not separator or not first.startswith(";A;"):
        return None
    return WrittenTrace(first.removeprefix(";A")), WrittenTrace(";" + second)
