"""Build pairs from real problems: read, collect candidates, label, separate uses, match."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from corpo.config import CandidatesConfig, DataConfig, SourceConfig
from corpo.data.candidates.collect import SAMPLED, collect_candidates, without_repeated_texts
from corpo.data.candidates.normal_form import distinct
from corpo.data.execution.label_problems import Labelled, label_problems
from corpo.data.execution.labelling import LabelCache
from corpo.data.execution.sandbox import Sandbox
from corpo.data.funnel import Loss, losses, with_short_candidates
from corpo.data.label_checks import disagreements, label_findings, tests_per_problem
from corpo.data.pairing.contamination import Overlap, overlaps
from corpo.data.pairing.matching import matched_pairs
from corpo.data.pairing.splits import TRAIN, VALIDATION, split_name
from corpo.data.sources import SOURCES, read_problems
from corpo.data.types import LabelledProblem, RawCandidate, RealProblem, UnlabelledProblem, Use
from corpo.task import Kind, Pair
from corpo.utils.errors import DataError
from corpo.utils.files import file_hash, files_below, hash_of

log = logging.getLogger(__name__)

_MAX_REASONS = 5  # problems that an error message names
VALIDATION_SHARE = 0.1  # of the problems that are not for evaluation


@dataclass(frozen=True)
class RealData:
    """The labelled problems and pairs of real sources, and what was left out."""

    problems: list[LabelledProblem]  # with all distinct candidates, however long; the family is the source
    pairs: list[tuple[str, Pair]]
    labelled: Counter[tuple[str, bool]]  # candidates by source and label, before duplicates were removed
    claims: Counter[tuple[str, bool]]  # claimed labels by source and whether execution agrees
    labelling: Labelled  # problems, candidates and tests that were left out, with the reasons
    overlapping: list[Overlap]  # training problems left out
    losses: list[Loss]  # what was lost at each step, from the first
    findings: list[str]  # suspicious labels, in one line each
    disagreements: list[dict[str, Any]]  # candidates whose source claims another label
    tests: list[int]  # number of tests of each problem with tests, in increasing order
    notes: list[str]  # what the sources took under another name or left out


def read_all(data: DataConfig, notes: list[str] | None = None) -> dict[str, list[RealProblem]]:
    """Read the problems of every source, without those whose statements are too long.

    `notes` receives one line for everything that was left out or taken under another name.
    """
    notes = [] if notes is None else notes
    max_chars = data.pairing.max_statement_chars
    problems_by_source = {}
    for name, source in data.sources.items():
        all_problems = read_problems(name, source, notes)
        problems = [problem for problem in all_problems if len(problem.statement) <= max_chars]
        if num_long := len(all_problems) - len(problems):
            notes.append(
                f"left out {num_long} problems of {name} with statements of more than "
                f"data.pairing.max_statement_chars={max_chars} characters"
            )
        if not problems:
            raise DataError(
                f"data.sources.{name}: every statement has more than "
                f"data.pairing.max_statement_chars={max_chars} characters; raise it"
            )
        problems_by_source[name] = problems
    return problems_by_source


def build_real(
    data: DataConfig,
    candidates: CandidatesConfig,
    read: Mapping[str, Sequence[RealProblem]],
    sampled: Mapping[str, Sequence[RawCandidate]],
    sandbox: Sandbox,
    cache: LabelCache | None,
    notes: Sequence[str] = (),
) -> RealData:
    """Label the candidates of real problems and match them into pairs.

    `sampled` has the programs that a language model wrote, by problem id, and `notes` what reading left out.
    Raises DataError if no pair can be made.
    """
    unlabelled, num_repeated = _collect(data, candidates, read, sampled)
    labelling = label_problems(unlabelled, sandbox, cache, candidates.max_tests, candidates.tolerance)
    problems = labelling.problems
    if not problems:
        raise DataError(f"data: every problem is left out; {_first_reasons(labelling)}")
    labelled, claims = _count_labels(problems)
    findings = label_findings(labelling)
    for line in findings:
        log.warning("%s", line)
    disagreeing = list(disagreements(problems))
    num_tests = tests_per_problem(problems)
    problems = [
        replace(problem, candidates=distinct(problem.candidates, problem.domain)) for problem in problems
    ]
    overlapping = overlaps(
        [problem for problem in problems if problem.use is not Use.evaluation],
        [problem for problem in problems if problem.use is Use.evaluation],
        data.pairing.overlap_words,
    )
    left_out = {overlap.trained for overlap in overlapping}
    pairs = _pairs([problem for problem in problems if problem.id not in left_out], data)
    if not pairs:
        num_correct = sum(count for (_, correct), count in labelled.items() if correct)
        num_wrong = labelled.total() - num_correct
        raise DataError(
            f"data: no pair could be made of {num_correct} correct and {num_wrong} wrong "
            f"candidates of {len(problems)} problems; add candidates (candidates=mutants) or raise "
            "data.pairing.max_candidate_chars"
        )
    all_losses = [
        Loss("read", len(unlabelled), num_repeated + sum(len(problem.candidates) for problem in unlabelled)),
        Loss("repeated or empty texts", 0, num_repeated),
        *losses(unlabelled, labelling, problems, left_out, pairs, data),
    ]
    return RealData(
        problems=problems,
        pairs=pairs,
        labelled=labelled,
        claims=claims,
        labelling=labelling,
        overlapping=overlapping,
        losses=all_losses,
        findings=findings,
        disagreements=disagreeing,
        tests=num_tests,
        notes=list(notes),
    )


def _first_reasons(labelling: Labelled) -> str:
    """Return why the first problems are left out."""
    reasons = [f"{problem}: {reason}" for problem, reason in labelling.left_out.items()]
    more = f"; and {len(reasons) - _MAX_REASONS} more" if len(reasons) > _MAX_REASONS else ""
    return "; ".join(reasons[:_MAX_REASONS]) + more


def _collect(
    data: DataConfig,
    candidates: CandidatesConfig,
    read: Mapping[str, Sequence[RealProblem]],
    sampled: Mapping[str, Sequence[RawCandidate]],
) -> tuple[list[UnlabelledProblem], int]:
    """Return all problems with their candidates, and the number of repeated or empty candidates."""
    unlabelled = []
    num_repeated = 0
    for name, source in data.sources.items():
        for problem in read[name]:
            all_texts = collect_candidates(problem, candidates, sampled.get(problem.id, ()))
            texts = without_repeated_texts(all_texts)
            num_repeated += len(all_texts) - len(texts)
            unlabelled.append(
                UnlabelledProblem(
                    source=name,
                    problem=problem,
                    candidates=tuple(texts),
                    use=use_of_problem(problem.id, source, data.seed),
                )
            )
    return unlabelled, num_repeated


def _count_labels(
    problems: Sequence[LabelledProblem],
) -> tuple[Counter[tuple[str, bool]], Counter[tuple[str, bool]]]:
    """Count labels by source, and claimed labels by source and whether they agree."""
    labelled: Counter[tuple[str, bool]] = Counter()
    claims: Counter[tuple[str, bool]] = Counter()
    for problem in problems:
        for candidate in problem.candidates:
            labelled[problem.family, candidate.correct] += 1
            if candidate.claimed is not None:
                claims[problem.family, candidate.correct is candidate.claimed] += 1
    return labelled, claims


def licences(data: DataConfig) -> dict[str, str]:
    """Return the licence of each source."""
    return {name: SOURCES[source.loader or name].licence for name, source in data.sources.items()}


def use_of_problem(problem: str, source: SourceConfig, seed: int) -> Use:
    """Return the use of a problem by a hash of its id, so that it does not depend on other problems."""
    draw = int(hash_of([seed, problem], 8), 16) / 16**8
    if draw < source.evaluation:
        return Use.evaluation
    if draw < source.evaluation + VALIDATION_SHARE * (1 - source.evaluation):
        return Use.validation
    return Use.train


def _pairs(problems: Sequence[LabelledProblem], data: DataConfig) -> list[tuple[str, Pair]]:
    """Return both orders of every pair, with their splits."""
    short = [with_short_candidates(problem, data.pairing.max_candidate_chars) for problem in problems]
    named_pairs: list[tuple[str, Pair]] = []
    for use, split, count in (
        (Use.train, TRAIN, data.train_pairs),
        (Use.validation, VALIDATION, data.validation_pairs),
    ):
        with_use = [problem for problem in short if problem.use is use]
        for pair in _train_or_validation_pairs(with_use, split, count, data):
            named_pairs += [(split, pair), (split, pair.swapped())]
    evaluated = [problem for problem in short if problem.use is Use.evaluation]
    for name, source in data.sources.items():
        from_source = [problem for problem in evaluated if problem.family == name]
        prefix = source.splits or name
        for pair in _evaluation_pairs(from_source, name, data):
            named_pairs += [(split_name(prefix, order), order) for order in (pair, pair.swapped())]
    return named_pairs


def _train_or_validation_pairs(
    problems: Sequence[LabelledProblem], split: str, count: int, data: DataConfig
) -> list[Pair]:
    """Return training or validation pairs, with the configured share of each kind."""
    shares = {Kind.both_wrong: data.pairing.both_wrong, Kind.both_correct: data.pairing.both_correct}
    shares[Kind.first_correct] = 1 - sum(shares.values())
    pairs: list[Pair] = []
    for kind, share in shares.items():
        max_pairs = data.pairing.max_pairs_per_problem
        pairs += matched_pairs(problems, kind, round(share * count), max_pairs, f"{data.seed}/{split}/{kind}")
    return pairs


def _evaluation_pairs(problems: Sequence[LabelledProblem], source: str, data: DataConfig) -> list[Pair]:
    pairs: list[Pair] = []
    for kind in (Kind.first_correct, Kind.both_wrong, Kind.both_correct):
        max_pairs = data.pairing.max_pairs_per_problem
        seed = f"{data.seed}/{source}/{kind}"
        pairs += matched_pairs(problems, kind, data.pairs_per_split, max_pairs, seed)
    return pairs


def cache_spec(data: DataConfig, candidates: CandidatesConfig) -> dict[str, object]:
    """Return the part of the configuration that pairs depend on, for the key of a stage.

    Files are represented by hashes of their content. The options of sampling are left out, because samples
    have a stage and a key of their own.
    """
    data_fields = ("pairs_per_split", "train_pairs", "validation_pairs", "seed", "isolation")
    candidate_fields = ("sources", "mutants", "max_tests", "tolerance", "cpu_seconds", "seed")
    return {
        "problems": problems_cache_spec(data),
        "pairing": asdict(data.pairing),
        "data": {name: getattr(data, name) for name in data_fields},
        "candidates": {name: getattr(candidates, name) for name in candidate_fields},
    }


def problems_cache_spec(data: DataConfig) -> dict[str, object]:
    """Return the part of the configuration that problems depend on."""
    sources = {name: {**asdict(source), **_content_hashes(source)} for name, source in data.sources.items()}
    return {"sources": sources, "max_statement_chars": data.pairing.max_statement_chars}


def _content_hashes(source: SourceConfig) -> dict[str, str]:
    """Return hashes of a source's local files. Raises DataError if one is missing."""
    hashes = {}
    for option in ("path", "hub", "samples"):
        value = getattr(source, option)
        if value is None or (option == "hub" and not Path(value).exists()):
            continue  # a data set of the hub has a revision
        path = Path(value)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder (data.sources.*.{option})")
        files = [path]
        if path.is_dir():
            files = files_below(path)
        hashes[option] = hash_of([[str(file.relative_to(path)), file_hash(file)] for file in files])
    return hashes


def wants_samples(candidates: CandidatesConfig) -> bool:
    """Check whether a language model writes candidates."""
    return SAMPLED in candidates.sources
