"""Running the checks of ``sql/checks`` over a store, as ``[review]`` of its pipeline asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lester_duck import assets
from lester_duck.db import Database
from lester_duck.errors import Disagreement, InputError, one_of
from lester_duck.pipeline.model import Pipeline, Review

Verdict = Literal["passed", "failed", "not applicable"]
Subject = Literal["nothing", "group", "source"]

WHERE = "pipeline.toml [review]"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: when it says no, what it is asked of, the settings of ``[review]`` it is given, its threshold."""

    says_no: str
    subject: Subject = "nothing"
    settings: tuple[str, ...] = ()
    threshold: float | None = None


CHECKS: dict[str, Check] = {
    "demographic_parity": Check(
        "selection rates of two groups differ by more", "group", ("positive", "part"), 0.1),
    "equal_opportunity": Check(
        "true positive rates (and so false negative rates) of two groups differ by more", "group",
        ("positive", "part"), 0.1),
    "equalized_odds": Check(
        "true or false positive rates of two groups differ by more", "group", ("positive", "part"), 0.1),
    "group_change": Check(
        "a view leaves a group a share smaller, relative to the share before, by more", "group", (), 0.3),
    "train_test_overlap": Check("more rows of a source are behind both train and test", "source", (), 0),
    "label_leakage": Check("a feature is made from a source column of the label", settings=("allowed",)),
    "encoder_leakage": Check("a featurizer learns from rows of the part test"),
    "constant_features": Check("a column of the matrix holds one value in all rows of the part train"),
    "unnormalized_features": Check(
        "an unscaled dense number has a larger absolute value, and is not of mean 0 and deviation 1", threshold=1),
    "label_shift": Check(
        "the labels of train and test differ by a larger population stability index (more than 100 values: "
        "Kolmogorov-Smirnov statistic), beyond chance", threshold=0.2),
    "covariate_shift": Check(
        "a column features are made from differs between train and test by a larger Kolmogorov-Smirnov statistic "
        "(texts: population stability index), beyond chance", threshold=0.2),
    "illegal_features": Check("a feature is made from a column of `illegal`", settings=("illegal",)),
}  # fmt: skip
"""Every check by its name in ``pipeline.toml``; the macro is ``lester.check_<name>``."""

