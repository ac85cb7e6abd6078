"""Text of a view -> a sqlglot tree we are sure DuckDB reads the same way, or a named refusal."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

from lester_duck.algebra.flatten import is_aggregate
from lester_duck.errors import InputError, Unsupported
from lester_duck.names import POS, RID

_VOLATILE = {
    "random", "rand", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "now", "current_timestamp", "current_date",
    "current_time", "today", "get_current_timestamp", "get_current_time", "transaction_timestamp", "nextval", "currval",
    "setseed", "localtimestamp", "localtime", "getenv", "txid_current", "setval", "sleep_ms", "write_log", "stats",
    "vector_type", "current_query", "current_query_id", "current_connection_id", "current_transaction_id",
    "current_setting", "current_user", "current_role", "session_user", "user", "current_schema", "current_schemas",
    "current_catalog", "current_database", "in_search_path", "version", "current_version", "current_localtimestamp",
    "current_localtime",
}  # fmt: skip
_READERS = re.compile(
    r"(read_|parquet_|sqlite_|postgres_|mysql_|json_execute|query$|query_table$|glob$|duckdb_|pragma_|getvariable|seq_scan)"
)
_SAMPLING = {"reservoir_quantile", "approx_quantile", "approx_top_k"}
_MANY_ROWS = {"generate_subscripts", "regexp_split_to_table", "json_each", "json_tree"}
_TABLE_FUNCTIONS = {"unnest", "range", "generate_series", "generate_subscripts"}


def parse_view(sql: str, where: str, first_line: int = 1) -> exp.Expression:
    """Parse one SELECT (or UNION ALL of SELECTs); ``first_line`` is where the SQL starts in its file.

    Raises InputError when it is no single SELECT, Unsupported for constructs that DuckDB and the
    parser read differently, that reach outside the store, or that change from run to run.
    """
    try:
        trees = [t for t in sqlglot.parse(sql, dialect="duckdb") if t is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {"line": 1, "description": str(error)}
        raise InputError(
            f"not valid SQL: {first['description']}", where=f"{where}:{first['line'] + first_line - 1}", sql=sql
        ) from None
    trees = [_as_select(t) for t in trees]
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        what = trees[0].key.upper() if len(trees) == 1 else f"{len(trees)} statements"
        raise InputError(
            f"a view must be one SELECT, found {what}",
            where=f"{where}:{first_line}",
            hint="write SELECT ... FROM ...",
            sql=sql,
        )
    tree = trees[0]
    _refuse(tree, where)
    _unquote_pseudo_columns(tree)
    return tree


def _as_select(tree: exp.Expression) -> exp.Expression:
    """A PIVOT or UNPIVOT statement as ``FROM (PIVOT ...)``."""
    if not isinstance(tree, exp.Pivot):
        return tree
    with_ = tree.args.get("with_")
    tree.set("with_", None)
    select = exp.select("*").from_(exp.Subquery(this=tree))
    select.set("with_", with_)
    return select


def _unquote_pseudo_columns(tree: exp.Expression) -> None:
    """``"_pos"`` means what ``_pos`` means; quotes mark a key that is resolved (``qualify``)."""
    for node in tree.find_all(exp.Column):
        if node.name.lower() in (POS, RID):
            node.this.set("quoted", False)


def _refuse(tree: exp.Expression, where: str) -> None:
    for node in tree.walk():
        rule = _RULES.get(type(node))
        reason = rule(node) if rule else None
        if reason:
            raise Unsupported(reason, where=where, hint="see docs/unsupported.md", sql=tree.sql("duckdb"))
        if isinstance(node, exp.Func):
            _refuse_function(node, where)


def _misplaced(node: exp.Func) -> bool:
    """Whether ``unnest`` stands where it makes no rows: only a select list and FROM unnest."""
    clause = node
    while clause.parent is not None and not isinstance(clause.parent, exp.Query | exp.From | exp.Join):
        if is_aggregate(clause.parent) or isinstance(clause.parent, exp.Window | exp.Explode):
            return True
        clause = clause.parent
    return isinstance(clause.parent, exp.Select) and clause.arg_key not in ("expressions", "group", "order")


def _refuse_function(node: exp.Func, where: str) -> None:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
    several = isinstance(node, exp.Explode | exp.Unnest) and (_misplaced(node) or len(node.expressions) > 1)
    several = several or (isinstance(node, exp.Explode) and bool(node.expressions))
    if several or (name in _MANY_ROWS and node.find_ancestor(exp.From, exp.Join) is None):
        raise Unsupported(
            f"{'unnest' if name not in _MANY_ROWS else name}() makes several rows of one",
            where=where,
            hint="unnest a list as a column, or in FROM: unnest(items) AS item",
        )
    if name in _VOLATILE:
        raise Unsupported(
            f"{name}() changes from run to run",
            where=where,
            hint="declare a function with pure = false, or put the value into a source",
        )
    if name == "age" and len(node.expressions) == 1:
        raise Unsupported("age() of one date changes from day to day", where=where, hint="write age(day, date)")
    if name in _SAMPLING:
        raise Unsupported(
            f"{name}() depends on the order in which threads meet rows",
            where=where,
            hint="use an exact one: quantile_cont",
        )
    if _READERS.match(name):
        raise Unsupported(
            f"{name}() reaches outside the store", where=where, hint="declare a [[source]] in pipeline.toml"
        )


def _join(node: exp.Join) -> str | None:
    if node.args.get("pivots"):
        return "PIVOT of a join is not supported: give the join a CTE"
    method = None if node.args.get("method") == "NATURAL" else node.args.get("method")
    if (method and method != "ASOF") or (method and node.side in ("RIGHT", "FULL")):
        kind = " ".join(k for k in (method, node.side) if k)
        return f"{kind} JOIN is not supported: write it as a LEFT JOIN (and UNION ALL)"
    if (method or node.side in ("RIGHT", "FULL")) and node.kind in ("SEMI", "ANTI"):
        return f"{method or node.side} {node.kind} JOIN is not supported"
    return None


def _pivot(node: exp.Pivot) -> str | None:
    alias = node.args.get("alias")
    if not node.expressions:
        return "PIVOT without ON is not supported: write GROUP BY"
    return "an alias with a column list is not supported: give aliases inside" if alias and alias.columns else None


def _columns(node: exp.Columns) -> str | None:
    held: exp.Expression = node
    while held.parent is not None and not isinstance(held.parent, exp.Select | exp.Pivot | exp.Query):
        held = held.parent
    if isinstance(held.parent, exp.Pivot) or (isinstance(held.parent, exp.Select) and held.arg_key == "expressions"):
        return None
    return "COLUMNS(...) outside of the select list is not supported: name the columns"


def _with(node: exp.With) -> str | None:
    return "WITH RECURSIVE is not supported" if node.args.get("recursive") else None


def _select(node: exp.Select) -> str | None:
    if node.args.get("into"):
        return "SELECT INTO is not supported: the view's name is its file's name"
    return "FOR UPDATE and FOR SHARE are not supported" if node.args.get("locks") else None


def _within_group(node: exp.WithinGroup) -> str | None:
    return "mode() WITHIN GROUP is not supported: write mode(x)" if isinstance(node.this, exp.Mode) else None


def _table(node: exp.Table) -> str | None:
    if node.args.get("when") or node.args.get("version"):
        return "AT (VERSION ...) is not supported: a view reads the present state"
    if node.alias.upper() == "NEAREST":
        return "NEAREST JOIN is not supported: use a window (QUALIFY row_number() OVER ...)"
    if (
        isinstance(node.this, exp.Func)
        and node.this.sql_name().lower() not in _TABLE_FUNCTIONS
        and not isinstance(node.this, exp.Unnest | exp.GenerateSeries | exp.ExplodingGenerateSeries)
    ):
        return f"the table function {node.this.sql('duckdb')} is not supported"
    if node.args.get("db") or node.args.get("catalog"):
        return f"a view names relations without a schema, found {node.sql('duckdb')}"
    if len(node.args.get("pivots") or []) > 1:
        return "several PIVOT in a row are not supported: give one a CTE"
    return "TABLESAMPLE is not supported: it changes from run to run" if node.args.get("sample") else None


def _limit(node: exp.Limit | exp.Fetch | exp.Offset) -> str | None:
    """LIMIT, FETCH FIRST and OFFSET of a whole number of rows are understood."""
    name = "OFFSET" if isinstance(node, exp.Offset) else "LIMIT"
    if not isinstance(node.parent, exp.Query):
        return f"{name} inside a function is not supported"
    options = node.args.get("limit_options")
    number = node.args.get("count") if isinstance(node, exp.Fetch) else node.expression
    if (options and (options.args.get("percent") or options.args.get("with_ties"))) or not _is_whole(number):
        return f"{name} of anything but a whole number of rows is not supported"
    return None


def _is_whole(node: exp.Expression | None) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()


_RULES = {
    exp.Join: _join,
    exp.Select: _select,
    exp.Table: _table,
    exp.With: _with,
    exp.WithinGroup: _within_group,
    exp.PositionalColumn: lambda node: "positional columns (#1) are not supported: name the columns",
    exp.TableSample: lambda node: "TABLESAMPLE is not supported: it changes from run to run",
    exp.Pivot: _pivot,
    exp.Columns: _columns,
    exp.Limit: _limit,
    exp.Fetch: _limit,
    exp.Offset: _limit,
}
