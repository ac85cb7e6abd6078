"""Looking up: constant tables as CASE, dicts and sets of rows as joins on a key found at most once."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import classes, containers, files, folds, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.relations import GroupRel, Join, Query, Relation, free_name, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def table(m: Machine, key: Sym, entries: list[tuple[Value, Value]], default: Value = v.MISSING) -> Value:
    """The entry whose constant key equals ``key``; records, tuples and lists of one length go element by element.

    What is found in lists is a frozen list: changing it would change the table.
    """
    values = [m.content(x) for _, x in entries]
    first = values[0] if values else None
    if not isinstance(first, tuple | v.HDict | v.HList):
        return _scalar_table(m, key, [(k, scalars.scalar(x)) for k, x in entries], default)
    found = _parts_table(m, key, [k for k, _ in entries], values)
    if default is v.MISSING:
        return found
    other = freeze(m, default) if isinstance(m.content(default), v.HList) else default
    return m.select(member(m, key, [k for k, _ in entries]), found, other)


def _parts_table(m: Machine, key: Sym, keys: list[Value], values: list[Value]) -> Value:
    """The entry among records, tuples or lists that are built alike."""
    first = values[0]
    if isinstance(first, v.HDict):
        names = [n for n, _ in first.items]
        if not all(isinstance(x, v.HDict) and [n for n, _ in x.items] == names for x in values):
            raise Refused("a table of records that have different keys", "the same keys in every record")
        rows = [tuple(y for _, y in x.items) for x in values]
        return m.new(v.HDict(tuple(zip(names, table(m, key, list(zip(keys, rows, strict=True))), strict=True))))
    if not all(type(x) is type(first) for x in values):
        raise Refused("a table of values that are built differently", "tuples of one length")
    rows = [x if isinstance(x, tuple) else tuple(x.items) for x in values]
    if len({len(x) for x in rows}) > 1 or not rows[0]:
        raise Refused("a table of lists of different lengths", "lists of one length")
    columns = [list(zip(keys, column, strict=True)) for column in zip(*rows, strict=True)]
    parts = tuple(table(m, key, column) for column in columns)
    return parts if isinstance(first, tuple) else v.Seq(parts)


def _scalar_table(m: Machine, key: Sym, entries: list[tuple[Value, Sym]], default: Value) -> Sym:
    kind: str | None = None
    conditions = []
    for k, x in entries:
        equal = scalars.compare(m, ast.Eq, key, k)
        if not isinstance(equal, exp.Boolean):
            conditions.append((equal, k, x))
    fallback = scalars.scalar(default) if default is not v.MISSING else None
    for x in [x for _, _, x in conditions] + ([fallback] if fallback else []):
        kind = x.type if kind is None else _unified(kind, x.type)
    ifs = [exp.If(this=v.constant(k).sql, true=x.sql.copy()) for _, k, x in conditions]
    if not ifs:
        return fallback or Sym(exp.null(), "str", null=True)
    tree = exp.Case(this=key.sql.copy(), ifs=ifs, default=fallback.sql.copy() if fallback else None)
    null = any(x.null for _, _, x in conditions) or bool(fallback and fallback.null)
    plain = fallback is None and all(not isinstance(x.sql, exp.Column) for _, _, x in conditions)
    choices = tuple((c, _constant_of(x)) for c, _, x in conditions) if plain else ()
    return Sym(tree, kind or "str", null, choices=choices)


def _constant_of(x: Sym) -> Value:
    if isinstance(x.sql, exp.Boolean):
        return bool(x.sql.this)
    sign, tree = (-1, x.sql.this) if isinstance(x.sql, exp.Neg) else (1, x.sql)
    if isinstance(tree, exp.Literal) and tree.is_string:
        return tree.name
    if isinstance(tree, exp.Literal):
        return sign * (int(tree.name) if x.type == "int" else float(tree.name))
    return None


def _unified(a: str, b: str) -> str:
    kind = unify(a, b)
    if kind is None:
        raise Refused(f"a table of {a} and {b}", "values of one type")
    return kind


def member(m: Machine, key: Value, constants: list[Value]) -> exp.Expression:
    """``key in constants``."""
    if isinstance(key, tuple):
        tree: exp.Expression = exp.false()
        for c in constants:
            tree = sqlx.disjunction(tree, scalars.compare(m, ast.Eq, key, c))
        return tree
    symbol = scalars.whole(scalars.scalar(key))
    plain = [
        c
        for c in constants
        if (type(c) is str and symbol.type == "str") or (_number(c) and symbol.type in ("int", "float"))
    ]
    if len(plain) == len(constants) and len(plain) > 1:
        if symbol.null:
            return sql(
                "coalesce(_1, FALSE)", exp.In(this=symbol.sql.copy(), expressions=[sqlx.literal(c) for c in plain])
            )
        return exp.In(this=symbol.sql.copy(), expressions=[sqlx.literal(c) for c in plain])
    tree = exp.false()
    for c in constants:
        tree = sqlx.disjunction(tree, scalars.compare(m, ast.Eq, symbol, c))
    return tree


def _number(c: Value) -> bool:
    return type(c) in (int, float)


def leaves(value: Value) -> list[Sym]:
    """The scalar leaves of a key or element, from left to right."""
    if isinstance(value, Sym):
        return [value]
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in leaves(part)]
    if isinstance(value, v.Seq):
        return leaves(value.items)
    if isinstance(value, v.Rec):
        return leaves(tuple(x for _, x in value.items))
    raise Refused(f"a key that is a {scalars.kind_name(value)}")


def join(m: Machine, rel: Relation, key_shape: Value, key: Value) -> Join | None:
    """The join that finds ``key`` among the unique keys of ``rel``; None where a type never matches."""
    if not m.frames:
        raise Refused("a lookup outside a loop over rows")
    wanted, columns = [scalars.whole(s) for s in _key_leaves(key)], leaves(key_shape)
    if len(wanted) != len(columns) or any(not _alike(a, b) for a, b in zip(wanted, columns, strict=True)):
        return None
    names = tuple(c.sql.name for c in columns)
    query = m.frames[-1].query
    if rel is query.base and all(
        isinstance(w.sql, exp.Column) and w.sql.table == query.alias and w.sql.name == n
        for w, n in zip(wanted, names, strict=True)
    ):
        return Join(query.alias, rel, tuple(zip(wanted, names, strict=True)))
    texts = [sqlx.text(m.expand(w).sql) for w in wanted]
    for frame in m.frames:
        for made in frame.query.joins:
            if made.rel is rel and [sqlx.text(m.expand(s).sql) for s, _ in made.keys] == texts:
                return made
    made = Join(fresh("j"), rel, tuple(zip(wanted, names, strict=True)))
    query.joins.append(made)
    return made


def _key_leaves(key: Value) -> list[Sym]:
    parts = key if isinstance(key, tuple) else (key,)
    return [leaf for p in parts for leaf in (_key_leaves(p) if isinstance(p, tuple) else [scalars.scalar(p)])]


def _alike(a: Sym, b: Sym) -> bool:
    return a.type == b.type or {a.type, b.type} <= scalars.NUMERIC


def is_own(m: Machine, made: Join) -> bool:
    """Whether a lookup found the loop's own row."""
    return any(made.alias == f.query.alias for f in m.frames)


