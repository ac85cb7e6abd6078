"""JSON lines: ``json.loads(line)`` as a document whose values are read by path, typed as observed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import calls, files, json_files, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.exploded import Exploded
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine, catches
from lester_duck.lift.relations import FileRel
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import MISSING, Refused, Sym, Value

_READERS = {"str": "py_json_text", "int": "py_json_int", "float": "py_json_float", "bool": "py_json_bool"}
_KINDS = {
    "str": ("VARCHAR",),
    "int": ("BIGINT", "UBIGINT"),
    "float": ("BIGINT", "UBIGINT", "DOUBLE"),
    "number": ("BIGINT", "UBIGINT", "DOUBLE"),
    "bool": ("BOOLEAN",),
}


_LISTS = {"str": "py_json_texts", "int": "py_json_ints", "float": "py_json_floats"}


@dataclass(frozen=True, eq=False)
class Document(Library):
    """A JSON object: the text ``document``, the ``path`` into it, and the objects observed there.

    ``added`` are the entries the script set itself.
    """

    document: Sym
    path: str
    samples: tuple[Any, ...]
    added: tuple[tuple[str, Value], ...] = ()
    what = "JSON object"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``t[key]``: KeyError where there is no such key."""
        key = _constant_key(index)
        own = dict(self.added).get(key, MISSING)
        if own is not MISSING:
            return own
        self.is_object(m, "TypeError")
        m.raise_if(sqlx.negate(self.has(key)), "KeyError", f"an object without {key!r}")
        return self.value(m, key)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``t.get(key, default)``."""
        if name != "get" or kwargs:
            raise Refused(f"the method .{name}() of a JSON object", "t[key], t.get(key, default)")
        self.is_object(m, "AttributeError")
        key, default = _constant_key(args[0]), args[1] if len(args) > 1 else None
        own = dict(self.added).get(key, MISSING)
        if own is not MISSING:
            return own
        has = self.has(key)
        known = m.implied(has)
        if known is not None:
            return self.value(m, key) if known else default
        with scalars.under(m, has):
            value = self.value(m, key)
        if isinstance(value, Exploded) and isinstance(m.content(default), v.HList) and not m.content(default).items:
            return replace(value, items=sqlx.case(has, value.items, sql("[]")))
        if default is None and isinstance(value, Sym):
            return replace(value, null=True)
        return m.select(has, value, default)

    def contains(self, m: Machine, item: Value) -> Tree:
        """``key in t``."""
        key = _constant_key(item)
        if dict(self.added).get(key, MISSING) is not MISSING:
            return exp.true()
        self.is_object(m, "TypeError")
        return self.has(key)

    def truth(self, m: Machine, ref: Value) -> Tree:
        """Whether the object has any key."""
        if self.added:
            return exp.true()
        size = sql("py_json_size(_1, _2)", self.document.sql, sqlx.literal(self.path))
        m.oblige(sql("_1 IS NULL", size), "a JSON value that is no object")
        return sql("coalesce(_1 > 0, FALSE)", size)

    def store(self, m: Machine, ref: Value, index: Value, value: Value) -> None:
        """``t[key] = value``."""
        if not isinstance(ref, v.Ref) or m.frame_of(ref) is not None:
            raise Refused("an assignment into a JSON object of another row")
        key = _constant_key(index)
        added = tuple((k, x) for k, x in self.added if k != key)
        m.update(ref, replace(self, added=(*added, (key, value))))

    def record(self, m: Machine) -> v.HDict:
        """The object as a record with the keys observed; one that is not in every object may be missing."""
        self.is_object(m, "TypeError")
        content = v.HDict()
        for key in dict.fromkeys(k for s in self.samples if isinstance(s, dict) for k in s):
            has = self.has(key)
            always = all(key in s for s in self.samples if isinstance(s, dict))
            if always:
                m.oblige(sqlx.negate(has), f"an object without {key!r}")
                content = content.put(key, self.value(m, key))
            else:
                with scalars.under(m, has):
                    content = content.put(key, v.Choice(has, self.value(m, key), MISSING))
        for key, value in self.added:
            content = content.put(key, value)
        return content

    # -- access --------------------------------------------------------------------------------------

    def is_object(self, m: Machine, exception: str) -> None:
        """What is no object raises when a key is asked for."""
        kind = sql("py_json_type(_1, _2)", self.document.sql, sqlx.literal(self.path))
        m.raise_if(sql("_1 <> 'OBJECT'", kind), exception, "a JSON value that is no object")

    def has(self, key: str) -> Tree:
        """Where the object has the key."""
        return sql("py_json_has(_1, _2)", self.document.sql, sqlx.literal(_path(self.path, key)))

    def value(self, m: Machine, key: str) -> Value:
        """The value of a key that is there, with the type observed; another type is not accepted."""
        path = _path(self.path, key)
        found = [s[key] for s in self.samples if isinstance(s, dict) and key in s]
        if any(isinstance(x, list) for x in found):
            return self._list(m, key, path, found)
        numbers = [x for x in found if type(x) in (int, float)]
        if numbers and any(isinstance(x, str) for x in found):
            return self._text_or_number(m, key, path, found)
        return self._typed(m, key, path, found)

    def _typed(self, m: Machine, key: str, path: str, found: list[Any]) -> Value:
        kind = _type([x for x in found if x is not None], key)
        none = None in found or any(catches(c, "TypeError") for g in m.guards for c in g.caught)
        place = sqlx.literal(path)
        if kind == "object":
            inner = m.new(Document(self.document, path, tuple(x for x in found if x is not None)))
            null = sql("py_json_type(_1, _2) = 'NULL'", self.document.sql, place)
            return v.Choice(null, None, inner) if none else inner
        accepted = [*_KINDS[kind], *(["NULL"] if none else [])]
        actual = sql("py_json_type(_1, _2)", self.document.sql, place)
        wrong = exp.Not(this=exp.In(this=actual, expressions=[sqlx.literal(k) for k in accepted]))
        m.oblige(wrong, f"{key!r} of another type than observed")
        reader = exp.Anonymous(
            this=_READERS["float" if kind == "number" else kind], expressions=[self.document.sql.copy(), place]
        )
        return Sym(reader, kind, null=none, name=key)

    def _list(self, m: Machine, key: str, path: str, found: list[Any]) -> Value:
        """A list of texts or numbers; other elements than observed are not accepted."""
        lists = [x for x in found if x is not None]
        if not all(isinstance(x, list) for x in lists):
            raise Refused(f"{key!r} has values of several types")
        kind = _type([x for one in lists for x in one], key)
        if kind not in _LISTS:
            raise Refused(f"the JSON list {key!r} of {kind} values", "a list of texts, or of whole numbers")
        place, every = sqlx.literal(path), sqlx.literal(f"{path}[*]")
        actual = sql("py_json_type(_1, _2)", self.document.sql, place)
        null = sql("_1 = 'NULL'", actual)
        is_list = sql("_1 = 'ARRAY'", actual)
        kinds = exp.Array(expressions=[sqlx.literal(k) for k in _KINDS[kind]])
        right = sql("list_has_all(_1, py_json_type(_2, _3))", kinds, self.document.sql, every)
        wrong = exp.Not(this=sqlx.conjunction([is_list, right]))
        listed = Exploded(sql(f"{_LISTS[kind]}(_1, _2)", self.document.sql, every), kind)
        if None not in found:
            m.oblige(wrong, f"{key!r} of another type than observed")
            return listed
        with scalars.under(m, sqlx.negate(null)):
            m.oblige(wrong, f"{key!r} of another type than observed")
        return v.Choice(null, None, listed)

    def _text_or_number(self, m: Machine, key: str, path: str, found: list[Any]) -> Value:
        """A value that is a text in some objects and a number in others: one of two, by what the object has."""
        place = sqlx.literal(path)
        is_text = sql("py_json_type(_1, _2) = 'VARCHAR'", self.document.sql, place)
        text = Sym(sql("py_json_text(_1, _2)", self.document.sql, place), "str", name=key)
        with scalars.under(m, sqlx.negate(is_text)):
            number = self._typed(m, key, path, [x for x in found if not isinstance(x, str)])
        return v.Choice(is_text, text, number)


def _constant_key(key: Value) -> str:
    if not isinstance(key, str):
        raise Refused("a key of a JSON object that is no constant text")
    return key


def _path(path: str, key: str) -> str:
    """The path of an entry.

    >>> _path("$", "id"), _path("$.a", "b c")
    ('$.id', '$.a."b c"')
    """
    if '"' in key:
        raise Refused(f"the JSON key {key!r}")
    return f"{path}.{key}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) else f'{path}."{key}"'


def _type(found: list[Any], key: str) -> str:
    kinds = {type(x) for x in found}
    if not kinds or kinds == {str}:
        return "str"
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int"
    if kinds == {float}:
        return "float"
    if kinds == {int, float}:
        return "number"
    if kinds == {dict}:
        return "object"
    if list in kinds:
        raise Refused(f"the JSON list {key!r}", "one value per key")
    raise Refused(f"{key!r} has values of several types")


def _loads(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``json.loads(line)`` of a line of a file."""
    text = args[0]
    if not isinstance(text, Sym):
        return json_files.loads(m, args, kwargs)
    if kwargs or text.line is None or text.line.strip == "field":
        raise Refused("json.loads of something other than a line of a file")
    rel = next((f.query.base for f in reversed(m.frames) if f.query.alias == text.line.alias), None)
    if not isinstance(rel, FileRel):
        raise Refused("json.loads outside the loop over its file")
    samples = _samples(m, rel)
    document = m.let(m.hint or "document", Sym(sql("py_json(_1)", text.sql), "str", null=True))
    m.raise_if(sql("_1 IS NULL", document.sql), "ValueError", "a line that is no JSON")
    if not any(isinstance(s, dict) for s in samples):
        raise Refused(f"{rel.path} has no JSON objects")
    return m.new(Document(replace(document, null=False), "$", samples))


def _samples(m: Machine, rel: FileRel) -> tuple[Any, ...]:
    """The JSON values of the lines of the observed file."""
    key = ("json", rel.token)
    if key not in m.files:
        found = []
        for line in files.text_lines(m.observed.folder / rel.path, rel.encoding)[rel.skip :]:
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append(MISSING)
        m.files[key] = tuple(x for x in found if x is not MISSING)
    return m.files[key]


def _dumps(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    raise Refused("json.dumps of values that depend on rows", "a line joined from its columns")


RULES = {"json.load": json_files.load, "json.loads": _loads, "json.dumps": _dumps}


def install() -> None:
    """Make the rules known to calls of libraries."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.append(RULES)
