"""Sources of real problems, each behind `register_source`: benchmarks of the hub or of a package, and your own files."""

from corpo.data.sources import mathematics, own_files, programming
from corpo.data.sources.base import SOURCES, RawCandidate, RealProblem, Source, register_source
from corpo.data.sources.reading import read_problems

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
