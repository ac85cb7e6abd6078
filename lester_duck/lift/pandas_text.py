"""``.str``, ``.dt``, ``to_datetime`` and ``to_numeric``."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_lists, scalars, sqlx, strings
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.pandas_patterns import pattern_of
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def text_of(accessor: Accessor) -> Series:
    """The series behind ``.str``."""
    return accessor.of


def changed(series: Series, tree: exp.Expression, kind: str = "str", null: bool | None = None) -> Series:
    """A series with another expression."""
    sym = series.sym
    null = sym.null if null is None else null
    return Series(series.rows_, Sym(tree, kind, null=null, nan=True, name=sym.name))


def _condition(series: Series, tree: exp.Expression, na: Value = False) -> Series:
    if series.sym.null:
        if not isinstance(na, bool):
            na = False
        tree = sql("coalesce(_1, _2)", tree, sqlx.literal(na))
    return Series(series.rows_, Sym(tree, "bool"))


def _str(m: Machine, series: Series) -> Accessor:
    if series.sym.type == "pieces":
        return Accessor(series, ".str", PIECES)
    if series.sym.type.startswith(pandas_lists.MARK):
        return Accessor(series, ".str", pandas_lists.LISTS)
    if series.sym.type != "str":
        raise Refused(f".str of a column of {series.sym.type}")
    return Accessor(series, ".str", TEXT)


def _plain(name: str) -> frames.SeriesRule:
    def rule(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        series = text_of(accessor)
        made = strings.text_method(m, replace(series.sym, null=False), name, list(args), kwargs)
        return changed(series, made.sql, made.type)

    return rule


def _template(template: str, kind: str = "str") -> frames.SeriesRule:
    def rule(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if kwargs:
            raise Refused(".str with these arguments")
        series = text_of(accessor)
        operands = [scalars.scalar(m.content(a)).sql for a in args]
        made = changed(series, sql(template, series.sym.sql, *operands), kind)
        if kind == "bool":
            return _condition(series, made.sym.sql)
        if kind == "int" and series.sym.null:
            return replace(made, sym=replace(made.sym, type="float"))
        return made

    return rule


def _contains(how: str) -> frames.SeriesRule:
    def rule(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("pat", "case", "flags", "na", "regex"), f".str.{how}", case=True, flags=0,
                         na=False, regex=True)  # fmt: skip
        series, pattern = text_of(accessor), frames.constant(m, chosen["pat"])
        if not isinstance(pattern, str):
            raise Refused(f".str.{how} of a pattern that depends on rows")
        if not chosen["regex"] or (how == "contains" and not set(pattern) & set(r".^$*+?{}[]\|()") and chosen["case"]
                                   and not chosen["flags"]):  # fmt: skip
            if not chosen["case"]:
                raise Refused(".str.contains without case and regex")
            return _condition(series, sql("contains(_1, _2)", series.sym.sql, sqlx.literal(pattern)), chosen["na"])
        ignore = not chosen["case"] or bool(int(chosen["flags"]) & 2)
        said = pattern_of(m, series, pattern, ignore)
        said = {"contains": said, "match": f"^(?:{said})", "fullmatch": f"^(?:{said})\\z"}[how]
        return _condition(series, sql("regexp_matches(_1, _2)", series.sym.sql, sqlx.literal(said)), chosen["na"])

    return rule


def _affix(template: str) -> frames.SeriesRule:
    def rule(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("pat", "na"), ".str.startswith", na=False)
        series, wanted = text_of(accessor), frames.constant(m, chosen["pat"])
        tree: exp.Expression = exp.false()
        for affix in wanted if isinstance(wanted, tuple) else (wanted,):
            tree = sqlx.disjunction(tree, sql(template, series.sym.sql, sqlx.literal(affix)))
        return _condition(series, tree, chosen["na"])

    return rule


def _replace(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("pat", "repl", "n", "case", "flags", "regex"), ".str.replace", n=-1, case=None,
                     flags=0, regex=False)  # fmt: skip
    frames.only(chosen, ".str.replace", n=(-1,), case=(None, True), flags=(0,))
    series = text_of(accessor)
    pattern, new = frames.constant(m, chosen["pat"]), frames.constant(m, chosen["repl"])
    if not isinstance(pattern, str) or not isinstance(new, str) or pattern == "":
        raise Refused(".str.replace with a function or a compiled pattern", ".str.replace(old, new)")
    if not chosen["regex"]:
        return changed(series, sql("replace(_1, _2, _3)", series.sym.sql, sqlx.literal(pattern), sqlx.literal(new)))
    if "\\g" in new:
        raise Refused(".str.replace with named groups")
    said = sqlx.literal(pattern_of(m, series, pattern, kept=True))
    tree = sql("regexp_replace(_1, _2, _3, 'g')", series.sym.sql, said, sqlx.literal(new))
    return changed(series, tree)


def _extract(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("pat", "flags", "expand"), ".str.extract", flags=0, expand=True)
    frames.only(chosen, ".str.extract", flags=(0, 2))
    series, pattern = text_of(accessor), frames.constant(m, chosen["pat"])
    said = sqlx.literal(pattern_of(m, series, pattern, chosen["flags"] == 2))
    names = group_names(pattern)
    columns = []
    for i, (name, optional) in enumerate(names):
        found = sql("regexp_extract(_1, _2, _3)", series.sym.sql, said, sqlx.literal(i + 1))
        if optional:
            found = sql("nullif(_1, '')", found)
        else:
            found = sqlx.case(sql("regexp_matches(_1, _2)", series.sym.sql, said), found, exp.null())
        columns.append((name, Sym(found, "str", null=True, nan=True, name=series.sym.name)))
    if not columns:
        raise Refused(".str.extract without a group")
    if len(columns) == 1 and chosen["expand"] is False:
        return Series(series.rows_, columns[0][1])
    return m.new(Frame(series.rows_, tuple(columns)))


def group_names(pattern: str) -> list[tuple[Value, bool]]:
    """The groups of a pattern: name or number, and whether a match always fills it with at least a character.

    >>> group_names(r"(\\\\d+)(?P<unit>m2)?")
    [(0, True), ('unit', True)]
    """
    import re

    compiled = re.compile(pattern)
    named = {index: name for name, index in compiled.groupindex.items()}
    return [(named.get(i + 1, i), _never_empty(pattern, i + 1)) for i in range(compiled.groups)]


def _never_empty(pattern: str, group: int) -> bool:
    import re._parser as parser

    def search(items: object) -> bool:
        for op, value in items:
            if op is parser.SUBPATTERN:
                if value[0] == group:
                    return value[3].getwidth()[0] > 0
                if search(value[3]):
                    return True
            elif op in (parser.MAX_REPEAT, parser.MIN_REPEAT):
                if search(value[2]):
                    return True
            elif op is parser.BRANCH and any(search(branch) for branch in value[1]):
                return True
        return False

    return search(parser.parse(pattern))


def _split(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("pat", "n", "expand"), ".str.split", pat=None, n=-1, expand=False, regex=None)
    series, separator = text_of(accessor), frames.constant(m, chosen["pat"])
    plain = separator is None or (len(separator) == 1 or not set(separator) & set(r".^$*+?{}[]\|()"))
    if not plain or (separator is None and chosen["n"] not in (-1, 0)):
        raise Refused(".str.split at a pattern", ".str.split(separator)")
    limit = chosen["n"]
    if limit not in (-1, 0) and not (chosen["expand"] or limit >= 1):
        raise Refused(".str.split with n=")
    if separator is None:
        tree = sql("py_split(_1)", series.sym.sql)
    else:
        tree = sql("string_split(_1, _2)", series.sym.sql, sqlx.literal(separator))
    pieces = Series(series.rows_, Sym(tree, "pieces", null=series.sym.null, nan=True, name=series.sym.name,
                                      categories=(limit, separator)))  # fmt: skip
    if not chosen["expand"]:
        return pieces
    if limit < 1:
        return frames.FRAME_RULES["parts"](pieces, _piece)
    return m.new(Frame(series.rows_, tuple((i, _piece(pieces, i).sym) for i in range(limit + 1))))


def _piece(series: Series, index: int) -> Series:
    sym = series.sym
    limit, separator = sym.categories or (-1, None)
    position = index + 1 if index >= 0 else index
    tree = exp.Anonymous(this="list_extract", expressions=[sym.sql.copy(), sqlx.literal(position)])
    if limit not in (-1, 0):
        if index < 0 or index > limit:
            raise Refused("this piece of a split with n=")
        if index == limit:
            rest = exp.Anonymous(
                this="list_slice", expressions=[sym.sql.copy(), sqlx.literal(position), sql("len(_1)", sym.sql)]
            )
            tree = sql("array_to_string(_1, _2)", rest, sqlx.literal(separator))
            tree = sqlx.case(sql("len(_1) > _2", sym.sql, sqlx.literal(index)), tree, exp.null())
    return Series(series.rows_, Sym(tree, "str", null=True, nan=True, name=sym.name))


def _item(m: Machine, accessor: Accessor, index: Value) -> Value:
    series = text_of(accessor)
    if series.sym.type == "pieces":
        if type(index) is not int:
            raise Refused("a slice of the pieces of a text")
        return _piece(series, index)
    text = series.sym.sql
    if type(index) is int:
        position = index + 1 if index >= 0 else index
        tree = sql("nullif(substr(_1, _2, 1), '')", text, sqlx.literal(position))
        if index < 0:
            tree = sqlx.case(sql("length(_1) >= _2", text, sqlx.literal(-index)), tree, exp.null())
        return changed(series, tree, null=True)
    if isinstance(index, slice) and index.step is None:
        made = strings.subscript(m, replace(series.sym, null=False), index)
        return changed(series, made.sql)
    raise Refused("this slice of a text")


def _get(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return _item(m, accessor, options(kwargs, args, ("i",), ".str.get")["i"])


def _slice(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("start", "stop"), ".str.slice", start=None, stop=None)
    return _item(m, accessor, slice(chosen["start"], chosen["stop"]))


def _zfill(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    width = options(kwargs, args, ("width",), ".str.zfill")["width"]
    series = text_of(accessor)
    frames.owe(m, series.rows_, sql("regexp_matches(_1, '^[+-]')", series.sym.sql), "a sign before zfill")
    text = series.sym.sql
    tree = sqlx.case(
        sql("length(_1) >= _2", text, sqlx.literal(width)), text, sql("lpad(_1, _2, '0')", text, sqlx.literal(width))
    )
    return changed(series, tree)


def _cat(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("others", "sep"), ".str.cat", others=None, sep="")
    other = m.content(chosen["others"])
    if not isinstance(other, Series):
        raise Refused(".str.cat of this", ".str.cat(series, sep=...)")
    series = text_of(accessor)
    if chosen["sep"]:
        import ast

        series = series_rules.operate(m, ast.Add, series, chosen["sep"])
    import ast

    return series_rules.operate(m, ast.Add, series, other)


def _length(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    series = text_of(accessor)
    template = "len(_1)" if series.sym.type == "pieces" else "length(_1)"
    if series.sym.type == "pieces" and series.sym.categories[0] not in (-1, 0):
        template = f"least(len(_1), {series.sym.categories[0] + 1})"
    return _counted(m, changed(series, sql(template, series.sym.sql), "int"))


def _find(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``.str.find(part)``: where a text first occurs, -1 where it does not."""
    if len(args) != 1 or kwargs or not isinstance(args[0], str):
        raise Refused(".str.find() with these parameters", '.str.find("x")')
    series = text_of(accessor)
    return _counted(m, changed(series, sql("strpos(_1, _2) - 1", series.sym.sql, sqlx.literal(args[0])), "int"))