def present(m: Machine, made: Join | None) -> exp.Expression:
    """Where a lookup finds its key."""
    if made is None:
        return exp.false()
    return exp.true() if is_own(m, made) else made.present


def distinct(m: Machine, collection: v.ListOf | v.SetOf) -> tuple[Relation, Value]:
    """A relation that holds each element of a collection once, and the shape of its key."""
    rel, element = collection.rel, collection.element
    if (
        isinstance(collection, v.SetOf)
        and collection.distinct
        and all(isinstance(s.sql, exp.Column) for s in leaves(element))
    ):
        return rel, element
    cache_key = ("distinct", rel.token, tuple(sqlx.text(s.sql) for s in leaves(element)))
    if cache_key not in m.files:
        alias = fresh("d")
        keys: list[tuple[str, Sym]] = []
        for leaf in leaves(v.rebind(element, rel.token, alias)):
            keys.append((free_name(leaf.name or "item", {n for n, _ in keys}), leaf))
        m.files[cache_key] = GroupRel(
            name=folds.title_of(m, collection) or f"{rel.name}_distinct",
            what=f"what {folds.title_of(m, collection) or rel.name} holds, each once",
            lines=rel.lines,
            query=Query(alias, rel),
            keys=tuple(keys),
        )
    made = m.files[cache_key]
    return made, tuple(made.columns()[n] for n, _ in made.keys)


def contains(m: Machine, collection: Value, item: Value) -> exp.Expression:
    """``item in collection`` for a collection of rows."""
    if isinstance(collection, v.ListOf | v.SetOf):
        rel, shape = distinct(m, collection)
    elif isinstance(collection, v.DictOf):
        rel, shape = collection.rel, collection.key
    else:
        rel, shape = summary(m, collection)
    return present(m, join(m, rel, shape, item))


