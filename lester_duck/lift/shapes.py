"""Elements of collections as named columns of a relation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import files, numbered, scalars
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Relation, free_name
from lester_duck.lift.values import Refused, Sym, Value


def columns_of(m: Machine, element: Value, hint: str) -> tuple[list[tuple[str, Sym]], Callable[[Relation], Value]]:
    """An element as named columns, and how to see it again over the relation that holds them."""
    outputs: list[tuple[str, Sym]] = []

    def column(sym: Sym, wanted: str) -> tuple[str, Sym]:
        name = free_name(identifier(wanted), {n for n, _ in outputs})
        outputs.append((name, sym))
        return name, sym

    def walk(value: Value, wanted: str) -> Callable[[Relation], Value]:
        if isinstance(value, Sym):
            if any(c.name == "@position" for c in value.sql.find_all(exp.Column)):
                value = replace(value, sql=numbered.place(m, value.sql), position=None)
            name, sym = column(scalars.whole(value), wanted)
            return lambda rel: rel.column(name, sym)
        if isinstance(value, v.Rec):
            inner = [(k, walk(x, str(k) if isinstance(k, str) else f"{wanted}_{k}")) for k, x in value.items]
            return lambda rel: v.Rec(tuple((k, f(rel)) for k, f in inner), value.default)
        if isinstance(value, tuple | v.Seq):
            items = value if isinstance(value, tuple) else value.items
            parts = [walk(x, leaf_name(x) or f"{wanted}_{i + 1}") for i, x in enumerate(items)]
            as_tuple = isinstance(value, tuple)
            return lambda rel: tuple(f(rel) for f in parts) if as_tuple else v.Seq(tuple(f(rel) for f in parts))
        if isinstance(value, v.Choice):
            then, otherwise = walk(value.then, wanted), walk(value.otherwise, f"other_{wanted}")
            flag, sym = column(Sym(value.condition, "bool"), f"has_{wanted}")
            return lambda rel: v.Choice(rel.column(flag, sym).sql, then(rel), otherwise(rel))
        if isinstance(value, v.Fields):
            return walk(v.Seq(tuple(files.all_fields(m, value))), wanted)
        if isinstance(value, v.Pieces):
            name, sym = column(Sym(value.text, "str"), wanted)
            return lambda rel: replace(value, text=rel.column(name, sym).sql)
        if isinstance(value, v.Block):
            name, sym = column(value.text, value.text.name or wanted)
            return lambda rel: replace(value, text=rel.column(name, sym))
        if v.is_const(value) or value is v.MISSING:
            return lambda rel: value
        raise Refused(f"a collection of {scalars.kind_name(value)} values")

    shape = walk(element, hint)
    return outputs, shape


def leaf_name(value: Value) -> str | None:
    """What a scalar is called, if anything."""
    return value.name if isinstance(value, Sym) else None


def identifier(name: str) -> str:
    """A usable column name.

    >>> identifier("raw date"), identifier("_x")
    ('raw_date', 'x')
    """
    cleaned = "".join(c if c.isalnum() else "_" for c in name).strip("_")
    return cleaned if cleaned[:1].isalpha() else f"c_{cleaned}"
