"""The pipeline's intermediate representation: frozen values, SQL as canonical text.

A pass reads a ``Pipeline`` and returns a new one. Identity is ``fingerprint(pipeline)``, a hash of
the content; nothing here holds a parsed tree, a connection or data.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Scalar = str | int | float | bool | None
Value = Scalar | tuple
"""A scalar, or a tuple of values (nested as deep as needed)."""
Params = tuple[tuple[str, Value], ...]

SourceFormat = Literal["csv", "text", "parquet", "jsonl", "table"]
SplitKind = Literal["all", "position", "hash", "predicate", "column", "shuffle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A named, typed column; ``type`` is a DuckDB type name."""

    name: str
    type: str = "VARCHAR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An external relation.

    ``text`` sources have the single column ``line`` (without its line end). ``csv`` columns are
    VARCHAR unless declared otherwise; an empty field is the empty text unless ``null`` lists it.
    ``quoting`` false means that a line is split at every delimiter, as ``str.split`` does.
    ``strip`` removes Python white space from each line before it is split: ``both`` (str.strip),
    ``right`` (str.rstrip) or ``none`` (only the line end goes).
    ``skip`` lines at the top are left out (a header counts as one of them only when ``header``).
    ``empty`` says what becomes of a file that ends before its first line (that is not blank, or
    that ``skip`` leaves out): it has no rows, or it is refused.
    ``malformed`` rows (wrong number of fields, a cast that fails) are refused, or put aside into
    the table ``source.<name>__malformed``. ``blank_lines`` of a quoted ``csv`` are passed over, or
    malformed.
    """

    name: str
    format: SourceFormat
    path: str | None = None
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    header: bool = True
    delimiter: str = ","
    quoting: bool = True
    strip: Literal["none", "both", "right"] = "none"
    skip: int = 0
    null: tuple[str, ...] = ()
    encoding: str = "utf-8"
    empty: Literal["accept", "refuse"] = "accept"
    malformed: Literal["refuse", "set_aside"] = "refuse"
    blank_lines: Literal["skip", "malformed"] = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One SELECT over sources and other views.

    ``sql`` is the text of ``views/<name>.sql`` without the leading comment, which is ``comment``.
    """

    name: str
    sql: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A declared Python function, defined in ``functions.py`` under the same name.

    A row-level function is called with a row's arguments. A ``fold`` is a sequential step: it is
    called with (state, arguments of the row) and returns (state, value); the state of a partition's
    first row is None. In SQL it is a window function: ``f(x) OVER (PARTITION BY k ORDER BY t._pos)``.

    ``batch`` functions receive one list per argument and return a list, or an array of shape
    (rows, width), for a list return type such as ``FLOAT[768]``.
    """

    name: str
    arguments: tuple[Column, ...]
    returns: str
    pure: bool = True
    batch: bool = False
    fold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One encoding step of a featurizer: its kind and scikit-learn-like parameters."""

    kind: str
    params: Params = ()

    def get(self, name: str, default: Value = None) -> Value:
        """The value of a parameter, or ``default`` when it was not given."""
        return dict(self.params).get(name, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Featurizer:
    """A declared encoding of columns of the feature view into adjacent columns of the matrix.

    ``steps`` are applied in turn (impute, then scale). ``fit`` says which rows fit the state.
    """

    name: str
    columns: tuple[str, ...]
    steps: tuple[Step, ...]
    fit: Literal["train", "all"] = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The matrix: the view its rows are, its dtype, and its featurizers from left to right."""

    view: str
    featurizers: tuple[Featurizer, ...]
    dtype: Literal["float64", "float32"] = "float64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The label: a column of the feature view."""

    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How rows of the feature view are divided into ``train`` and ``test``.

    - ``all``: every row is train.
    - ``position``: the first ``rows`` rows in view order are train; ``rows`` is a SQL expression
      over ``n``, the number of rows (``trunc(n * 0.8)``, ``n * 7 // 10``).
    - ``hash``: md5 of the ``key`` columns, below ``train`` (a share) is train.
    - ``predicate``: ``train`` and optionally ``test`` are SQL predicates over the view's columns;
      without ``test``, every other row is test; with it, a row may be in neither part.
    - ``column``: ``column`` holds 'train', 'test' or NULL.
    - ``shuffle``: scikit-learn's ``train_test_split`` with ``test_size`` (or ``train_size``),
      ``random_state`` and ``stratify`` (a column name), frozen at the first run; later rows go by
      hash of their row identity.
    """

    kind: SplitKind = "all"
    params: Params = ()

    def get(self, name: str, default: Value = None) -> Value:
        """The value of a parameter, or ``default`` when it was not given."""
        return dict(self.params).get(name, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A scikit-learn estimator by its full class name, and its constructor's parameters."""

    estimator: str
    params: Params = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file the original writes, as a rendering of a view.

    Each row of ``view``, in view order, becomes one line: the values of ``columns`` as Python's
    ``str`` would print them (``None`` as the text of ``none``), joined by ``delimiter``, quoted as
    ``csv.writer`` does when ``quoting``. ``header`` holds the first line's fields, if there is one.
    """

    path: str
    view: str
    columns: tuple[str, ...]
    header: tuple[str, ...] | None = None
    delimiter: str = ","
    quoting: bool = False
    line_end: str = "\n"
    none: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A variable of the original that a view reproduces, read after line ``line`` has ended.

    ``columns`` pairs a path into one element with a view column. The elements of a list are its
    items in order (path ``item``, ``item.bank``, ``item[0]``); those of a dict are its entries in
    insertion order (paths ``key``, ``key[0]``, ``value``, ``value.bank``, ``value[1]``); those of
    a set are unordered (path ``item``, with ``ordered`` false); a pandas frame has the paths
    ``item.<column>``; a scalar is one row with path ``item``.
    """

    variable: str
    line: int
    view: str
    columns: tuple[tuple[str, str], ...]
    ordered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a rewritten pipeline came from, and what of the original it claims to reproduce."""

    script: str
    sha256: str
    engine: str
    outputs: tuple[Output, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    fit: str | None = None
    """Class name of the estimator whose ``fit`` receives the matrix and the label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A data check: an SQL query over sources and views that must return no row."""

    name: str
    sql: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What the checks of `lester-duck check STORE` look at, and where they say no.

    ``checks`` are the names of those to run; without it all are. ``groups`` are source columns
    ('customers.country') by whose values rows are told apart: fairness and the change of a group's
    share are computed for each, whether or not a view keeps the column. ``positive`` is the label, as
    text, that one would wish for (without it 1 or true, where labels are of that kind); ``part`` the
    part of the split predictions are judged on. ``illegal`` are columns no feature may be made from
    ('customers.country', or 'country' for any source). ``allowed`` are source columns that may be
    behind both the label and a feature. ``sources`` are those whose rows must not be behind both train
    and test; without it those whose rows the feature view's rows are. ``thresholds`` are given in
    ``[review.thresholds]``, one number per check.
    """

    checks: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    positive: str | None = None
    part: Literal["train", "test"] = "test"
    illegal: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    thresholds: Params = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Everything lester-duck needs to run, maintain and explain a preparation."""

    name: str
    sources: tuple[Source, ...]
    views: tuple[View, ...] = ()
    functions: tuple[Function, ...] = ()
    code: str = ""
    """The text of ``functions.py``."""
    features: Features | None = None
    label: Label | None = None
    split: Split = field(default_factory=Split)
    model: Model | None = None
    checks: tuple[Check, ...] = ()
    review: Review | None = None
    origin: Origin | None = None


def fingerprint(value: object) -> str:
    """A hash (sha256, hex) of a dataclass value's content.

    >>> fingerprint(Label(column="y")) == fingerprint(Label(column="y"))
    True
    """
    content = json.dumps({"type": type(value).__name__, "value": asdict(value)}, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()