def summary(m: Machine, grouped: v.GroupedOf) -> tuple[GroupRel, Value]:
    """The grouping of a dict of lists by its key, to which aggregates are added when asked for."""
    cache_key = ("summary", grouped.rel.token, tuple(sqlx.text(s.sql) for s in leaves(grouped.key)))
    if cache_key not in m.files:
        alias = fresh("g")
        keys: list[tuple[str, Sym]] = []
        for leaf in leaves(v.rebind(grouped.key, grouped.rel.token, alias)):
            keys.append((free_name(leaf.name or "key", {n for n, _ in keys}), leaf))
        m.files[cache_key] = GroupRel(
            name=f"{grouped.rel.name}_by_{keys[0][0]}",
            what=f"{grouped.rel.name} per {', '.join(n for n, _ in keys)}",
            lines=grouped.rel.lines,
            query=Query(alias, grouped.rel),
            keys=tuple(keys),
        )
    made = m.files[cache_key]
    return made, tuple(made.columns()[n] for n, _ in made.keys)


def find(m: Machine, mapping: v.DictOf, key: Value, default: Value = v.MISSING) -> Value:
    """``d[key]`` (no default: KeyError) or ``d.get(key, default)``."""
    if default is v.MISSING and mapping.default:
        default = empty(mapping.default)
    if not m.frames and v.is_const(key):
        return _of_constant(m, mapping, key, default)
    made = join(m, mapping.rel, mapping.key, key)
    where = present(m, made)
    if default is v.MISSING:
        m.raise_if(sqlx.negate(where), "KeyError", f"a key that {mapping.rel.name} does not have")
    if made is None:
        return None if default is v.MISSING else default
    value = thaw(m, v.rebind(mapping.value, mapping.rel.token, made.alias))
    if default is v.MISSING or isinstance(where, exp.Boolean):
        return value
    known = m.implied(where)
    if known is not None:
        return value if known else default
    if isinstance(value, Sym) and not value.null and v.is_const(default) and default is not None:
        other = scalars.scalar(default)
        if other.type == value.type:
            return Sym(sql("coalesce(_1, _2)", value.sql, other.sql), value.type, name=value.name)
    if isinstance(value, Sym) and default is None:
        return Sym(value.sql, value.type, null=True, name=value.name)
    return m.select(where, value, default)


def _of_constant(m: Machine, mapping: v.DictOf, key: Value, default: Value) -> Value:
    """``d["x"]`` outside of loops: the only value of that key, as an aggregate over the rows that have it."""
    condition = _has_key(m, mapping.key, key)
    if not isinstance(mapping.value, Sym) or mapping.value.null or mapping.value.nan:
        raise Refused("a lookup outside a loop over rows", "a loop over the keys")
    value = m.expand(mapping.value)
    only = Sym(sqlx.case(condition, value.sql, exp.null()), value.type, True, name=value.name)
    found = replace(m.whole("max", mapping.rel, only, value.type), name=value.name)
    count = m.whole("count_true", mapping.rel, Sym(condition, "bool"), "int")
    if default is v.MISSING:
        m.asserted.append((sql("_1 = 0", count.sql), m.line))
        return found
    if default is None:
        return replace(found, null=True)
    return m.select(sql("_1 > 0", count.sql), found, default)


def _has_key(m: Machine, shape: Value, key: Value) -> exp.Expression:
    """Where a row has a constant key."""
    columns, wanted = leaves(shape), key if isinstance(key, tuple) else (key,)
    if len(columns) != len(wanted):
        return exp.false()
    return sqlx.conjunction(scalars.compare(m, ast.Eq, m.expand(c), k) for c, k in zip(columns, wanted, strict=True))


def own_group(grouped: v.GroupedOf, keys: v.View) -> v.Group:
    """The list of the key that a loop over the dict is at."""
    return v.Group(grouped, keys.element, keys.rel, keys.rel.token, exp.true())


def find_group(m: Machine, grouped: v.GroupedOf, key: Value, default: Value = v.MISSING) -> Value:
    """The list of one key."""
    rel, shape = summary(m, grouped)
    made = join(m, rel, shape, key)
    where = present(m, made)
    if default is v.MISSING and not grouped.default:
        m.raise_if(sqlx.negate(where), "KeyError", f"a key that {grouped.rel.name} does not have")
    elif default is None:
        raise Refused("get() of a dict of lists without a default list", "d.get(key, [])")
    if made is None:
        raise Refused("a lookup by a key of another type")
    return v.Group(grouped, key, rel, made.alias, where)