def _count(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    pattern = options(kwargs, args, ("pat",), ".str.count")["pat"]
    series = text_of(accessor)
    said = sqlx.literal(pattern_of(m, series, pattern, kept=True))
    tree = sql("len(regexp_extract_all(_1, _2))", series.sym.sql, said)
    return _counted(m, changed(series, tree, "int"))


def _counted(m: Machine, series: Series) -> Series:
    """Whole numbers, unless one is missing."""
    if not series.sym.null:
        return series
    return Series(series.rows_, whole.unless(m, series.rows_, replace(series.sym, type="float")))


TEXT = {
    **{name: _plain(name) for name in ("lower", "upper", "strip", "lstrip", "rstrip")},
    "title": _template("py_title(_1)"), "capitalize": _template("py_capitalize(_1)"),
    "contains": _contains("contains"), "match": _contains("match"), "fullmatch": _contains("fullmatch"),
    "startswith": _affix("starts_with(_1, _2)"), "endswith": _affix("ends_with(_1, _2)"), "replace": _replace,
    "extract": _extract, "split": _split, "[]": _item, "get": _get, "slice": _slice, "zfill": _zfill, "cat": _cat,
    "len": _length, "count": _count, "find": _find,
}  # fmt: skip
PIECES = {"[]": _item, "get": _get, "len": _length}


frames.SERIES_ATTRIBUTES["str"] = _str
