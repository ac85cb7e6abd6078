"""Random small sources, pipelines over them, and changes of them, drawn from one source of randomness.

A view is drawn as a template: ``{*x}`` stands for every user column of alias ``x``. The same text is
then run by the engine and, with the relations as plain tables that have ``_pos`` as a column, by
DuckDB alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pyarrow as pa

from lester_duck.pipeline.model import Column, Function, Pipeline, Source, View

INT, TEXT, REAL = "INTEGER", "VARCHAR", "DOUBLE"
ARROW = {INT: pa.int32(), TEXT: pa.string(), REAL: pa.float64()}
VALUES = {INT: (0, 1, 2, 3, None), TEXT: ("", "x", "y", "X ", None), REAL: (0.0, 0.5, -1.5, 2.0, None)}

CODE = '''
def grade(n):
    """A number for a number, none included."""
    return -1 if n is None else (n * 7) % 4


def loud(text):
    """Fails on the empty text."""
    if text == "":
        raise ValueError("nothing to shout")
    return None if text is None else text.strip().upper() + "!"
'''
FUNCTIONS = (
    Function(name="grade", arguments=(Column(name="n", type="INTEGER"),), returns="INTEGER"),
    Function(name="loud", arguments=(Column(name="text", type="VARCHAR"),), returns="VARCHAR"),
)
MACROS = """
CREATE MACRO grade(n) AS CASE WHEN n IS NULL THEN -1 ELSE (n * 7) % 4 END;
CREATE MACRO loud(t) AS upper(trim(t)) || '!';
"""


@dataclass(frozen=True)
class Shape:
    """A relation a view may read: its name and typed columns."""

    name: str
    columns: tuple[tuple[str, str], ...]

    def of(self, *types: str) -> list[str]:
        """Columns of these types (of any, when none is named)."""
        return [n for n, t in self.columns if not types or t in types]

    def type(self, name: str) -> str:
        """The type of a column."""
        return dict(self.columns)[name]


@dataclass(frozen=True)
class Drawn:
    """A drawn view: its columns, its template, its own order, and the aliases whose order breaks ties.

    ``ties`` is None where DuckDB alone cannot say the whole order, empty where the template does.
    """

    shape: Shape
    template: str
    order: str = ""
    ties: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        """The template with its own order."""
        return self.template + (f" ORDER BY {self.order}" if self.order else "")

    @property
    def sql(self) -> str:
        """The text of the view."""
        return re.sub(r"\{\*(\w+)\}", r"\1.*", self.text)

    @property
    def plain(self) -> str:
        """The text for relations that have ``_pos`` among their columns."""
        return re.sub(r"\{\*(\w+)\}", r"\1.* EXCLUDE (_pos)", self.text)

    @property
    def ordered(self) -> str | None:
        """As ``plain``, with the whole order spelled out."""
        if self.ties is None:
            return None
        whole = ", ".join([*([self.order] if self.order else []), *(f"{alias}._pos" for alias in self.ties)])
        text = re.sub(r"\{\*(\w+)\}", r"\1.* EXCLUDE (_pos)", self.template)
        return f"{text} ORDER BY {whole}" if whole else text


@dataclass
class Program:
    """A pipeline, the rows of its sources, and its views as drawn."""

    pipeline: Pipeline
    data: dict[str, pa.Table]
    views: list[Drawn] = field(default_factory=list)


# --- sources -----------------------------------------------------------------------------------------

SOURCES = (
    Shape("t", (("k", INT), ("a", INT), ("b", TEXT), ("c", REAL))),
    Shape("u", (("k", INT), ("a", INT), ("e", TEXT))),
    Shape("w", (("a", INT), ("f", REAL))),
)


def draw_row(r: Random, shape: Shape, key: int | None) -> dict:
    """One row; a keyed source has ``k`` = ``key``."""
    row = {name: r.choice(VALUES[kind]) for name, kind in shape.columns}
    if key is not None:
        row["k"] = key
    return row


def table_of(shape: Shape, rows: list[dict], extra: tuple[tuple[str, pa.DataType], ...] = ()) -> pa.Table:
    """Rows as Arrow."""
    schema = pa.schema([(n, ARROW[t]) for n, t in shape.columns] + list(extra))
    return pa.Table.from_pylist(rows, schema=schema)


def draw_program(r: Random, views: int) -> Program:
    """Two or three sources, some keyed, and up to ``views`` views."""
    shapes = list(SOURCES[: r.randint(2, 3)])
    sources, data = [], {}
    for shape in shapes:
        keyed = "k" in shape.of() and r.random() < 0.5
        rows = [draw_row(r, shape, n if keyed else None) for n in range(r.randint(0, 7))]
        data[shape.name] = table_of(shape, rows)
        columns = tuple(Column(name=n, type=t) for n, t in shape.columns)
        sources.append(Source(name=shape.name, format="table", columns=columns, key=("k",) if keyed else ()))
    drawn: list[Drawn] = []
    for number in range(1, r.randint(1, views) + 1):
        drawn.append(draw_view(r, f"v{number}", [*shapes, *(d.shape for d in drawn), *(d.shape for d in drawn[-1:])]))
    pipeline = Pipeline(
        name="random", sources=tuple(sources), code=CODE, functions=FUNCTIONS,
        views=tuple(View(name=d.shape.name, sql=d.sql) for d in drawn),
    )  # fmt: skip
    return Program(pipeline, data, drawn)


# --- views -------------------------------------------------------------------------------------------


def draw_view(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    """A view of any kind over some of ``shapes``."""
    return r.choice(KINDS)(r, name, shapes)


def _predicate(r: Random, alias: str, shape: Shape) -> str:
    column = r.choice(shape.of())
    q, kind = f"{alias}.{column}", shape.type(column)
    if kind == TEXT:
        return r.choice([f"{q} <> 'x'", f"{q} = ''", f"{q} IS NULL", f"{q} IN ('x', 'y')", f"coalesce({q}, 'y') > 'a'"])
    return r.choice([f"{q} > 0", f"{q} IS NOT NULL", f"{q} <= 2", f"{q} IS DISTINCT FROM 1", f"NOT ({q} = 0)"])


def _expression(r: Random, alias: str, shape: Shape) -> tuple[str, str]:
    column = r.choice(shape.of())
    q, kind = f"{alias}.{column}", shape.type(column)
    if kind == TEXT:
        return r.choice([
            (q, TEXT), (f"upper({q})", TEXT), (f"length({q})::INTEGER", INT), (f"coalesce({q}, '-')", TEXT),
            (f"CASE WHEN {q} <> '' THEN loud({q}) ELSE '?' END", TEXT),
        ])  # fmt: skip
    if kind == INT:
        return r.choice([
            (q, INT), (f"{q} + 1", INT), (f"CASE WHEN {q} > 1 THEN 'big' ELSE 'small' END", TEXT),
            (f"grade({q})", INT), (f"{q} * 0.5::DOUBLE", REAL),
        ])  # fmt: skip
    return r.choice([(q, REAL), (f"{q} * 2", REAL), (f"coalesce({q}, 0)", REAL)])


def _projections(r: Random, inputs: list[tuple[str, Shape]], at_least: int = 1) -> list[tuple[str, str, str]]:
    """(expression, name, type); names may shadow columns of the inputs."""
    chosen = []
    for number in range(1, r.randint(at_least, 4) + 1):
        alias, shape = r.choice(inputs)
        text, kind = _expression(r, alias, shape)
        taken = {n for _, n, _ in chosen}
        name = r.choice([n for n in (*shape.of(), f"p{number}", f"n{number}") if n not in taken])
        chosen.append((text, name, kind))
    return chosen


def _no_calls(r: Random, inputs: list[tuple[str, Shape]], at_least: int = 1) -> list[tuple[str, str, str]]:
    return [p for p in _projections(r, inputs, at_least) if "grade(" not in p[0] and "loud(" not in p[0]] or [
        ("1", "one", INT)
    ]


def _shown(projections: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"{text} AS {name}" for text, name, _ in projections)


def _shape(name: str, projections: list[tuple[str, str, str]]) -> Shape:
    return Shape(name, tuple((n, t) for _, n, t in projections))


def _order_clause(r: Random, projections: list[tuple[str, str, str]]) -> str:
    """An ORDER BY over output names, or nothing."""
    if r.random() < 0.7:
        return ""
    names = [n for _, n, _ in projections]
    terms = [f"{n} {r.choice(['', 'ASC', 'DESC', 'DESC NULLS FIRST'])}" for n in r.sample(names, min(2, len(names)))]
    return ", ".join(terms)


def _select(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    shape = r.choice(shapes)
    where = f" WHERE {_predicate(r, 'x', shape)}" if r.random() < 0.6 else ""
    if r.random() < 0.2 and "a" in shape.of(INT):
        where = " WHERE grade(x.a) > 0" + (f" AND {_predicate(r, 'x', shape)}" if where else "")
    if r.random() < 0.25:
        return Drawn(Shape(name, shape.columns), f"SELECT {{*x}} FROM {shape.name} AS x{where}", ties=("x",))
    shown = _projections(r, [("x", shape)])
    order = _order_clause(r, shown)
    sql = f"SELECT {_shown(shown)} FROM {shape.name} AS x{where}"
    return Drawn(_shape(name, shown), sql, order, ("x",))


def _condition(r: Random, left: tuple[str, Shape], right: tuple[str, Shape]) -> str:
    pairs = [
        (f"{left[0]}.{a}", f"{right[0]}.{b}")
        for a, ta in left[1].columns for b, tb in right[1].columns if (ta == TEXT) == (tb == TEXT)
    ]  # fmt: skip
    if not pairs:
        return "true"
    a, b = r.choice(pairs)
    kinds = [f"{a} = {b}"] * 5 + [f"{a} IS NOT DISTINCT FROM {b}", f"{a} < {b}", f"{a} = {b} AND {b} IS NOT NULL"]
    return r.choice(kinds)


def _from(r: Random, shapes: list[Shape], most: int = 3) -> tuple[str, list[tuple[str, Shape]]]:
    """A FROM clause of one to ``most`` relations, the same one twice at times."""
    inputs = [("x", r.choice(shapes))]
    text = f"{inputs[0][1].name} AS x"
    for alias in ("y", "z")[: r.randint(1, most - 1)]:
        shape = r.choice(shapes)
        kind = r.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        kind = "CROSS JOIN" if r.random() < 0.05 else kind
        on = "" if kind == "CROSS JOIN" else f" ON {_condition(r, r.choice(inputs), (alias, shape))}"
        text += f" {kind} {shape.name} AS {alias}{on}"
        inputs.append((alias, shape))
    return text, inputs


def _join(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    text, inputs = _from(r, shapes)
    shown = _projections(r, inputs, 2)
    where = f" WHERE {_predicate(r, *r.choice(inputs))}" if r.random() < 0.3 else ""
    order = _order_clause(r, shown)
    ties = None if "RIGHT" in text else tuple(a for a, _ in inputs)
    return Drawn(_shape(name, shown), f"SELECT {_shown(shown)} FROM {text}{where}", order, ties)


def _semi(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    left, right = r.choice(shapes), r.choice(shapes)
    shown = _projections(r, [("x", left)])
    on = _condition(r, ("x", left), ("y", right))
    where = f" WHERE {_predicate(r, 'x', left)}" if r.random() < 0.3 else ""
    kind = r.choice(["SEMI", "ANTI"])
    sql = f"SELECT {_shown(shown)} FROM {left.name} AS x {kind} JOIN {right.name} AS y ON {on}{where}"
    return Drawn(_shape(name, shown), sql, ties=("x",))


def _subquery(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    left, right = r.choice(shapes), r.choice(shapes)
    shown = _no_calls(r, [("x", left)])
    column = r.choice(left.of())
    same = [c for c in right.of() if (right.type(c) == TEXT) == (left.type(column) == TEXT)] or ["NULL"]
    inner = r.choice(same)
    inner = inner if inner == "NULL" else f"y.{inner}"
    on = _condition(r, ("x", left), ("y", right))
    test = r.choice([
        f"x.{column} IN (SELECT {inner} FROM {right.name} AS y WHERE {_predicate(r, 'y', right)})",
        f"x.{column} NOT IN (SELECT {inner} FROM {right.name} AS y)",
        f"EXISTS (SELECT 1 FROM {right.name} AS y WHERE {on})",
        f"NOT EXISTS (SELECT 1 FROM {right.name} AS y WHERE {on})",
        f"x.{column} >= (SELECT min({inner}) FROM {right.name} AS y)",
        f"(SELECT count(*) FROM {right.name} AS y WHERE {on}) > 1",
        f"({_predicate(r, 'x', left)} OR EXISTS (SELECT 1 FROM {right.name} AS y WHERE {on}))",
        f"x.{column} IN (SELECT {inner} FROM {right.name} AS y EXCEPT SELECT {inner} FROM {right.name} AS y "
        f"WHERE {_predicate(r, 'y', right)})",
        f"EXISTS (SELECT 1 FROM {right.name} AS y WHERE {_predicate(r, 'y', right)})",
        f"x.{column} = (SELECT {inner} FROM {right.name} AS y ORDER BY y._pos LIMIT 1)",
        f"x.{column} IS DISTINCT FROM (SELECT {inner} FROM {right.name} AS y WHERE {on} ORDER BY y._pos LIMIT 1)",
    ])  # fmt: skip
    if r.random() < 0.4:
        shown = [p for p in shown if p[1] != "found"]
        shown.append((f"CASE WHEN {test} THEN 1 ELSE 0 END", "found", INT))
        return Drawn(_shape(name, shown), f"SELECT {_shown(shown)} FROM {left.name} AS x", ties=("x",))
    extra = f" AND {_predicate(r, 'x', left)}" if r.random() < 0.4 else ""
    return Drawn(_shape(name, shown), f"SELECT {_shown(shown)} FROM {left.name} AS x WHERE {test}{extra}", ties=("x",))


def _aggregate(r: Random, alias: str, shape: Shape) -> tuple[str, str]:
    column = r.choice(shape.of())
    q, kind = f"{alias}.{column}", shape.type(column)
    ordered = [
        (f"last({q} ORDER BY {alias}._pos)", kind), (f"first({q} ORDER BY {alias}._pos)", kind),
        (f"arg_max({q}, {alias}._pos)", kind),
        (f"string_agg({q}::VARCHAR, ',' ORDER BY {alias}._pos DESC)", TEXT),
        (f"count({q})::INTEGER", INT), ("count(*)::INTEGER", INT), (f"min({q})", kind), (f"max({q})", kind),
        (f"count(DISTINCT {q})::INTEGER", INT), (f"count(*) FILTER (WHERE {q} IS NOT NULL)::INTEGER", INT),
    ]  # fmt: skip
    if kind != TEXT:
        ordered += [(f"sum({q})::{kind}", kind), (f"avg({q})", REAL), (f"sum({q} * 2)::{kind}", kind)]
    return r.choice(ordered)


def _group(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    text, inputs = _from(r, shapes, 2) if r.random() < 0.4 else ((s := r.choice(shapes)).name + " AS x", [("x", s)])
    keys = []
    for number in range(1, r.choice([0, 1, 1, 1, 2]) + 1):
        alias, shape = r.choice(inputs)
        expression, kind = _expression(r, alias, shape)
        keys.append((expression, f"g{number}", kind))
    aggregates = []
    for number in range(1, r.randint(1, 3) + 1):
        aggregates.append((*_aggregate(r, *r.choice(inputs)), f"s{number}"))
    shown = keys + [(e, n, t) for e, t, n in aggregates]
    hidden = bool(keys) and r.random() < 0.2
    listed = shown[len(keys) :] if hidden else shown
    where = f" WHERE {_predicate(r, *r.choice(inputs))}" if r.random() < 0.3 else ""
    by = " GROUP BY " + ", ".join(e for e, _, _ in keys) if keys else ""
    if keys and not hidden and r.random() < 0.2:
        by = " GROUP BY ALL"
    having = " HAVING " + r.choice(["count(*) > 1", "min(1) = 1"]) if r.random() < 0.25 else ""
    return Drawn(_shape(name, listed), f"SELECT {_shown(listed)} FROM {text}{where}{by}{having}")


def _distinct(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    shape = r.choice(shapes)
    shown = _no_calls(r, [("x", shape)])
    if r.random() < 0.5:
        return Drawn(_shape(name, shown), f"SELECT DISTINCT {_shown(shown)} FROM {shape.name} AS x")
    on = r.choice(shape.of())
    order = r.choice(["x._pos", "x._pos DESC"])
    sql = f"SELECT DISTINCT ON (x.{on}) {_shown(shown)} FROM {shape.name} AS x"
    return Drawn(_shape(name, shown), sql, order, ())


def _window(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    shape = r.choice(shapes)
    shown = _no_calls(r, [("x", shape)])
    by = r.sample(shape.of(), r.choice([0, 1, 1, 2]) if len(shape.of()) > 1 else 1)
    partition = f"PARTITION BY {', '.join(f'x.{c}' for c in by)} " if by else ""
    over = f"OVER ({partition}ORDER BY x._pos{r.choice(['', ' DESC'])})"
    column = r.choice(shape.of())
    functions = [
        (f"row_number() {over}::INTEGER", INT), (f"lag(x.{column}) {over}", shape.type(column)),
        (f"count(x.{column}) OVER ({partition.strip()})::INTEGER", INT),
        (f"last_value(x.{column}) {over}", shape.type(column)),
    ]  # fmt: skip
    numbers = shape.of(INT, REAL)
    if numbers:
        functions.append((f"sum(x.{numbers[0]}) {over}::DOUBLE", REAL))
    free = [n for n in ("o1", "o2", "o3", "o4", "o5", "o6") if n not in {name for _, name, _ in shown}]
    for free_name, (text, kind) in zip(free, r.sample(functions, r.randint(1, 2))):
        shown.append((text, free_name, kind))
    qualify = f" QUALIFY row_number() {over} <= {r.randint(1, 2)}" if r.random() < 0.4 else ""
    return Drawn(_shape(name, shown), f"SELECT {_shown(shown)} FROM {shape.name} AS x{qualify}", ties=("x",))


def _union(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    width = r.randint(1, 2)
    branches, kinds = [], None
    for _ in range(r.randint(2, 3)):
        shape = r.choice(shapes)
        picked = []
        for kind in kinds or [None] * width:
            candidates = shape.of(kind) if kind else shape.of()
            picked.append((f"x.{r.choice(candidates)}" if candidates else "NULL", kind))
        if kinds is None:
            kinds = [shape.type(text[2:]) for text, _ in picked]
        texts = [t if t != "NULL" else f"NULL::{k}" for (t, _), k in zip(picked, kinds)]
        where = f" WHERE {_predicate(r, 'x', shape)}" if r.random() < 0.4 else ""
        shown = ", ".join(f"{t} AS p{n}" for n, t in enumerate(texts, 1))
        branches.append(f"SELECT {shown} FROM {shape.name} AS x{where}")
    text = branches[0]
    same = r.choice([" UNION ALL ", " UNION ", *SET_OPERATIONS])
    for branch in branches[1:]:
        text += r.choice([same, same, r.choice(SET_OPERATIONS)]) + branch
    return Drawn(Shape(name, tuple((f"p{n}", k) for n, k in enumerate(kinds, 1))), text)


SET_OPERATIONS = (" UNION ALL ", " UNION ", " EXCEPT ", " EXCEPT ALL ", " INTERSECT ", " INTERSECT ALL ")


def _limit(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    """LIMIT and OFFSET under an order whose ties the position breaks."""
    shape = r.choice(shapes)
    shown = _no_calls(r, [("x", shape)])
    where = f" WHERE {_predicate(r, 'x', shape)}" if r.random() < 0.3 else ""
    order = r.choice([f"x.{r.choice(shape.of())} {r.choice(['', 'DESC'])}, x._pos", "x._pos", "x._pos DESC"])
    cut = r.choice([f"LIMIT {r.randint(0, 4)}", f"LIMIT {r.randint(1, 3)} OFFSET {r.randint(1, 3)}", "OFFSET 2"])
    return Drawn(
        _shape(name, shown), f"SELECT {_shown(shown)} FROM {shape.name} AS x{where} ORDER BY {order} {cut}", ties=()
    )


def _asof(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    """The nearest row of another relation; only what equally near rows have in common is shown."""
    left, right = r.choice(shapes), r.choice(shapes)
    pairs = [(a, b) for a in left.of(INT, REAL) for b in right.of(INT, REAL)]
    if not pairs:
        return _join(r, name, shapes)
    (a, b), kind = r.choice(pairs), r.choice(["ASOF JOIN", "ASOF LEFT JOIN"])
    test = r.choice([f"x.{a} >= y.{b}", f"x.{a} < y.{b}", f"y.{b} <= x.{a}", f"y.{b} > x.{a}"])
    same = [(c, d) for c in left.of(TEXT) for d in right.of(TEXT)] if r.random() < 0.6 else []
    on = test + "".join(f" AND x.{c} = y.{d}" for c, d in same[:1])
    shown = [*_no_calls(r, [("x", left)]), (f"y.{b}", "near", right.type(b))]
    shown = list({n: (t, n, k) for t, n, k in shown}.values())
    where = f" WHERE {_predicate(r, 'x', left)}" if r.random() < 0.3 else ""
    sql = f"SELECT {_shown(shown)} FROM {left.name} AS x {kind} {right.name} AS y ON {on}{where}"
    return Drawn(_shape(name, shown), sql, ties=("x",))


def _grouped_window(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    """Windows over groups, grouping sets, and DISTINCT of either."""
    shape = r.choice(shapes)
    keys = [(*_expression(r, "x", shape), f"g{n}") for n in range(1, r.choice([1, 1, 2]) + 1)]
    keys = [(e, t, n) for e, t, n in keys if e not in {x for x, _, m in keys if m < n}]
    (first, kind), second = _aggregate(r, "x", shape), _aggregate(r, "x", shape)
    shown = [*((e, n, t) for e, t, n in keys), (first, "s1", kind)]
    names = ", ".join(e for e, _, _ in keys)
    sets = r.choice(["", "", "ROLLUP", "CUBE", "SETS"])
    by = f"{sets} ({names})" if sets in ("ROLLUP", "CUBE") else names
    if sets == "SETS":
        by = f"GROUPING SETS (({names}), (), ({keys[-1][0]}))"
    if sets and r.random() < 0.7:
        shown.append((f"grouping({names})::INTEGER", "bits", INT))
    if r.random() < 0.6 or not sets:
        over = r.choice(["", f"ORDER BY {second[0]}", f"PARTITION BY {first}", f"PARTITION BY {keys[0][0]}"])
        function = "rank()" if "ORDER" in over else r.choice(["count(*)", "sum(count(*))"])
        shown.append((f"{function} OVER ({over})::INTEGER", "w", INT))
    having = r.choice(["", "", " HAVING count(*) > 1"])
    distinct = r.choice(["", "", "DISTINCT "])
    listed = shown[r.choice([0, 0, 1]) :] if distinct else shown
    where = f" WHERE {_predicate(r, 'x', shape)}" if r.random() < 0.3 else ""
    sql = f"SELECT {distinct}{_shown(listed)} FROM {shape.name} AS x{where} GROUP BY {by}{having}"
    return Drawn(_shape(name, listed), sql)


def _pivoted(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    """PIVOT with stated values, and UNPIVOT of two columns of one type."""
    shape = r.choice(shapes)
    g, c, v = (r.choice(shape.of()) for _ in range(3))
    rows = f"(SELECT x.{g} AS g, x.{c} AS c, x.{v} AS v FROM {shape.name} AS x)"
    if r.random() < 0.4:
        pair = r.choices(shape.of(shape.type(c)), k=2)
        rows = f"(SELECT x.{g} AS g, x.{pair[0]} AS c, x.{pair[1]} AS v FROM {shape.name} AS x)"
        shown = [("g", "g", shape.type(g)), ("n", "n", TEXT), ("w", "w", shape.type(c))]
        return Drawn(_shape(name, shown), f"SELECT {_shown(shown)} FROM (UNPIVOT {rows} ON c, v INTO NAME n VALUE w)")
    values = {INT: "0, 1, NULL", TEXT: "'x', 'y', NULL", REAL: "0.5, '2.0'"}[shape.type(c)]
    first = {INT: "0", TEXT: "x", REAL: "0.5"}[shape.type(c)]
    shown = [("g", "g", shape.type(g)), (f'"{first}_n"::INTEGER', "n", INT), (f'"{first}_m"', "m", shape.type(v))]
    pivot = f"(PIVOT {rows} ON c IN ({values}) USING count(*) AS n, max(v) AS m GROUP BY g)"
    return Drawn(_shape(name, shown), f"SELECT {_shown(shown)} FROM {pivot}")


def _listed(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    """Lists unnested in the select list or in FROM, and LATERAL subqueries."""
    left, right = r.choice(shapes), r.choice(shapes)
    shown = [p for p in _no_calls(r, [("x", left)]) if p[1] not in ("item", "other")]
    a = r.choice(left.of())
    b, c = r.choice(left.of(left.type(a))), r.choice(right.of())
    on = _condition(r, ("x", left), ("y", right))
    item = (f"unnest([x.{a}, x.{b}])", "item", left.type(a))
    kind = r.choice(["list", "lists", "from", "left", "value", "rows"])
    if kind == "list":
        return Drawn(_shape(name, [*shown, item]), f"SELECT {_shown([*shown, item])} FROM {left.name} AS x")
    if kind == "lists":
        both = [*shown, item, (f"unnest(CASE WHEN x.{a} IS NULL THEN [1, 2, 3] END)", "other", INT)]
        return Drawn(_shape(name, both), f"SELECT {_shown(both)} FROM {left.name} AS x")
    if kind in ("from", "left"):
        held = [*shown, ("u.item", "item", left.type(a))]
        join = f", unnest([x.{a}, x.{b}]) AS u(item)"
        if kind == "left":
            join = f" LEFT JOIN unnest(CASE WHEN x.{a} IS NOT NULL THEN [x.{a}, x.{b}] END) AS u(item) ON true"
        return Drawn(_shape(name, held), f"SELECT {_shown(held)} FROM {left.name} AS x{join}")
    value = f"max(y.{c})" if kind == "value" else f"y.{c}"
    held = [*shown, ("l.item", "item", right.type(c))]
    lateral = f"LATERAL (SELECT {value} AS item FROM {right.name} AS y WHERE {on}) AS l"
    ties = ("x",) if kind == "value" else None
    return Drawn(_shape(name, held), f"SELECT {_shown(held)} FROM {left.name} AS x, {lateral}", ties=ties)


def _values(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    shape = r.choice(shapes)
    numbers = shape.of(INT)
    if not numbers:
        return _select(r, name, shapes)
    kind = r.choice(["JOIN", "LEFT JOIN"])
    listed = "(VALUES (0, 'none'), (1, 'one'), (1, 'uno'), (NULL, 'null')) AS m(n, label)"
    shown = [*_no_calls(r, [("x", shape)]), ("m.label", "label", TEXT)]
    shown = list({n: (t, n, k) for t, n, k in shown}.values())
    return Drawn(
        _shape(name, shown),
        f"SELECT {_shown(shown)} FROM {shape.name} AS x {kind} {listed} ON x.{r.choice(numbers)} = m.n",
    )


def _cte(r: Random, name: str, shapes: list[Shape]) -> Drawn:
    inner = r.choice(PLAIN_KINDS)(r, "q", shapes)
    outer = r.choice(PLAIN_KINDS)(r, name, [inner.shape, inner.shape, *shapes])
    while "_pos" in outer.text or "{*" in outer.template:  # DuckDB alone gives a CTE no order
        outer = r.choice(PLAIN_KINDS)(r, name, [inner.shape, inner.shape, *shapes])
    if r.random() < 0.5:
        return Drawn(outer.shape, f"WITH q AS ({inner.text}) {outer.template}", outer.order)
    return Drawn(
        Shape(name, inner.shape.columns),
        f"SELECT * FROM ({inner.text}) AS s WHERE {_predicate(r, 's', inner.shape)}",
    )


PLAIN_KINDS = (_select, _join, _group, _distinct, _semi, _union, _grouped_window)
KINDS = (
    _select,
    _join,
    _join,
    _join,
    _join,
    _semi,
    _subquery,
    _subquery,
    _subquery,
    _group,
    _group,
    _group,
    _grouped_window,
    _grouped_window,
    _distinct,
    _window,
    _window,
    _union,
    _union,
    _limit,
    _asof,
    _pivoted,
    _listed,
    _listed,
    _values,
    _cte,
)


# --- changes -----------------------------------------------------------------------------------------

DELTA = (("_rid", pa.int64()), ("_pos", pa.int64()), ("_change_type", pa.string()))


def draw_delta(r: Random, shape: Shape, keyed: bool, rows: list[dict], places: Iterator[int]) -> list[dict]:
    """A change of a source whose current ``rows`` have ``_rid``: rows with ``_change_type``."""
    left, delta = list(rows), []
    for _ in range(r.choice([0, 1, 1, 2, 3])):
        what = r.choice(["insert", "insert", "delete", "update", "update", "group"])
        if what == "insert" or not left:
            free = next(n for n in range(100) if n not in {x["k"] for x in rows + delta if "k" in x}) if keyed else None
            place = next(places) if r.random() < 0.3 else None
            row = draw_row(r, shape, free)
            if rows and r.random() < 0.3 and not keyed:
                row = {n: r.choice(rows)[n] for n, _ in shape.columns}
            delta.append({**row, "_rid": None, "_pos": place, "_change_type": "insert"})
        elif what == "group":  # every row that shares a value goes
            column = r.choice(shape.of())
            value = r.choice(left)[column]
            for row in [x for x in left if x[column] == value]:
                left.remove(row)
                delta.append({**row, "_pos": None, "_change_type": "delete"})
        else:
            row = left.pop(r.randrange(len(left)))
            if what == "delete":
                delta.append({**row, "_pos": None, "_change_type": "delete"})
                continue
            after = dict(row)
            for column in r.sample(shape.of(), r.randint(0, 2)):
                after[column] = r.choice(VALUES[shape.type(column)]) if not (keyed and column == "k") else row["k"] + 50
            if keyed and any(x.get("k") == after["k"] and x["_rid"] != row["_rid"] for x in rows + delta):
                after["k"] = row["k"]
            if r.random() < 0.3:
                delta.append({**row, "_pos": None, "_change_type": "update_preimage"})
            place = next(places) if r.random() < 0.15 else None
            delta.append({**after, "_pos": place, "_change_type": "update_postimage"})
    return delta
