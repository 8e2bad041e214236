"""Real problems to pairs: read, collect candidates, label, take training problems apart from evaluation problems, match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from corpo.config import CandidatesConfig, DataConfig, SourceConfig
from corpo.data.build_bank import LabelledProblem, Use
from corpo.data.candidates.collect import (
    SAMPLED,
    Recipe,
    UnlabelledProblem,
    distinct,
    labelled,
    unlabelled_problems,
)
from corpo.data.execution.labelling import LabelCache
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.contamination import Overlap, overlaps
from corpo.data.pairing.drawing import TRAIN, VALIDATION, split_name
from corpo.data.pairing.matching import matched_pairs
from corpo.data.sources import SOURCES, RawCandidate, RealProblem, read_problems
from corpo.task import Kind, Pair
from corpo.utils.errors import DataError
from corpo.utils.files import file_hash, hash_of

VALIDATION_SHARE = 0.1  # of the problems that do not evaluate


@dataclass(frozen=True)
class RealData:
    """What was read, labelled and paired, and what was left out on the way."""

    problems: list[LabelledProblem]  # every distinct candidate, of whatever length; the family is the source
    pairs: list[tuple[str, Pair]]
    labelled: Counter[
        tuple[str, bool]
    ]  # candidates by source and label: different texts, before the same programs under other names were put together
    claims: Counter[
        tuple[str, bool]
    ]  # labels by source, and whether they agree with what the source says of the candidate
    failing: list[str]  # problems left out because their own reference fails
    overlapping: list[Overlap]  # training problems left out


def read_all(data: DataConfig) -> dict[str, list[RealProblem]]:
    """The problems of every source whose statements are short enough."""
    found = {}
    for name, source in data.sources.items():
        problems = [
            problem
            for problem in read_problems(name, source)
            if len(problem.statement) <= data.pairing.max_statement_chars
        ]
        if not problems:
            raise DataError(
                f"data.sources.{name}: every statement has more than data.pairing.max_statement_chars={data.pairing.max_statement_chars} characters"
            )
        found[name] = problems
    return found


def build_real(
    data: DataConfig,
    candidates: CandidatesConfig,
    read: Mapping[str, Sequence[RealProblem]],
    sampled: Mapping[str, Sequence[RawCandidate]],
    sandbox: Sandbox,
    cache: LabelCache | None,
) -> RealData:
    """`sampled` are programs of a language model by problem id. Raises DataError where nothing can be paired."""
    recipe = Recipe(tuple(candidates.sources), candidates.mutants, candidates.seed)
    suspected = [
        UnlabelledProblem(
            name,
            problem,
            tuple(unlabelled_problems(problem, recipe, sampled.get(problem.id, ()))),
            _use(problem.id, source, data.seed),
            _loader(name, source) == "own",
        )
        for name, source in data.sources.items()
        for problem in read[name]
    ]
    problems, failing = labelled(suspected, sandbox, cache, candidates.max_tests)
    all_candidates = [(problem.family, candidate) for problem in problems for candidate in problem.candidates]
    labels = Counter((source, candidate.correct) for source, candidate in all_candidates)
    claims = Counter(
        (source, candidate.correct is candidate.claimed)
        for source, candidate in all_candidates
        if candidate.claimed is not None
    )
    problems = [
        replace(problem, candidates=distinct(problem.candidates, problem.domain)) for problem in problems
    ]
    evaluated = [problem for problem in problems if problem.use is Use.evaluation]
    overlapping = overlaps(
        [problem for problem in problems if problem.use is not Use.evaluation],
        evaluated,
        data.pairing.overlap_words,
    )
    left_out = {one.trained for one in overlapping}
    pairs = _pairs([problem for problem in problems if problem.id not in left_out], data)
    if not pairs:
        right = sum(candidate.correct for _, candidate in all_candidates)
        found = (
            f"{right} correct and {len(all_candidates) - right} wrong candidates of {len(problems)} problems"
        )
        raise DataError(
            f"data: not one pair could be made of {found}; add candidates (candidates=mutants) or raise data.pairing.max_candidate_chars"
        )
    return RealData(problems, pairs, labels, claims, failing, overlapping)


def _loader(name: str, source: SourceConfig) -> str:
    return source.loader or name


def licences(data: DataConfig) -> dict[str, str]:
    """By source."""
    return {name: SOURCES[_loader(name, source)].licence for name, source in data.sources.items()}


def _use(problem: str, source: SourceConfig, seed: int) -> Use:
    """By a hash of the problem, so that more problems or candidates move none."""
    draw = int(hash_of([seed, problem], 8), 16) / 16**8
    if draw < source.evaluation:
        return Use.evaluation
    return (
        Use.validation if draw < source.evaluation + VALIDATION_SHARE * (1 - source.evaluation) else Use.train
    )


def _pairs(problems: Sequence[LabelledProblem], data: DataConfig) -> list[tuple[str, Pair]]:
    """Both orders of every pair."""
    short = [
        replace(
            p, candidates=tuple(c for c in p.candidates if len(c.text) <= data.pairing.max_candidate_chars)
        )
        for p in problems
    ]
    of_use = {use: [p for p in short if p.use is use] for use in Use}
    most = data.pairing.max_pairs_per_problem
    out: list[tuple[str, Pair]] = []
    for use, split, count in (
        (Use.train, TRAIN, data.train_pairs),
        (Use.validation, VALIDATION, data.validation_pairs),
    ):
        shares = {Kind.both_wrong: data.pairing.both_wrong, Kind.both_correct: data.pairing.both_correct}
        shares[Kind.first_correct] = 1 - sum(shares.values())
        for kind, share in shares.items():
            for pair in matched_pairs(
                of_use[use], kind, round(share * count), most, f"{data.seed}/{split}/{kind}"
            ):
                out += [(split, order) for order in (pair, pair.swapped())]
    for name, source in data.sources.items():
        mine = [p for p in of_use[Use.evaluation] if p.family == name]
        for kind in (Kind.first_correct, Kind.both_wrong, Kind.both_correct):
            for pair in matched_pairs(mine, kind, data.pairs_per_split, most, f"{data.seed}/{name}/{kind}"):
                out += [(split_name(source.splits or name, order), order) for order in (pair, pair.swapped())]
    return out


def cache_spec(data: DataConfig, candidates: CandidatesConfig) -> dict[str, object]:
    """Everything of the configuration that the pairs depend on, for the key of a stage; files by their content."""
    used = (
        "makers",
        "mutants",
        "tests",
        "cpu_seconds",
        "seed",
    )  # what is sampled has a stage, and so a key, of its own
    return {
        "problems": problems_cache_spec(data),
        "pairing": asdict(data.pairing),
        "data": {
            key: getattr(data, key)
            for key in ("pairs_per_split", "train_pairs", "validation_pairs", "seed", "isolation")
        },
        "candidates": {key: getattr(candidates, key) for key in used},
    }


def problems_cache_spec(data: DataConfig) -> dict[str, object]:
    """Everything that the problems depend on."""
    sources = {name: {**asdict(source), **_contents(source)} for name, source in data.sources.items()}
    return {"sources": sources, "max_statement_chars": data.pairing.max_statement_chars}


def _contents(source: SourceConfig) -> dict[str, str]:
    """Hashes of a source's local files. Raises DataError where one is missing."""
    found = {}
    for key in ("path", "samples"):
        if (value := getattr(source, key)) is None:
            continue
        path = Path(value)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder (data.sources.*.{key})")
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        found[key] = hash_of([[str(one.relative_to(path)), file_hash(one)] for one in files])
    return found


def wants_samples(candidates: CandidatesConfig) -> bool:
    """Whether a language model writes candidates."""
    return SAMPLED in candidates.sources