def aggregate(m: Machine, group: v.Group, kind: str, argument: Sym | None, type_: str) -> Sym:
    """An aggregate of a group's elements, as a column of the joined summary."""
    bound = None
    if argument is not None:
        bound = v.rebind(argument, group.of.rel.token, group.summary.query.alias)
    column = group.summary.require(
        kind, bound, type_, f"{kind}_{argument.name}" if argument and argument.name else kind
    )
    return Sym(sqlx.column(group.alias, column.sql.name), type_, name=column.sql.name)


def size(m: Machine, group: v.Group) -> Sym:
    """``len(group)``; a missing list is empty."""
    counted = aggregate(m, group, "count", None, "int")
    if m.implied(group.present):
        return counted
    return Sym(sql("coalesce(_1, 0)", counted.sql), "int", name=counted.name)


def empty(factory: str) -> Value:
    """What a defaultdict of this factory makes."""
    return {"int": 0, "float": 0.0, "str": ""}.get(factory, v.MISSING)


def thaw(m: Machine, shape: Value) -> Value:
    """A shape as the script sees it: frozen records and lists become heap objects."""
    if isinstance(shape, v.Rec) and str(shape.default).startswith(classes.MARK):
        return classes.thawed(m, tuple((k, thaw(m, x)) for k, x in shape.items), shape.default)
    if isinstance(shape, v.Rec):
        return m.new(v.HDict(tuple((k, thaw(m, x)) for k, x in shape.items), shape.default))
    if isinstance(shape, v.Seq):
        return m.new(v.HList(tuple(thaw(m, x) for x in shape.items)))
    if isinstance(shape, tuple):
        return tuple(thaw(m, x) for x in shape)
    if isinstance(shape, v.Fields):
        return m.new(shape)
    return shape


def freeze(m: Machine, value: Value) -> Value:
    """The shape of a value: heap records and lists frozen, names expanded later."""
    content = m.content(value)
    if isinstance(content, v.Foreign):
        content = content.record(m)
    if isinstance(content, v.HDict):
        kept = content.default == "row" or str(content.default).startswith(classes.MARK)
        default = content.default if kept else None
        return v.Rec(tuple((k, freeze(m, x)) for k, x in content.items), default)
    if isinstance(content, v.HList | v.HArray | v.Seq):
        return v.Seq(tuple(freeze(m, x) for x in content.items))
    if isinstance(content, tuple):
        return tuple(freeze(m, x) for x in content)
    if isinstance(content, v.Pieces):
        return known_pieces(m, content)
    if isinstance(content, v.Fields):
        return files.frozen(m, content)
    if isinstance(content, v.Poison):
        raise content.refusal()
    if isinstance(content, v.Choice):
        known = m.implied(content.condition)
        if known is not None:
            return freeze(m, content.then if known else content.otherwise)
        return replace(content, then=freeze(m, content.then), otherwise=freeze(m, content.otherwise))
    if isinstance(content, Sym) and content.null and not content.nan and m.frames:
        known = m.implied(sql("_1 IS NULL", content.sql)) is False
        return replace(content, null=False) if known else content
    if isinstance(content, Sym | v.Block) or v.is_const(content) or content is v.MISSING:
        return content
    raise Refused(f"a collection of {scalars.kind_name(content)} values")


def known_pieces(m: Machine, pieces: v.Pieces) -> Value:
    """A split text as a list of its fields, where the path says how many there are; else as it is."""
    size = containers.length(m, pieces).sql
    for atom in m.state.path:
        tree = sqlx.bare(m.expand_tree(atom))
        if isinstance(tree, exp.EQ) and isinstance(tree.expression, exp.Literal) and sqlx.same(tree.this, size):
            count = int(tree.expression.name)
            names = _unpacked_as(m, count)
            items = [containers.subscript(m, pieces, i) for i in range(count)]
            return v.Seq(tuple(x.named(n) if isinstance(x, Sym) else x for x, n in zip(items, names, strict=True)))
    return pieces


def _unpacked_as(m: Machine, count: int) -> list[str | None]:
    """What the script calls the fields when it unpacks the list that is being made."""
    for node in ast.walk(m.tree):
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Tuple):
            names = [t.id for t in node.target.elts if isinstance(t, ast.Name)]
            if isinstance(node.iter, ast.Name) and node.iter.id == m.hint and len(names) == count:
                return list(names)
    return [None] * count
