"""What a loop read of a collection while it filled it, as windows over the loop's rows."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import evolving, fields, scalars, so_far, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.recurrences import Recurrence, own_tokens, window
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame, Let
from lester_duck.lift.values import Sym


def explain(m: Machine, frame: Frame, id_: int, found: Recurrence) -> None:
    """Say the placeholders of a collection as windows over the loop's rows."""
    asked = own_tokens(m, id_)
    text = evolving.key_text(m, found.key) if asked and evolving.is_key(found.key) else ""
    for token in asked:
        read = m.reads[token]
        if read.kind == "len" and token not in m.lets and found.kind == "members" and not found.value:
            _explain_length(m, frame, id_, token, found)
        if read.kind == so_far.KIND and token not in m.lets:
            so_far.explain(m, frame, token, found)
        if token in m.lets or read.late or evolving.key_text(m, read.key) != text:
            continue
        if read.kind in ("present", "in"):
            _let(m, token, "seen_before", "bool", _seen(m, frame, found))
        elif read.kind == "value":
            _explain_value(m, frame, token, read.leaf, found)


def _let(m: Machine, token: str, name: str, type_: str, forms: tuple[Tree, Tree, tuple[Tree, ...]]) -> None:
    general, filtered, over = forms
    m.lets[token] = Let(name, Sym(general, type_), over=over, filtered=filtered)


def _seen(m: Machine, frame: Frame, found: Recurrence) -> tuple[Tree, Tree, tuple[Tree, ...]]:
    before = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    filtered = sql("_1 > 1", window(m, frame, "row_number()", found.key))
    if not found.where:
        return filtered, filtered, ()
    marked = window(m, frame, "bool_or(_1)", found.key, before, sqlx.conjunction(found.where))
    return sql("coalesce(_1, FALSE)", marked), filtered, found.where


def _explain_value(m: Machine, frame: Frame, token: str, leaf: int, found: Recurrence) -> None:
    before = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    if found.kind == "sum":
        value = found.value
        one = isinstance(value.sql, exp.Literal) and value.sql.name == "1"
        if one and not found.where:
            tree = sql("_1 - 1", window(m, frame, "row_number()", found.key))
            _let(m, token, "count_before", "int", (tree, tree, ()))
            return
        amount = sqlx.case(sqlx.conjunction(found.where), value.sql, sqlx.literal(0))
        total = sql("coalesce(_1, 0)", window(m, frame, "sum(_1)", found.key, before, amount))
        tree = sql("CAST(_1 AS BIGINT)", total) if value.type == "int" else total
        _let(m, token, "total_before", value.type, (tree, tree, ()))
        return
    if found.kind == "fields":
        _explain_field(m, frame, token, found, found.fields[leaf])
        return
    if found.kind == "best":
        _explain_best(m, frame, token, leaf, found)
    if found.kind not in ("first", "last"):
        return
    value = scalars.scalar(evolving.leaves_of(found.value)[leaf])
    function = "lag(_1)" if found.kind == "last" else "first_value(_1)"
    filtered = window(m, frame, function, found.key, "", value.sql)
    general = filtered
    if found.where:
        if value.null:
            return
        kept = sqlx.case(sqlx.conjunction(found.where), value.sql, exp.null())
        name = "last_value(_1 IGNORE NULLS)" if found.kind == "last" else "first_value(_1 IGNORE NULLS)"
        general = window(m, frame, name, found.key, before, kept)
    name = f"{'previous' if found.kind == 'last' else 'first'}_{value.name or 'value'}"
    _let(m, token, name, value.type, (general, filtered, found.where))


def _explain_length(m: Machine, frame: Frame, id_: int, token: str, found: Recurrence) -> None:
    """How many elements earlier rows appended to a list that began empty: ``rows.append((len(rows) + 1, x))``."""
    content = m.state.heap.get(id_)
    before = content.before if isinstance(content, evolving.Evolving) else content
    if not isinstance(before, v.HList) or before.items:
        return
    filtered = sql("_1 - 1", window(m, frame, "row_number()", ()))
    general = filtered
    if found.where:
        rows = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
        amount = sqlx.case(sqlx.conjunction(found.where), sqlx.literal(1), sqlx.literal(0))
        general = sql("CAST(coalesce(_1, 0) AS BIGINT)", window(m, frame, "sum(_1)", (), rows, amount))
    _let(m, token, "count_before", "int", (general, filtered, found.where))


def _explain_best(m: Machine, frame: Frame, token: str, leaf: int, found: Recurrence) -> None:
    """The most, or least, that earlier rows of the key had."""
    value, by = scalars.scalar(evolving.leaves_of(found.value)[leaf]), found.by
    same = by is not None and value.type == by.type and sqlx.same(m.expand(value).sql, m.expand(by).sql)
    if not same or by.null or by.type == "number":
        return
    before = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    kept = sqlx.case(sqlx.conjunction(found.where), by.sql, exp.null()) if found.where else by.sql
    tree = window(m, frame, "max(_1)" if found.descending else "min(_1)", found.key, before, kept)
    name = f"{'most' if found.descending else 'least'}_{by.name or 'value'}_before"
    _let(m, token, name, by.type, (tree, tree, ()))


def _explain_field(m: Machine, frame: Frame, token: str, found: fields.Records, field: fields.Field) -> None:
    """A count or total of whole numbers per key, before the row."""
    value = field.value
    if field.kind != "sum" or value.type != "int" or field.begins is None:
        return
    before = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    amount = value.sql
    if found.where:
        amount = sqlx.case(sqlx.conjunction(found.where), amount, sqlx.literal(0))
    total = sql("CAST(coalesce(_1, 0) AS BIGINT)", window(m, frame, "sum(_1)", found.key, before, amount))
    begins = sqlx.bare(field.begins)
    tree = total if sqlx.same(begins, sqlx.literal(0)) else sql("_1 + _2", field.begins, total)
    _let(m, token, f"{value.name or 'total'}_before", "int", (tree, tree, ()))


def forget_circles(m: Machine) -> None:
    """Give up placeholders whose explanation needs themselves."""
    for token in [t for t in m.reads if t in m.lets]:
        seen: set[str] = set()
        queue = [token]
        while queue:
            for needed in _needs(m, queue.pop()) - seen:
                seen.add(needed)
                queue.append(needed)
        if token in seen:
            del m.lets[token]


def _needs(m: Machine, token: str) -> set[str]:
    let = m.lets.get(token)
    if let is None:
        return set()
    trees = [let.value.sql, *(let.over or ()), *([let.filtered] if let.filtered is not None else [])]
    return {t for tree in trees for t in sqlx.tables(tree) if t in m.lets}
