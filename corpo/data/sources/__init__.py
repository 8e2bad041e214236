"""Sources of real problems, each behind `register_source`: benchmarks of the hub or of a package, and your own files."""

from corpo.data.sources import mathematics as maths
from corpo.data.sources import own_files as own
from corpo.data.sources import programming as code
from corpo.data.sources.base import SOURCES, Given, RealProblem, Source, register_source
from corpo.data.sources.reading import read_problems

__all__ = ["SOURCES", "Given", "RealProblem", "Source", "code", "maths", "own", "read_problems", "register_source"]