_PARAMETER = {"part": "part_name"}
_MISSING = {
    "group": "no column of a source is named in groups",
    "source": "the pipeline declares no features",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row a check answered; ``verdict`` is passed, failed or not applicable."""

    check: str
    subject: str | None
    metric: str | None
    value: float | None
    threshold: float | None
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What all checks answered."""

    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings of checks that say no."""
        return tuple(f for f in self.findings if f.verdict == "failed")

    def count(self, verdict: Verdict) -> int:
        """How many findings have a verdict."""
        return sum(f.verdict == verdict for f in self.findings)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The findings as plain rows."""
        return [asdict(f) for f in self.findings]

    def raise_if_failed(self) -> None:
        """Raise Disagreement when a check says no."""
        if self.failed:
            names = ", ".join(dict.fromkeys(f.check for f in self.failed))
            many = len(self.failed) > 1
            raise Disagreement(f"{len(self.failed)} finding{'s fail' if many else ' fails'}: {names}")


def install(db: Database) -> None:
    """(Re)create the macros of all checks."""
    for path in sorted(assets.folder("sql/checks").glob("*.sql")):
        db.execute(assets.text(f"sql/checks/{path.name}"))


def validate(pipeline: Pipeline) -> None:
    """Raise InputError for a check, threshold, source or column that ``[review]`` names and that does not exist."""
    review = pipeline.review
    if review is None:
        return
    for name in (*review.checks, *(name for name, _ in review.thresholds)):
        if name not in CHECKS:
            raise InputError(one_of("check", name, CHECKS), where=WHERE)
    for name, value in review.thresholds:
        if CHECKS[name].threshold is None:
            raise InputError(f"the check {name} has no threshold", where=WHERE)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InputError(f"the threshold of {name} is {value!r}", where=WHERE, hint="give a number")
    for name in review.sources:
        _source(pipeline, name)
    for name in (*review.groups, *review.allowed, *(n for n in review.illegal if "." in n)):
        _column(pipeline, name)


def _source(pipeline: Pipeline, name: str) -> Any:
    found = [s for s in pipeline.sources if s.name.lower() == name.lower()]
    if not found:
        raise InputError(one_of("source", name, [s.name for s in pipeline.sources]), where=WHERE)
    return found[0]


def _column(pipeline: Pipeline, name: str) -> tuple[str, str]:
    """Source and column of 'source.column', in their declared case."""
    source_name, dot, column = name.partition(".")
    if not dot:
        raise InputError(f"'{name}' names no column of a source", where=WHERE, hint="write 'source.column'")
    source = _source(pipeline, source_name)
    names = {c.name.lower(): c.name for c in source.columns}
    if column.lower() not in names:
        raise InputError(one_of(f"column of {source.name}", column, names.values()), where=WHERE)
    return source.name, names[column.lower()]


def run(db: Database, pipeline: Pipeline, only: Sequence[str] = ()) -> Reviewed:
    """Ask every check that ``[review]`` wants (``only``: these instead).

    Raises InputError for an unknown check.
    """
    validate(pipeline)
    for name in only:
        if name not in CHECKS:
            raise InputError(one_of("check", name, CHECKS))
    if not db.value("SELECT count(*) FROM duckdb_tables() WHERE schema_name = '_lester' AND table_name = 'target'"):
        raise InputError("the store was made before there were checks", hint="run the pipeline into it again")
    review = pipeline.review or Review()
    wanted = only or review.checks or tuple(CHECKS)
    return Reviewed(tuple(f for name in CHECKS if name in wanted for f in _ask(db, pipeline, review, name)))


def _ask(db: Database, pipeline: Pipeline, review: Review, name: str) -> Iterator[Finding]:
    check = CHECKS[name]
    subjects = list(_subjects(db, pipeline, review, check))
    if not subjects:
        yield Finding(
            check=name, subject=None, metric=None, value=None, threshold=None, verdict="not applicable",
            detail=_MISSING[check.subject],
        )  # fmt: skip
    thresholds = dict(review.thresholds)
    named: dict[str, Any] = {_PARAMETER.get(s, s): _given(review, s) for s in check.settings}
    if check.threshold is not None:
        named["threshold"] = thresholds.get(name, check.threshold)
    for subject in subjects:
        for row in db.rows(*question(name, subject, named)):
            yield Finding(check=name, **dict(zip(_FIELDS, row, strict=True)))


_FIELDS = ("subject", "metric", "value", "threshold", "verdict", "detail")


def question(name: str, subject: Sequence[str], named: dict[str, Any]) -> tuple[str, list[Any]]:
    """The statement of a check with its parameters.

    >>> question("group_change", ["customers", "country"], {"threshold": 0.3})
    ('FROM lester.check_group_change(?, ?, threshold := ?)', ['customers', 'country', 0.3])
    """
    marks = ["?" for _ in subject] + [f"{parameter} := ?" for parameter in named]
    return f"FROM lester.check_{name}({', '.join(marks)})", [*subject, *named.values()]


def _given(review: Review, setting: str) -> Any:
    value = getattr(review, setting)
    return list(value) if isinstance(value, tuple) else value


def _subjects(db: Database, pipeline: Pipeline, review: Review, check: Check) -> Iterator[tuple[str, ...]]:
    if check.subject == "nothing":
        yield ()
    elif check.subject == "group":
        yield from (_column(pipeline, name) for name in review.groups)
    elif review.sources:
        yield from ((_source(pipeline, name).name,) for name in review.sources)
    else:
        yield from db.rows("SELECT source FROM _lester.leading ORDER BY source")
