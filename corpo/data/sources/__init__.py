"""Sources of real problems, each registered by `register_source`: benchmarks, and a user's own files."""

from corpo.data.sources import mathematics, own_files, programming
from corpo.data.sources.base import SOURCES, Source, register_source
from corpo.data.sources.reading import read_problems
from corpo.data.types import RawCandidate, RealProblem

__all__ = [
    "SOURCES",
    "RawCandidate",
    "RealProblem",
    "Source",
    "mathematics",
    "own_files",
    "programming",
    "read_problems",
    "register_source",
]
