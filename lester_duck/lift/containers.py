"""Reading and changing lists, dicts, sets, arrays and files: indexing, membership, assignment."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import (
    arrays,
    calls,
    companions,
    eafp,
    evolving,
    files,
    foreign,
    grouped,
    inner,
    lookups,
    matrices,
    once,
    scalars,
    so_far,
    sqlx,
    strings,
    twolevels,
    unions,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Refused, Sym, Value


def subscript(m: Machine, base: Value, index: Value) -> Value:
    """``base[index]``."""
    if isinstance(base, v.Choice | v.Poison):
        return scalars.spread(
            m,
            base,
            lambda x: scalars.never(m, "TypeError", "an index into None") if x is None else subscript(m, x, index),
        )
    if base is None:
        return scalars.fails(m, "TypeError", "an index into None")
    if isinstance(index, v.Choice):
        return scalars.spread(m, index, lambda i: subscript(m, base, i))
    if isinstance(base, Sym):
        return strings.subscript(m, base, index)
    content = m.content(base)
    if isinstance(content, v.Foreign):
        return content.subscript(m, base, index)
    container = content.container if isinstance(content, evolving.Evolving) else getattr(content, "default", None)
    before = content.before if isinstance(content, evolving.Evolving) else content
    empty = isinstance(before, v.HDict) and container in ("list", "set") and not before.items
    if empty and m.frame_of(base) is not None:
        return v.Slot(base, lookups.freeze(m, index), container)
    filled = isinstance(base, v.Ref) and isinstance(before, v.HDict) and m.frame_of(base) is not None
    if filled and twolevels.is_one(m, base.id):
        return v.Slot(base, lookups.freeze(m, index), twolevels.KIND)
    if isinstance(content, v.Slot) and content.container == twolevels.KIND:
        return twolevels.entry(m, content, index)
    if isinstance(content, v.Slot):
        return subscript(m, so_far.of(m, content), index)
    factory = m.files.get(before.default) if isinstance(before, v.HDict) else None
    if factory is not None and m.frame_of(base) is not None:
        _make(m, base, index, factory)
        content = m.content(base)
    if isinstance(content, evolving.Evolving):
        return evolving.get(m, content, index)
    if isinstance(content, str | tuple):
        return _sequence(m, content, index)
    if isinstance(content, v.HList | v.HArray):
        picked = companions.found(m, _sequence(m, content.items, index))
        return m.new(type(content)(picked)) if isinstance(index, slice) else picked
    if isinstance(content, v.HDict):
        return _entry(m, base, content, index)
    if isinstance(content, v.DictOf):
        return lookups.find(m, content, index)
    if isinstance(content, v.GroupedOf):
        return lookups.find_group(m, content, index)
    if isinstance(content, v.Fields):
        return files.field(m, content, index)
    if isinstance(content, v.Group) and content.of.container == twolevels.KIND:
        return twolevels.found(m, content, index)
    if isinstance(content, v.Group):
        return inner.of(content).subscript(m, base, index)
    if isinstance(content, v.ListOf | v.View | v.Vector | v.Matrix | v.Part):
        return arrays.subscript(m, content, index, base)
    if isinstance(content, v.Pieces):
        return _piece(m, content, index)
    if isinstance(content, v.Words):
        return _word(m, content, index)
    raise Refused(f"an index into a {scalars.kind_name(content)}")


def _make(m: Machine, base: v.Ref, index: Value, factory: Value) -> None:
    """``d[k]`` of a defaultdict makes the entry of a new key."""
    known = contains(m, base, index)
    m.fork_on(known, lambda: None, lambda: store(m, base, index, calls.call(m, factory, [], {})))


def _sequence(m: Machine, items: str | tuple, index: Value) -> Value:
    if isinstance(index, slice) or type(index) is int or type(index) is bool:
        try:
            return items[index]
        except (IndexError, TypeError) as error:
            raise Refused(f"the script would fail here: {error}") from None
    if isinstance(index, Sym) and index.type in ("int", "bool"):
        m.raise_if(
            sqlx.sql("_1 NOT BETWEEN 0 AND _2", index.sql, sqlx.literal(len(items) - 1)), "IndexError", "an index"
        )
        return lookups.table(m, index, list(enumerate(items)))
    raise Refused("this index into a list")


def _entry(m: Machine, base: Value, content: v.HDict, key: Value) -> Value:
    if v.is_const(key):
        found = content.get(key)
        if isinstance(found, v.Choice) and v.MISSING in (found.then, found.otherwise):
            missing = f"a record without {key!r}"
            return scalars.spread(
                m, found, lambda x: scalars.never(m, "KeyError", missing) if x is v.MISSING else x
            )
        if found is not v.MISSING:
            return companions.found(m, found)
        if content.default and content.default != "row" and isinstance(base, v.Ref):
            made = m.new(v.HList()) if content.default == "list" else lookups.empty(content.default)
            if content.default == twolevels.KIND:
                made = m.new(v.HDict((), m.files.get(("inner default", base.id)) or None))
            if made is v.MISSING:
                raise Refused(f"an entry that a defaultdict({content.default}) makes outside a loop over rows")
            m.update(base, content.put(key, made))
            return made
        m.raise_if(exp.true(), "KeyError", f"the key {key!r}")
        raise Refused(f"the script would fail here: no key {key!r}")
    keys = [k for k, _ in content.items]
    shared = {x for _, x in content.items if isinstance(x, v.Ref)}
    if len(shared) == 1 and all(isinstance(x, v.Ref) for _, x in content.items) and not content.default:
        m.raise_if(sqlx.negate(lookups.member(m, key, keys)), "KeyError", "a key that the table does not have")
        return shared.pop()  # one object under all keys
    default = lookups.empty(content.default) if content.default and content.default != "row" else v.MISSING
    if default is v.MISSING:
        m.raise_if(sqlx.negate(lookups.member(m, key, keys)), "KeyError", "a key that the table does not have")
    return lookups.table(m, scalars.scalar(key), list(content.items), default)


def _word(m: Machine, words: v.Words, index: Value) -> Value:
    if type(index) is not int:
        raise Refused("a slice of the words of a text", "an index into it")
    needed = index + 1 if index >= 0 else -index
    m.raise_if(sqlx.sql("_1 < _2", length(m, words).sql, sqlx.literal(needed)), "IndexError", "too few words")
    position = sqlx.literal(index + 1 if index >= 0 else index)
    return Sym(sqlx.sql("list_extract(py_split(_1), _2)", words.text.sql, position), "str")


def _piece(m: Machine, pieces: v.Pieces, index: Value) -> Value:
    if type(index) is not int:
        raise Refused("a slice of a split text", "an index into it")
    size = length(m, pieces).sql
    needed = index + 1 if index >= 0 else -index
    if needed > 1:
        m.raise_if(sqlx.sql("_1 < _2", size, sqlx.literal(needed)), "IndexError", "a split text is too short")
    position = sqlx.literal(index + 1 if index >= 0 else index)
    tree = sqlx.sql("split_part(_1, _2, _3)", pieces.text, sqlx.literal(pieces.delimiter), position)
    value: Value = Sym(tree, "str")
    for rule in pieces.each:
        value = rule(value)
    return value


def contains(m: Machine, container: Value, item: Value) -> exp.Expression:
    """``item in container``."""
    if isinstance(container, v.Choice | v.Poison):
        return scalars.scalar(scalars.spread(m, container, lambda c: Sym(contains(m, c, item), "bool"))).sql
    if isinstance(item, v.Choice | v.Poison):
        return scalars.scalar(scalars.spread(m, item, lambda i: Sym(contains(m, container, i), "bool"))).sql
    content = m.content(container)
    if isinstance(content, v.Foreign):
        return content.contains(m, item)
    if isinstance(content, evolving.Evolving):
        return evolving.contains(m, content, item)
    if isinstance(content, v.Slot) and content.container == twolevels.KIND:
        return twolevels.contains(m, content, item)
    if isinstance(content, v.Group) and content.of.container == twolevels.KIND:
        return twolevels.has(m, content, item)
    if isinstance(content, v.Group):
        return grouped.contains(m, content, item)
    if isinstance(content, v.Slot):
        return evolving.inside(m, content, item)
    if isinstance(content, str | Sym) and (isinstance(content, Sym) or isinstance(item, Sym)):
        text, part = scalars.scalar(content), scalars.whole(scalars.scalar(item))
        if text.type != "str" or part.type != "str":
            raise Refused(f"'in' of a {text.type}")
        return sqlx.sql("contains(_1, _2)", scalars.whole(text).sql, part.sql)
    if isinstance(content, str | tuple) and v.is_const(item) and v.is_const(content):
        return sqlx.literal(item in content)
    optional = content.get(item) if isinstance(content, v.HDict) and v.is_const(item) else None
    if isinstance(optional, v.Choice) and v.MISSING in (optional.then, optional.otherwise):
        present = optional.condition
        return present.copy() if optional.otherwise is v.MISSING else sqlx.negate(present)
    known = files.all_fields(m, content) if isinstance(content, v.Fields) else _keys(content)
    if known is not None:
        if not known or (v.is_const(item) and all(v.is_const(k) for k in known)):
            return sqlx.literal(item in known)
        return lookups.member(m, item, known)
    if isinstance(content, v.ListOf | v.SetOf | v.DictOf | v.GroupedOf):
        return lookups.contains(m, content, item)
    raise Refused(f"'in' of a {scalars.kind_name(content)}")


def _keys(content: Value) -> list[Value] | None:
    if isinstance(content, tuple):
        return list(content)
    if isinstance(content, v.HList | v.HSet):
        return list(content.items)
    if isinstance(content, v.HDict):
        return [k for k, _ in content.items]
    return None


def known_items(m: Machine, value: Value) -> list[Value]:
    """The items of something whose length is known; raises Refused otherwise."""
    content = so_far.of(m, value)
    if isinstance(content, v.Foreign):
        content = m.content(content.rows(m, value))
    if isinstance(content, v.Choice):
        known = m.implied(content.condition)
        if known is not None:
            return known_items(m, content.then if known else content.otherwise)
    if isinstance(content, str):
        return list(content)
    if isinstance(content, range):
        return list(content)
    companions.refuse_all(content)
    keys = _keys(content)
    if keys is not None:
        return keys
    if isinstance(content, v.Seq | v.HArray):
        return list(content.items)
    if isinstance(content, v.Fields):
        return files.all_fields(m, content)
    if isinstance(content, v.HFile) and once.is_ended(content):
        return []
    if isinstance(content, v.Group):
        raise Refused(
            "a loop over the list of one key within the loop over the keys",
            "one loop over the rows, with what the row before of the same key left in a dict per key",
        )
    raise Refused(f"a {scalars.kind_name(content)} of unknown length here")


def each_side(m: Machine, choice: v.Choice, rule: Callable[[Value], Value]) -> Value:
    """What may change an object, on each of two objects where it is the one; None raises."""
    found: list[Value] = []

    def side(x: Value) -> None:
        if isinstance(x, v.Choice):
            found.append(each_side(m, x, rule))
        else:
            found.append(scalars.never(m, "TypeError", "None where an object is needed") if x is None else rule(x))

    m.fork_on(choice.condition, lambda: side(choice.then), lambda: side(choice.otherwise))
    kept = [x for x in found if x is not v.MISSING]
    return m.select(choice.condition, *found) if len(kept) == 2 else kept[0] if kept else v.MISSING


def store(m: Machine, base: Value, index: Value, value: Value) -> None:
    """``base[index] = value``."""
    if isinstance(base, v.Choice):
        each_side(m, base, lambda x: store(m, x, index, value))
        return
    if isinstance(base, v.Choice) and m.implied(base.condition) is not None:
        store(m, base.then if m.implied(base.condition) else base.otherwise, index, value)
        return
    if isinstance(base, v.Choice) and v.is_const(index):
        _store_either(m, base, (), index, value)
        return
    if isinstance(m.content(base), v.Foreign):
        m.content(base).store(m, base, index, value)
        return
    if isinstance(base, v.Slot) and base.container == twolevels.KIND:
        twolevels.put(m, base, index, value)
        return
    if not isinstance(base, v.Ref):
        raise Refused(f"an assignment into a {scalars.kind_name(base)}")
    frame = m.frame_of(base)
    content = m.content(base)
    if ("row of a list", base.id) in m.files:
        raise Refused("a row of a list changed through its position", "for row in rows: row[k] = x")
    if frame is not None:
        if isinstance(content, v.Matrix | v.Vector):
            m.log("cell", base, index, value)
        else:
            _put(m, base, lookups.freeze(m, index), value)
        return
    if isinstance(content, v.HDict) and v.is_const(index):
        companions.not_one(content.get(index))
        m.update(base, content.put(index, value))
        evolving.changed(m, base)
        return
    if isinstance(content, matrices.ARRAYS) and not (isinstance(content, v.HArray) and not matrices.is_array(m, index)):
        matrices.store(m, base, content, index, value)
        return
    if isinstance(content, v.Fields):
        content = v.HList(tuple(files.all_fields(m, content)))
    if isinstance(content, v.HList | v.HArray):
        companions.not_one(dict(companions.parts(content)).get(index) if type(index) is int else None)
        m.update(base, type(content)(replaced(m, content.items, index, value)))
        evolving.changed(m, base)
        return
    raise Refused(f"this assignment into a {scalars.kind_name(content)}")


def _store_either(m: Machine, base: Value, path: tuple[exp.Expression, ...], index: Value, value: Value) -> None:
    """``base[index] = value`` where the base is one record or another: each changes where it is the one."""
    texts = [sqlx.text(c) for c in path]
    if any(sqlx.text(sqlx.negate(c)) in texts for c in path):
        return
    if isinstance(base, v.Choice):
        _store_either(m, base.then, (*path, *sqlx.atoms(base.condition)), index, value)
        _store_either(m, base.otherwise, (*path, *sqlx.atoms(sqlx.negate(base.condition))), index, value)
        return
    condition = sqlx.conjunction(path)
    if base is None:
        m.raise_if(condition, "TypeError", "an assignment into None")
        return
    content = m.content(base)
    if not isinstance(base, v.Ref) or not isinstance(content, v.HDict) or m.frame_of(base) is not None:
        raise Refused("an assignment into a value of one kind or another")
    old = content.get(index)
    m.update(base, content.put(index, value if old is v.MISSING else m.select(condition, value, old)))


def _put(m: Machine, base: v.Ref, key: Value, value: Value) -> None:
    """``d[k] = value`` in a loop over rows; an empty list or set makes a dict of such."""
    content = m.content(value)
    if isinstance(content, v.HDict) and not content.items and content.default in (None, "int", "float"):
        twolevels.note(m, base.id)
        m.files["inner default", base.id] = content.default or ""
        m.log("default", base, key, twolevels.KIND)
        return
    if isinstance(content, v.HList | v.HSet) and not content.items:
        container = "list" if isinstance(content, v.HList) else "set"
        m.log("default", base, key, container)
        evolving.note_container(m, base, key, container)
        return
    if isinstance(content, v.HList | v.HSet) and eafp.grows(m, base):
        _put(m, base, key, m.new(type(content)()))
        if isinstance(value, v.Ref):
            m.files["inside an entry", value.id] = True
        for item in content.items:
            m.log("slot", base, key, lookups.freeze(m, item))
        return
    if isinstance(value, v.Ref) and companions.are_in(m, value):
        companions.put(m, base, key, value)
    frozen = companions.frozen(m, value)
    m.log("put", base, key, frozen)
    evolving.note(m, base, key, frozen)
    evolving.shared(m, value, base.id, key)


def replaced(m: Machine, items: tuple, index: Value, value: Value) -> tuple:
    """The items after ``items[index] = value``; the index may depend on rows."""
    if type(index) is int:
        if not -len(items) <= index < len(items):
            raise Refused("the script would fail here: index out of range")
        at = index % len(items)
        return (*items[:at], value, *items[at + 1 :])
    if isinstance(index, Sym) and index.type == "int":
        if not index.choices:
            bounds = sqlx.sql("_1 NOT BETWEEN 0 AND _2", index.sql, sqlx.literal(len(items) - 1))
            m.raise_if(bounds, "IndexError", "an index outside the list")
        return tuple(m.select(scalars.compare(m, ast.Eq, index, i), value, old) for i, old in enumerate(items))
    raise Refused("this index in an assignment")


def length(m: Machine, value: Value) -> Value:
    """``len(value)``."""
    if isinstance(value, v.Choice | v.Poison):
        return scalars.spread(m, value, lambda x: length(m, x))
    content = so_far.of(m, value)
    if isinstance(content, v.Foreign):
        return content.length(m, value)
    if isinstance(content, Sym) and content.type == "str":
        if content.null:
            m.raise_if(sqlx.sql("_1 IS NULL", content.sql), "TypeError", "len(None)")
        return Sym(sqlx.sql("length(_1)", scalars.whole(content).sql), "int", name=content.name)
    if isinstance(content, Sym) and content.type.startswith("list:"):
        return Sym(sqlx.sql("len(_1)", content.sql), "int", name=content.name)
    if isinstance(content, v.Group):
        return lookups.size(m, content)
    if isinstance(content, v.Fields):
        return files.width(m, content)
    if isinstance(content, v.Pieces):
        tree = sqlx.sql("len(string_split(_1, _2))", content.text, sqlx.literal(content.delimiter))
        return Sym(tree, "int")
    if isinstance(content, v.Words):
        return Sym(sqlx.sql("len(py_split(_1))", content.text.sql), "int", name=content.text.name)
    if isinstance(content, v.ListOf | v.DictOf | v.SetOf | v.View | v.Vector | v.Matrix | v.Part):
        return arrays.count(m, content)
    if isinstance(content, str | tuple):
        return len(content)
    if isinstance(content, evolving.Evolving):
        return evolving.length(m, content)
    return len(known_items(m, value))


def _listed(m: Machine, content: Value) -> Value:
    """A split line as the list of its fields; a frozen list as a list."""
    if isinstance(content, v.Seq):
        return v.HList(content.items)
    return v.HList(tuple(files.all_fields(m, content))) if isinstance(content, v.Fields) else content


def spell_out(m: Machine, ref: v.Ref) -> None:
    """A split line that one branch changes becomes the list of its fields, in both branches."""
    content = m.state.heap.get(ref.id)
    if not isinstance(content, v.Fields) or m.frame_of(ref) is not None:
        return
    if len(files.observed_widths(m, content.rel, content.strip, content.delimiter)) == 1:
        m.update(ref, _listed(m, content))


def operate(m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
    """Operators on lists, vectors and matrices; ``MISSING`` where it is none."""
    answer = foreign.operate(m, op, a, b)
    if answer is not v.MISSING:
        return answer
    x, y = (_listed(m, m.content(side)) for side in (a, b))
    if isinstance(x, v.HList) and isinstance(y, v.HList) and op is ast.Add:
        return m.new(v.HList(x.items + y.items))
    if op is ast.Mult and isinstance(x, v.HList) and type(y) is int and y * len(x.items) <= 100_000:
        return m.new(v.HList(x.items * y))
    if isinstance(x, tuple) and isinstance(y, tuple) and op is ast.Add:
        return x + y
    if isinstance(x, matrices.ARRAYS) or isinstance(y, matrices.ARRAYS):
        return matrices.operate(m, op, x, y)
    lists = isinstance(x, v.ListOf | v.HList) and isinstance(y, v.ListOf | v.HList)
    if op is ast.Add and lists and not getattr(x, "items", None) and not getattr(y, "items", None):
        parts = [p for p in (x, y) if isinstance(p, v.ListOf)]
        return m.new(parts[0] if len(parts) == 1 else unions.concatenate(m, parts, m.hint or "rows"))
    return v.MISSING


def compare(m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
    """Comparisons of vectors, element by element; ``MISSING`` where it is none."""
    answer = foreign.compare(m, op, a, b)
    if answer is not v.MISSING:
        return answer
    x, y = m.content(a), m.content(b)
    if (isinstance(x, matrices.ARRAYS) or isinstance(y, matrices.ARRAYS)) and op not in (ast.Is, ast.IsNot):
        return matrices.compare(m, op, x, y)
    if (
        isinstance(x, v.HList | v.HDict | v.HSet)
        and isinstance(y, v.HList)
        and not y.items
        and op in (ast.Eq, ast.NotEq)
    ):
        return (not x.items) is (op is ast.Eq)
    return v.MISSING


def negated(m: Machine, value: Value) -> Value:
    """``~value`` of a boolean vector."""
    content = m.content(value)
    if isinstance(content, v.Vector) and content.element.type == "bool":
        return replace(content, element=Sym(sqlx.negate(content.element.sql), "bool"))
    raise Refused("this unary operator")
