"""Methods of texts, and formatting: one rule per method."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import limited, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import LineText, Refused, Sym, Value

Rule = Callable[[Machine, Sym, list[Value], dict[str, Value]], Value]


def text_method(m: Machine, receiver: Sym, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``receiver.name(*args)`` for a text that depends on rows."""
    rule = METHODS.get(name)
    if rule is None:
        raise Refused(f"the method str.{name}")
    if receiver.null:
        m.raise_if(sql("_1 IS NULL", receiver.sql), "AttributeError", f".{name}() of None")
    return rule(m, receiver, args, kwargs)


def _strip(side: str) -> Rule:
    macro = {"both": "py_strip(_1)", "left": "py_lstrip(_1)", "right": "py_rstrip(_1)"}[side]
    plain = {"both": "trim(_1, _2)", "left": "ltrim(_1, _2)", "right": "rtrim(_1, _2)"}[side]

    def rule(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
        characters = args[0] if args else None
        line = receiver.line
        if line is not None:
            stripped = _strip_line(line.strip, side, characters)
            if stripped is not None:
                tree = receiver.sql if stripped == "none" else sql(macro, receiver.sql)
                return replace(receiver, sql=tree, line=LineText(line.alias, stripped))
            if line.strip == "field" and side != "left" and (characters is None or "\n" in str(characters)):
                receiver = replace(receiver, line=None)
        if receiver.parts and side != "left":
            return _strip_parts(m, receiver, side, characters)
        text = scalars.whole(receiver)
        if characters is None:
            return Sym(sql(macro, text.sql), "str", name=receiver.name)
        if not isinstance(characters, str):
            raise Refused(f"{side} strip of characters that depend on rows")
        return Sym(sql(plain, text.sql, sqlx.literal(characters)), "str", name=receiver.name)

    return rule


def _strip_line(strip: str, side: str, characters: Value) -> str | None:
    """How a line is stripped after a further strip, or None where that is no whole-line form."""
    if strip == "field":
        return None
    if isinstance(characters, str) and set(characters) <= {"\n", "\r"} and "\n" in characters and side != "left":
        return "none" if strip == "raw" else strip
    if (characters is None and side == "both") or (strip == "both" and characters is None):
        return "both"
    if characters is None and side == "right":
        return "right"
    return None


def _strip_parts(m: Machine, receiver: Sym, side: str, characters: Value) -> Value:
    """A written line read back: its line end goes, and white space of its outer pieces."""
    parts = list(receiver.parts)
    if isinstance(parts[-1], str):
        parts[-1] = parts[-1].rstrip(characters)
    if parts[-1] == "":
        parts.pop()
    if isinstance(parts[-1], Sym):
        text = parts[-1].sql
        stripped = (
            sql("py_rstrip(_1)", text) if characters is None else sql("rtrim(_1, _2)", text, sqlx.literal(characters))
        )
        m.oblige(sql("_1 <> _2", stripped, text), "a written text ends with what is stripped on reading back")
    if side == "both" and isinstance(parts[0], Sym):
        text = parts[0].sql
        stripped = (
            sql("py_lstrip(_1)", text) if characters is None else sql("ltrim(_1, _2)", text, sqlx.literal(characters))
        )
        m.oblige(sql("_1 <> _2", stripped, text), "a written text begins with what is stripped on reading back")
    return scalars.concat(m, parts)


def _split_parts(m: Machine, receiver: Sym, delimiter: str) -> Value:
    """A concatenation split at a delimiter that stands in its constant pieces only."""
    pieces: list[list[Value]] = [[]]
    for part in receiver.parts:
        if isinstance(part, Sym):
            m.oblige(sql("contains(_1, _2)", part.sql, sqlx.literal(delimiter)), "a written text holds the delimiter")
            pieces[-1].append(part)
            continue
        for i, text in enumerate(part.split(delimiter)):
            if i:
                pieces.append([])
            if text:
                pieces[-1].append(text)
    items = (piece[0] if len(piece) == 1 else scalars.concat(m, piece) if piece else "" for piece in pieces)
    return m.new(v.HList(tuple(items)))


def _plain(template: str, kind: str = "str") -> Rule:
    def rule(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
        text = scalars.whole(receiver)
        operands = [scalars.whole(scalars.scalar(a)) for a in args]
        if any(o.type != "str" for o in operands) or kwargs:
            raise Refused("a text method with these arguments")
        return Sym(sql(template, text.sql, *[o.sql for o in operands]), kind, name=receiver.name)

    return rule


def _replace(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 2 or args[0] == "" or not all(isinstance(a, str | Sym) for a in args):
        raise Refused("str.replace with these arguments", "str.replace(old, new)")
    if scalars.is_raw(receiver) and args == ["\n", ""] and not kwargs:
        return replace(receiver, line=replace(receiver.line, strip="none"))  # its only line end is its last character
    return _plain("replace(_1, _2, _3)")(m, receiver, args, kwargs)


def _affix(template: str) -> Rule:
    def rule(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
        wanted = args[0] if isinstance(args[0], tuple) else (args[0],)
        text = scalars.whole(receiver)
        if (
            scalars.is_raw(receiver)
            and "starts" in template
            and all(isinstance(w, str) and "\n" not in w for w in wanted)
        ):
            text = receiver
        tree: exp.Expression = exp.false()
        for affix in wanted:
            tree = sqlx.disjunction(tree, sql(template, text.sql, scalars.scalar(affix).sql))
        return Sym(tree, "bool")

    return rule


def _split(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if not args and not kwargs:
        return v.Words(scalars.whole(receiver) if not scalars.is_raw(receiver) else receiver)
    delimiter = args[0] if args else kwargs.get("sep")
    if not isinstance(delimiter, str) or not delimiter or len(args) > 1 or "maxsplit" in kwargs:
        return limited.split(m, receiver, args, kwargs)
    if receiver.line is not None:
        return split_line(m, receiver, delimiter)
    if any(isinstance(p, str) and delimiter in p for p in receiver.parts):
        return _split_parts(m, receiver, delimiter)
    return v.Pieces(receiver.sql, delimiter)


def split_line(m: Machine, receiver: Sym, delimiter: str) -> v.Ref:
    """A line split into its fields."""
    line = receiver.line
    frame = next((f for f in reversed(m.frames) if f.query.alias == line.alias), None)
    if frame is None:
        raise Refused("a line split outside its own loop", "split lines in the loop over the file")
    strip = line.strip
    frame.query.base.note_split(strip, delimiter)
    return m.new(v.Fields(line.alias, frame.query.base, strip, delimiter))


def _join(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    raise Refused("a separator that depends on rows")


def join(m: Machine, separator: str, items: list[Value]) -> Value:
    """``separator.join(items)`` for a known number of items."""
    pieces: list[Value] = []
    for i, item in enumerate(items):
        if i:
            pieces.append(separator)
        if not isinstance(item, str) and not (isinstance(item, Sym) and item.type == "str"):
            raise Refused(f"join of a {scalars.kind_name(item)}")
        pieces.append(item)
    return scalars.concat(m, pieces) if pieces else ""


def _count(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1 or not isinstance(args[0], str) or not args[0]:
        raise Refused("str.count with these arguments")
    text = scalars.whole(receiver).sql
    tree = sql(
        "(length(_1) - length(replace(_1, _2, ''))) // _3", text, sqlx.literal(args[0]), sqlx.literal(len(args[0]))
    )
    return Sym(tree, "int")


def _find(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1:
        raise Refused("str.find with a start")
    return Sym(sql("strpos(_1, _2) - 1", scalars.whole(receiver).sql, scalars.scalar(args[0]).sql), "int")


def _encode(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if args and str(args[0]).lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise Refused("an encoding other than UTF-8")
    return replace(receiver, type="bytes")


def _title(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    raise Refused("the method str.title")


METHODS: dict[str, Rule] = {
    "strip": _strip("both"),
    "lstrip": _strip("left"),
    "rstrip": _strip("right"),
    "lower": _plain("py_lower(_1)"),
    "upper": _plain("py_upper(_1)"),
    "replace": _replace,
    "startswith": _affix("starts_with(_1, _2)"),
    "endswith": _affix("ends_with(_1, _2)"),
    "partition": limited.partition,
    "rpartition": limited.rpartition,
    "rsplit": limited.rsplit,
    "split": _split,
    "join": _join,
    "count": _count,
    "find": _find,
    "encode": _encode,
}

_PERCENT = re.compile(r"%(?:%|([-+ 0#]*)(\d*)(?:\.(\d+))?([sdifrxeg]))")


def percent_format(m: Machine, template: str, argument: Value) -> Value:
    """``template % argument``."""
    arguments = list(argument) if isinstance(argument, tuple) else [argument]
    pieces: list[Value] = []
    position = 0
    for match in _PERCENT.finditer(template):
        pieces.append(template[position : match.start()])
        position = match.end()
        if match[0] == "%%":
            pieces.append("%")
            continue
        if not arguments:
            raise Refused("a format with too few arguments")
        flags, width, digits, kind = match.groups()
        pieces.append(_formatted(m, arguments.pop(0), flags + width, digits, kind))
    pieces.append(template[position:])
    if arguments or "%" in _PERCENT.sub("", template):
        raise Refused(f"the format {template!r}")
    return scalars.concat(m, pieces)


def template_format(m: Machine, template: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``template.format(*args, **kwargs)`` with plain fields: ``{}``, ``{0}``, ``{name:.2f}``."""
    pieces: list[Value] = []
    given: dict[str, Value] = {str(i): x for i, x in enumerate(args)} | kwargs
    counted = 0
    fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    if "" in fields and any(field[:1].isdigit() for field in fields):
        raise Refused("the script would fail here: numbered and unnumbered fields in one format")
    for text, field, spec, conversion in string.Formatter().parse(template):
        pieces.append(text)
        if field is None:
            continue
        name, counted = (str(counted), counted + 1) if field == "" else (field, counted)
        if name not in given or conversion not in (None, "s") or "{" in (spec or ""):
            raise Refused(f"the field {{{field}}} of a format", "an f-string")
        pieces.append(format_value(m, given[name], spec or ""))
    return scalars.concat(m, pieces)


def format_value(m: Machine, value: Value, spec: str) -> Value:
    """``format(value, spec)`` for fixed-point, integer and plain formats."""
    if not spec:
        return scalars.to_text(m, value)
    match = re.fullmatch(r"(0?\d*)(?:\.(\d+))?([fds])?", spec)
    if match is None or not match[3]:
        raise Refused(f"the format {spec!r}")
    return _formatted(m, value, match[1], match[2], match[3])


def _formatted(m: Machine, value: Value, width: str, digits: str | None, kind: str) -> Value:
    if isinstance(value, v.Choice | v.Poison):
        return scalars.spread(m, value, lambda x: _formatted(m, x, width, digits, kind))
    if not isinstance(value, Sym):
        if not v.is_const(value):
            raise Refused(f"a format of a {scalars.kind_name(value)}")
        precision = "" if digits is None else f".{digits}"
        return f"%{width}{precision}{kind}" % (value,)
    if kind == "s" and not width and digits is None:
        return scalars.to_text(m, value)
    if kind == "r" and not width and digits is None and value.type != "str":
        return scalars.to_text(m, value)
    tree = scalars.number(m, value)
    if kind == "f":
        number = tree if value.type == "float" else sql("CAST(_1 AS DOUBLE)", tree)
        places = sqlx.literal(int(digits) if digits is not None else 6)
        if width:
            raise Refused(f"the format %{width}.{digits}f", "%.2f")
        return Sym(sql("py_fixed(_1, _2)", number, places), "str", name=value.name)
    if kind in "di":
        if value.type not in ("int", "bool"):
            tree = sql("CAST(trunc(_1) AS BIGINT)", tree)
        if not width:
            return Sym(sql("CAST(_1 AS VARCHAR)", tree), "str", name=value.name)
        return Sym(sql("printf(_1, _2)", sqlx.literal(f"%{width}d"), tree), "str", name=value.name)
    raise Refused(f"the format %{width}{kind}")


def subscript(m: Machine, text: Sym, index: Value) -> Value:
    """``text[i]`` or ``text[a:b]`` with constant bounds (``index`` is a slice)."""
    tree = scalars.whole(text).sql
    if text.null:
        m.raise_if(sql("_1 IS NULL", tree), "TypeError", "an index of None")
    if isinstance(index, int):
        position = index + 1 if index >= 0 else index
        m.raise_if(
            sql("length(_1) < _2", tree, sqlx.literal(position if index >= 0 else -index)),
            "IndexError",
            "index out of range",
        )
        return Sym(sql("substr(_1, _2, 1)", tree, sqlx.literal(position)), "str", name=text.name)
    if isinstance(index, slice) and index.step is None:
        return Sym(_slice(m, tree, index.start, index.stop), "str", name=text.name)
    if isinstance(index, slice):
        raise Refused("a slice of a text with a step", "s[a:b] with constant bounds")
    raise Refused("an index that depends on the row into a text, or into a counter per key", "d[k, x] += 1, or s[2]")


def _slice_by_row(m: Machine, tree: exp.Expression, start: Value, stop: Value) -> exp.Expression:
    """``text[:i]`` and ``text[i:]`` with a bound that depends on the row, which must not be negative."""
    bound = start if stop is None else stop
    if (start is not None and stop is not None) or not isinstance(bound, Sym) or bound.type != "int" or bound.null:
        raise Refused("this slice of a text", "text[:i] or text[i:]")
    m.oblige(sql("_1 < 0", bound.sql), "a slice of a text to a negative bound")
    return sql("left(_1, _2)" if start is None else "substr(_1, _2 + 1)", tree, bound.sql)


def _slice(m: Machine, tree: exp.Expression, start: Value, stop: Value) -> exp.Expression:
    if isinstance(start, Sym) or isinstance(stop, Sym):
        return _slice_by_row(m, tree, start, stop)
    start = start or 0
    if start >= 0 and stop is None:
        return sql("substr(_1, _2)", tree, sqlx.literal(start + 1))
    if start >= 0 and stop is not None and stop >= 0:
        return sql("substr(_1, _2, _3)", tree, sqlx.literal(start + 1), sqlx.literal(max(stop - start, 0)))
    if start == 0 and stop is not None and stop < 0:
        return sql("left(_1, _2)", tree, sql("greatest(length(_1) - _2, 0)", tree, sqlx.literal(-stop)))
    if start < 0 and stop is None:
        return sql("right(_1, _2)", tree, sqlx.literal(-start))
    raise Refused("this slice of a text", "s[a:b] with constant bounds")


def joined(m: Machine, node: ast.JoinedStr, evaluate: Callable[[ast.expr], Value]) -> Value:
    """An f-string."""
    pieces: list[Value] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            pieces.append(part.value)
            continue
        value = evaluate(part.value)
        spec = evaluate(part.format_spec) if part.format_spec else ""
        if part.conversion not in (-1, 115, 114) or not isinstance(spec, str) or (part.conversion == 114 and spec):
            raise Refused("this conversion in an f-string")
        pieces.append(_formatted(m, value, "", None, "r") if part.conversion == 114 else format_value(m, value, spec))
    return scalars.concat(m, pieces)
