"""``lester-duck lineage``: the questions of schema ``lester`` without writing SQL."""

from __future__ import annotations

import click

from lester_duck.cli.command import Command, json_option, store_argument, wait_option
from lester_duck.cli.output import statement
from lester_duck.cli.query import answer, show
from lester_duck.errors import UsageError, one_of

QUESTIONS = {
    "columns": ((), "FROM lester.column_lineage"),
    "features": ((), "FROM lester.feature_lineage"),
    "predictions": ((), "FROM lester.predictions"),
    "usage": (("SOURCE",), "FROM lester.usage($1) ORDER BY _rid"),
    "backward": (("RELATION", "RID"), "FROM lester.backward($1, $2)"),
    "forward": (("SOURCE", "RID"), "FROM lester.forward($1, $2)"),
}
"""Question -> its arguments and its statement."""

_CHECKS = {"SOURCE": "check_source", "RELATION": "check_relation"}


@click.command(
    cls=Command,
    examples=(
        "lester-duck lineage creditcard.duckdb features",
        "lester-duck lineage creditcard.duckdb usage mails",
        "lester-duck lineage creditcard.duckdb backward mails_joined 17",
        "lester-duck lineage creditcard.duckdb forward mails 4711 --json",
    ),
)
@store_argument
@click.argument("question", metavar="[columns|features|predictions|usage|backward|forward]")
@click.argument("arguments", nargs=-1, metavar="[SOURCE | RELATION RID | SOURCE RID]")
@click.option("--csv", "as_csv", is_flag=True, help="Print every row as CSV.")
@wait_option
@click.option("--sql", "show_sql", is_flag=True, help="Show on stderr the statement that is asked.")
@json_option
def lineage(
    store: str, question: str, arguments: tuple[str, ...], as_csv: bool, wait: float, show_sql: bool, as_json: bool
) -> None:
    """Ask a STORE where something came from, or where it went.

    \b
    columns              every column of a view and the source columns behind it
    features             every matrix column, its featurizer, category or term, and source columns
    predictions          each prediction with its row
    usage SOURCE         which rows of a source reached train, test, or nothing
    backward RELATION RID   the source rows behind one row of a view
    forward SOURCE RID   everything derived from one source row
    """
    from lester_duck import api
    from lester_duck import lineage as names

    query = sql_for(question, arguments)
    if show_sql:
        statement(query)
    with api.open(store, wait=wait, read_only=True) as opened:
        for name, value in zip(QUESTIONS[question][0], arguments, strict=True):
            if name in _CHECKS:
                getattr(names, _CHECKS[name])(opened.db, value)
        result = answer(opened, query)
    show(result, as_csv=as_csv, as_json=as_json)


def sql_for(question: str, arguments: tuple[str, ...]) -> str:
    """The statement of a question.

    >>> sql_for("backward", ("mails_joined", "17"))
    "FROM lester.backward('mails_joined', 17)"
    """
    if question not in QUESTIONS:
        raise UsageError(one_of("question", question, QUESTIONS))
    names, query = QUESTIONS[question]
    if len(names) != len(arguments):
        wanted = " ".join(names) or "no argument"
        raise UsageError(f"{question} takes {wanted}, not {len(arguments)} argument(s)")
    for place, (name, value) in enumerate(zip(names, arguments, strict=True), start=1):
        query = query.replace(f"${place}", _literal(name, value))
    return query


def _literal(name: str, value: str) -> str:
    if name != "RID":
        return "'" + value.replace("'", "''") + "'"
    if not value.lstrip("-").isdigit():
        raise UsageError(f"RID must be a whole number, not {value!r}", hint="row ids are in the column _rid")
    return value
