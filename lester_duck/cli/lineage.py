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
    "trained-on": (("SOURCE",), "FROM lester.trained_on($1) ORDER BY _rid"),
    "backward-column": (("RELATION", "COLUMN"), "FROM lester.backward_column($1, $2)"),
    "forward-column": (("SOURCE", "COLUMN"), "FROM lester.forward_column($1, $2)"),
    "backward-feature": (("RID", "FEATURE"), "FROM lester.backward_feature($1, $2)"),
    "forward-feature": (("SOURCE", "RID", "COLUMN"), "FROM lester.forward_feature($1, $2, $3)"),
    "backward-prediction": (("RID",), "FROM lester.backward_prediction($1)"),
    "forward-prediction": (("SOURCE", "RID"), "FROM lester.forward_prediction($1, $2)"),
    "why-not": (("SOURCE", "RID", "RELATION"), "FROM lester.why_not($1, $2, $3)"),
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
        "lester-duck lineage creditcard.duckdb backward-feature 17 country=DE",
        "lester-duck lineage creditcard.duckdb why-not mails 4711 prepared",
    ),
)
@store_argument
@click.argument("question", metavar="QUESTION")
@click.argument("arguments", nargs=-1, metavar="[ARGUMENT]...")
@click.option("--csv", "as_csv", is_flag=True, help="Print every row as CSV.")
@wait_option
@click.option("--sql", "show_sql", is_flag=True, help="Show on stderr the statement that is asked.")
@json_option
def lineage(
    store: str, question: str, arguments: tuple[str, ...], as_csv: bool, wait: float, show_sql: bool, as_json: bool
) -> None:
    """Ask a STORE where something came from, or where it went.

    \b
    columns                            every column of a view and the source columns behind it
    features                           every matrix column, its featurizer, category or term, source columns
    predictions                        each prediction with its row
    usage SOURCE                       which rows of a source reached train, test, or nothing
    trained-on SOURCE                  for each row of a source, whether the model was trained on it
    backward RELATION RID              the source rows behind one row of a view
    forward SOURCE RID                 the rows of views made from one source row
    backward-column RELATION COLUMN    the source columns behind one column of a view
    forward-column SOURCE COLUMN       the columns of views that depend on one source column
    backward-feature RID FEATURE       the source cells behind one cell of the matrix
    forward-feature SOURCE RID COLUMN  the cells of the matrix made from one source cell
    backward-prediction RID            the source rows behind one prediction
    forward-prediction SOURCE RID      the predictions made from one source row
    why-not SOURCE RID RELATION        where a source row was lost on its way to a view, and by what
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
