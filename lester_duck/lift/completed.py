"""A field that keeps its first true value: ``old.born = old.born or new.born``, row after row of a key."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import sqlx
from lester_duck.lift.relations import Aggregate, GroupRel, free_name
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Sym

KIND = "first_true"


def says(later: Tree, first: Tree, own: set[str], every: set[str]) -> bool:
    """Whether ``later`` keeps the field where it is true, and else is what the first row of a key makes of it."""
    later = sqlx.bare(later)
    if not isinstance(later, exp.Case) or later.this or later.args.get("default") is None:
        return False
    head, *tail = later.args["ifs"]
    kept = sqlx.bare(head.args["true"])
    if not _is_own(kept, own) or not _is_truth(sqlx.bare(head.this), own):
        return False
    default = later.args["default"]
    rest = exp.Case(ifs=[w.copy() for w in tail], default=default.copy()) if tail else sqlx.bare(default)
    return sqlx.same(rest, sqlx.bare(first)) and not sqlx.tables(rest) & every


def _is_own(tree: Tree, own: set[str]) -> bool:
    return isinstance(tree, exp.Column) and tree.table in own


def _is_truth(test: Tree, own: set[str]) -> bool:
    """``x <> 0``, ``x <> ''``, and the same where a missing value is false."""
    if isinstance(test, exp.Coalesce):
        test = sqlx.bare(test.this)
    if not isinstance(test, exp.NEQ) or not _is_own(sqlx.bare(test.this), own):
        return False
    other = sqlx.bare(test.expression)
    return isinstance(other, exp.Literal) and (other.name == "" if other.is_string else float(other.name) == 0)


def leaf(rel: GroupRel, value: Sym, wanted: str) -> Sym:
    """The first true value of a key's rows; the last one where none is true."""
    nothing = "''" if value.type == "str" else "0"
    true = Sym(sql(f"CASE WHEN _1 <> {nothing} THEN _1 END", value.sql), value.type, True, name=value.name)
    name = free_name(wanted, set(rel.columns()))
    rel.aggregates.append(Aggregate(name, "first_known", true, value.type, True))
    found = rel.column(name, true)
    if not value.null:
        return Sym(sql(f"coalesce(_1, {nothing})", found.sql), value.type, name=name)
    last = free_name(f"last_{wanted}", set(rel.columns()))
    rel.aggregates.append(Aggregate(last, "last", value, value.type, True))
    both = sql("coalesce(_1, _2)", found.sql, rel.column(last, value).sql)
    return Sym(both, value.type, True, name=name)
