"""Frames written to files, read back as views."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import files, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_places as places
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, options
from lester_duck.lift.relations import SelectRel
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Obligation
from lester_duck.lift.values import Refused, Sym, Value


def _to_csv(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("path_or_buf", "sep"), "to_csv", sep=",", index=True, header=True, na_rep="",
                     float_format=None, columns=None, date_format=None, encoding=None, lineterminator=None,
                     decimal=".")  # fmt: skip
    if chosen["decimal"] == chosen["sep"] or chosen["decimal"] not in (".", ","):
        raise Refused("to_csv with this decimal=", 'sep=";", decimal=","')
    path = frames.constant(m, chosen["path_or_buf"])
    if not isinstance(path, str):
        raise Refused("to_csv to a path that is no constant")
    path = files.clean_path(path)
    given = m.content(chosen["header"])
    given = frames.strings(m, given) if isinstance(given, v.HList) else None
    if given is None:
        frames.only(chosen, "to_csv", header=(True, False))
    frames.only(chosen, "to_csv", encoding=(None, "utf-8", "utf8"), lineterminator=(None, "\n"))
    if path in m.written:
        raise Refused("a file written twice")
    if chosen["columns"] is not None:
        names = frames.strings(m, chosen["columns"])
        frame = replace(frame, columns=tuple(zip(names, frames.syms(frame, names), strict=True)))
    frame = frames.FRAME_RULES["expanded"](m, frame)
    rows, titles = frame.rows_, frame.names
    if chosen["index"] is not False:
        frame = places.with_index(m, ref, frame)
        rows = frame.rows_
        titles = ["" if n == places.NAME else n for n in frame.names]
    if given is not None:
        titles = [*titles[: len(titles) - len(given)], *given]
    if rows.part is not None:
        frame = frames.taken(m, frame, frames.title_of(m, ref, frame))
    made = m.new(v.HFile(path, "w"))
    m.written[path] = made.id
    held = frame
    m.files["frame written", path] = (held, chosen["sep"])
    header = chosen["sep"].join(str(n) for n in titles) + "\n" if chosen["header"] else ""
    printed = _view(m, held, chosen, path)
    columns = tuple(n for n, _ in printed.outputs)
    line = Sym(sqlx.column(printed.token, columns[0]), "str")
    written = v.Written(printed, columns, chosen["sep"], "\n", True, line)
    m.update(made, v.HFile(path, "w", (header, written) if header else (written,)))
    return None


def _moments(m: Machine, frame: Frame, sym: Sym, form: str | None, times: bool) -> Tree:
    """Moments as pandas writes them: as dates where none of the column is within a day, else all with their time."""
    if form:
        return sql("strftime(_1, _2)", sym.sql, sqlx.literal(form))
    late = sql("_1 <> date_trunc('day', _1)", sym.sql)
    if not times:
        frames.owe(m, frame.rows_, late, f"a moment within the day in {sym.name}, written as a date")
        return sql("CAST(_1 AS DATE)", sym.sql)
    rows, message = frame.rows_, f"only dates in {sym.name}, written as moments"
    m.obligations.append(Obligation(rows.query(), rows.where, late, message, m.line, some=True))
    odd = sql("_1 <> date_trunc('second', _1)", sym.sql)
    frames.owe(m, rows, odd, f"a fraction of a second in {sym.name}, written without it")
    return sql("strftime(_1, _2)", sym.sql, sqlx.literal("%Y-%m-%d %H:%M:%S"))


def _view(m: Machine, frame: Frame, chosen: dict, path: str) -> SelectRel:
    """The cells as they are printed: floats as ``repr``, moments as pandas writes them."""
    rows = frame.rows_
    lines = (rows.since or m.line, m.line)
    printed = SelectRel(name=files.relation_name(path), what=path, lines=lines, query=rows.query())
    for place, ((_, sym), shown) in enumerate(zip(frame.columns, _names(frame), strict=True)):
        if not isinstance(sym, Sym):
            raise Refused("encoded columns written to a file")
        plain = sym.whole is not None and not chosen["na_rep"]
        if plain and whole.was_whole(m, path, chosen["sep"], place):
            sym = whole.settled(m, sym)
        elif plain and sym.type == "float" and path in m.observed.writes:
            whole.as_floats(m, sym)
        tree = sym.sql
        if sym.type == "float" and chosen["float_format"] is not None:
            tree = _formatted(sym, chosen["float_format"])
        elif sym.type == "float":
            tree = sql("CAST(_1 AS DOUBLE)", sym.sql)
        elif sym.type == "datetime":
            tree = _moments(m, frame, sym, chosen["date_format"], whole.had_times(m, path, chosen["sep"], place))
        elif sym.type in ("timedelta", "days", "pieces"):
            raise Refused(f"a column of {sym.type} written to a file")
        if sym.type == "float" and chosen["decimal"] != ".":
            text = scalars.to_text(m, replace(sym, null=False)).sql if chosen["float_format"] is None else tree
            tree = sql("replace(_1, '.', _2)", text, sqlx.literal(chosen["decimal"]))
            sym = replace(sym, type="str")
        if chosen["na_rep"] and chosen["decimal"] != ".":
            raise Refused("to_csv with decimal= and na_rep=")
        if chosen["na_rep"]:
            tree = sql("coalesce(_1, _2)", scalars.scalar(scalars.to_text(m, replace(sym, null=False))).sql,
                       sqlx.literal(chosen["na_rep"]))  # fmt: skip
        printed.outputs.append((shown, replace(sym, sql=tree)))
    return printed


def _names(frame: Frame) -> list[str]:
    from lester_duck.lift.relations import free_name
    from lester_duck.lift.render import column_name

    taken: list[str] = []
    for name, _ in frame.columns:
        taken.append(free_name(column_name(str(name)), set(taken)))
    return taken


def _formatted(sym: Sym, form: str) -> object:
    import re

    match = re.fullmatch(r"%\.(\d+)f", form) if isinstance(form, str) else None
    if match is None:
        raise Refused(f"to_csv with float_format={form!r}", '"%.3f"')
    return sql("printf(_1, CAST(_2 AS DOUBLE))", sqlx.literal(form), sym.sql)


frames.FRAME_METHODS["to_csv"] = _to_csv
