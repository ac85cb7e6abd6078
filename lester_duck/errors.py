"""The one tree of errors and the exit code each kind carries.

Kinds stay apart (input, disagreement, unsupported, internal) so that a caller can tell "your data
is at fault" from "we cannot do this" from "the comparison said no". The command line converts an
error to text and an exit code once, in ``lester_duck.cli.main``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LesterError(Exception):
    """An error a user can act upon.

    ``message`` says what was found, ``where`` names file and line (``views/prepared.sql:4``),
    ``hint`` what to do instead, ``sql`` the statement concerned, if any.
    """

    exit_code = 5
    kind = "internal"

    def __init__(
        self, message: str, *, hint: str | None = None, where: str | None = None, sql: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.sql = sql

    def __str__(self) -> str:
        """One line: where, what, and what to do.

        >>> str(InputError("no column 'nmae'", where="views/a.sql:3", hint="did you mean 'name'?"))
        "views/a.sql:3: no column 'nmae'; did you mean 'name'?"
        """
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; {self.hint}" if self.hint else text

    def as_dict(self) -> dict[str, str | int | None]:
        """The same facts for ``--json``."""
        return {
            "kind": self.kind,
            "exit_code": self.exit_code,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
            "sql": self.sql,
        }


class InputError(LesterError):
    """The data, the pipeline's text or a path given by the user is at fault."""

    exit_code = 1
    kind = "input"


class CheckFailed(InputError):
    """A data check found a row."""


class NothingToLearn(InputError):
    """The rows a featurizer is fitted on hold no value of a column."""


class UsageError(LesterError):
    """The command or call itself is malformed."""

    exit_code = 2
    kind = "usage"


class Disagreement(LesterError):
    """A comparison or a check said no."""

    exit_code = 3
    kind = "disagreement"


class Unsupported(LesterError):
    """Well-formed, understood, and not something this version can do."""

    exit_code = 4
    kind = "unsupported"


class InternalError(LesterError):
    """A broken invariant of ours: always a bug."""

    exit_code = 5
    kind = "internal"


def one_of(what: str, found: str, exist: Iterable[str]) -> str:
    """Say that ``found`` is no known ``what``, what exists, and the nearest name.

    >>> one_of("column", "nmae", ["name", "age"])
    "no column 'nmae'; there are: name, age (did you mean 'name'?)"
    """
    names = list(exist)
    listed = ", ".join(names) if names else "none"
    near = difflib.get_close_matches(found, names, n=1)
    guess = f" (did you mean '{near[0]}'?)" if near else ""
    return f"no {what} '{found}'; there are: {listed}{guess}"
