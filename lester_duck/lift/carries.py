"""Names that one row leaves to the next: the previous value, the last one found, running numbers."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import (
    branches,
    evolving,
    finals,
    lookups,
    previous,
    recurrences,
    restarts,
    running,
    scalars,
    sqlx,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.relations import SelectRel, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame, Held, Let, State
from lester_duck.lift.values import Poison, Refused, Sym, Value

_BEFORE = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"


def enter(m: Machine, frame: Frame, shapes: dict[str, Value], carried: set[str]) -> None:
    """Bind the names that earlier rows changed to placeholders, or to what cannot be said."""
    for name in sorted(carried | set(shapes)):
        m.sequential.discard(name)
        if name not in shapes:
            m.sequential.add(name)
            m.env[name] = Poison(f"'{name}' as an earlier row left it", m.line)
            continue
        if isinstance(shapes[name], previous.Shape):
            previous.enter(m, frame, name, shapes[name])
            continue
        if isinstance(shapes[name], running.Shape):
            running.enter(m, frame, name, shapes[name])
            continue
        tokens: list[str] = []

        def leaf(like: Value, tokens: list[str] = tokens, name: str = name) -> Sym:
            token = fresh("read")
            tokens.append(token)
            m.reads[token] = evolving.Read(0, "carry", name, len(tokens) - 1, m.line)
            sym = scalars.scalar(like)
            return Sym(sqlx.column(token, "carry"), sym.type, sym.null, name=name)

        shape = _each_leaf(shapes[name], leaf)
        frame.carried[name] = tokens
        m.env[name] = lookups.thaw(m, shape)


def _each_leaf(shape: Value, leaf: object) -> Value:
    made = [leaf(x) for x in evolving.leaves_of(shape)]
    return evolving.refilled(shape, iter(made))


def shape_of(m: Machine, name: str, lines: tuple[int, int], before: State, end: State | None) -> Value:
    """The type of a carried name: a scalar before the loop and after a row; None where it is no scalar."""
    first = finals.likeness(before.envs[-1].get(name, v.MISSING))
    last = end.envs[-1].get(name, v.MISSING) if end is not None else v.MISSING
    sides = [x for x in (first, last) if isinstance(x, Sym) or (v.is_const(x) and not isinstance(x, tuple))]
    if len(sides) < 2:
        return previous.shape_of(m, name, lines, before, end) or running.shape_of(m, name, before, end)
    try:
        a, b = (scalars.scalar(x) for x in sides)
    except Refused:
        return None
    kind = unify(a.type, b.type)
    if kind is None:
        return None
    return Sym(exp.null(), "float" if kind == "number" else kind, a.null or b.null, name=name)


# -- a record or scalar found by an inner loop, and kept where it finds none ------------------------------


def is_held(m: Machine, frame: Frame, name: str) -> bool:
    """Whether a name's value before an inner loop is what an earlier row left."""
    return name in frame.carried and name in frame.shapes


def hold(m: Machine, frame: Frame, name: str, new: Value, present: Tree, line: int) -> None:
    """Bind what was found, else what an earlier row found: the last one known."""
    leaves = [scalars.scalar(x) for x in evolving.leaves_of(new)]
    where = tuple(m.state.path[len(frame.start.path) :])
    tokens = []
    for x in leaves:
        token = fresh("let")
        m.lets[token] = Let(x.name or name, x)
        tokens.append(token)
    kept = [Sym(sqlx.column(t, x.sql.name), x.type, name=x.name) for t, x in zip(tokens, leaves, strict=True)]
    frame.shapes[name] = new
    frame.held[name] = Held(where, tuple(leaves), tuple(tokens), line)
    m.env[name] = lookups.thaw(m, evolving.refilled(new, iter(kept)))


def finish(m: Machine, frame: Frame) -> None:
    """Say what rows leave to the next ones as windows over the loop's rows."""
    previous.finish(m, frame)
    for name, held in frame.held.items():
        _last_known(m, frame, name, held)
    ends: dict[str, tuple[Value, Tree]] = {}
    for name, tokens in frame.carried.items():
        end = frame.end.envs[-1].get(name, v.MISSING) if frame.end is not None else v.MISSING
        if name not in frame.held and len(tokens) == 1 and (isinstance(end, Sym) or v.is_const(end)):
            ends[name] = end, branches.united(branches.opened(m, scalars.scalar(end).sql))
    spoken = recurrences.trees_of(frame.effects) + [t for _, t in ends.values()]
    for name, (end, tree) in ends.items():
        start = frame.start.envs[-1].get(name)
        if isinstance(start, finals.Left) and not any(
            recurrences.mentions(m, t, {frame.carried[name][0]}) for t in spoken
        ):
            continue
        explain(m, frame, name, frame.carried[name][0], end, tree)
    _forget_unknown(m, [t for tokens in frame.carried.values() for t in tokens])


def _forget_unknown(m: Machine, tokens: list[str]) -> None:
    """Give up explanations that need a value that has none."""
    while True:
        missing = {t for t in tokens if t not in m.lets}
        unknown = [t for t in tokens if t in m.lets and recurrences.mentions(m, m.lets[t].value.sql, missing)]
        for token in unknown:
            del m.lets[token]
        if not unknown:
            return


def _last_known(m: Machine, frame: Frame, name: str, held: Held) -> None:
    for token, x in zip(held.tokens, held.leaves, strict=True):
        if x.null:
            raise Refused(f"'{name}' as an earlier row left it, which may be None")
        filtered = recurrences.window(m, frame, "last_value(_1 IGNORE NULLS)", (), "", x.sql)
        kept = sqlx.case(sqlx.conjunction(held.where), x.sql, exp.null()) if held.where else x.sql
        general = recurrences.window(m, frame, "last_value(_1 IGNORE NULLS)", (), "", kept)
        m.lets[token] = Let(m.lets[token].name, Sym(general, x.type, name=x.name), over=held.where, filtered=filtered)
    said = f"'{name}' keeps the value of an earlier row where the inner loop finds nothing"
    if (held.line, said) not in m.suspicions:
        m.suspicions.append((held.line, said))


def explain(m: Machine, frame: Frame, name: str, token: str, end: Value, tree: Tree) -> None:
    """Say what the row before left under a name, where ``tree`` is what a row makes of it."""
    last = scalars.scalar(end)
    first = scalars.scalar(finals.read(m, frame.start.envs[-1][name]))
    own = sqlx.column(token, "carry")
    tree = _same_anyway(tree, own)
    if sqlx.same(tree, own):
        m.lets[token] = Let(name, first)
        return
    if not recurrences.mentions(m, tree, {token}):
        _previous(m, frame, name, token, tree, first, last)
        return
    step = branches.step(tree, own)
    number = isinstance(first.sql, exp.Literal) and not first.sql.is_string
    exact = last.type == "int" or (number and float(first.sql.name) == 0)
    if step is not None and exact and not recurrences.mentions(m, step, {token}):
        total = sql("coalesce(_1, 0)", recurrences.window(m, frame, "sum(_1)", (), _BEFORE, step))
        if last.type == "int":
            total = sql("CAST(_1 AS BIGINT)", total)
        value = sql("_1 + _2", first.sql, total)
        m.lets[token] = Let(f"{name}_before", Sym(value, last.type), over=(), filtered=value)
        return
    if _restarts(m, frame, name, token, end, tree) or restarts.explain(m, frame, name, token, end, tree):
        return
    found = branches.replaced(tree, own, exp.null(), last.null)
    if found is None:
        return
    if last.null:
        held = recurrences.window(m, frame, "last_value(_1 IGNORE NULLS)", (), _BEFORE, found)
        value = sqlx.sql("struct_extract(_1, 'kept')", held)
        if not isinstance(first.sql, exp.Null):
            value = sqlx.case(sql("_1 IS NULL", held), first.sql, value)
        m.lets[token] = Let(f"previous_{name}", Sym(value, last.type, True), over=(), filtered=value)
        return
    window = recurrences.window(m, frame, "last_value(_1 IGNORE NULLS)", (), _BEFORE, found)
    value = sql("coalesce(_1, _2)", window, first.sql) if not isinstance(first.sql, exp.Null) else window
    m.lets[token] = Let(f"previous_{name}", Sym(value, last.type), over=(), filtered=value)


def _previous(m: Machine, frame: Frame, name: str, token: str, tree: Tree, first: Sym, last: Sym) -> None:
    window = recurrences.window(m, frame, "lag(_1, 1, _2)", (), "", tree, first.sql)
    if isinstance(first.sql, exp.Null):
        window = recurrences.window(m, frame, "lag(_1)", (), "", tree)
    m.lets[token] = Let(f"previous_{name}", Sym(window, last.type, True), over=(), filtered=window)


def _same_anyway(tree: Tree, own: Tree) -> Tree:
    """``if x != last: last = x`` leaves ``x`` either way."""
    if not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1:
        return tree
    when, default = tree.args["ifs"][0], tree.args.get("default")
    then, differs = sqlx.bare(when.args["true"]), sqlx.bare(when.this)
    if default is not None and sqlx.same(then, own):
        then, default, differs = sqlx.bare(default), then, sqlx.bare(sqlx.negate(differs))
    if default is None or not sqlx.same(sqlx.bare(default), own):
        return tree
    inner = sqlx.bare(differs.this) if isinstance(differs, exp.Not) else differs
    negative = isinstance(inner, exp.NullSafeEQ | exp.EQ) if isinstance(differs, exp.Not) else isinstance(
        inner, exp.NullSafeNEQ | exp.NEQ
    )  # fmt: skip
    sides = {sqlx.text(sqlx.bare(inner.this)), sqlx.text(sqlx.bare(inner.expression))} if negative else set()
    return then if sides == {sqlx.text(then), sqlx.text(own)} else tree


def _restarts(m: Machine, frame: Frame, name: str, token: str, end: Value, tree: Tree) -> bool:
    """``if key != last: n = 0`` and then ``n += a``: a running number that begins again with each group."""
    parts = (tree.left, tree.right) if isinstance(tree, exp.Add) else ()
    if not parts or not isinstance(end, Sym) or end.sql.table not in m.lets:
        return False
    old, amount = sqlx.bare(parts[0]), parts[1]
    own = sqlx.column(token, "carry")
    is_case = isinstance(old, exp.Case) and not old.this and len(old.args["ifs"]) == 1
    if not is_case or not sqlx.same(sqlx.bare(old.args["default"]), own) or token in sqlx.tables(amount):
        return False
    breaks, base = old.args["ifs"][0].this, old.args["ifs"][0].args["true"]
    first = scalars.scalar(finals.read(m, frame.start.envs[-1][name]))
    if not isinstance(base, exp.Literal) or not sqlx.same(first.sql, base) or token in sqlx.tables(breaks):
        return False
    key = _leading(m, frame, breaks)
    if key is None:
        island = fresh("let")
        count = recurrences.window(m, frame, "count(*) FILTER (WHERE _1)", (), "", breaks)
        m.lets[island] = Let(f"{name}_group", Sym(count, "int"), over=(), filtered=count)
        key = Sym(sqlx.column(island, "group"), "int", name="group")
    if isinstance(amount, exp.Literal) and amount.name == "1":
        running = recurrences.window(m, frame, "row_number()", key)
    else:
        running = recurrences.window(m, frame, "sum(_1)", key, "ROWS UNBOUNDED PRECEDING", amount)
    zero = float(base.name) == 0
    value = running if zero else sql("_1 + _2", base, running)
    m.lets[end.sql.table] = Let(name, Sym(value, end.type, name=name), over=(), filtered=value)
    restarts.before(m, frame, name, token, end, first)
    return True


def _leading(m: Machine, frame: Frame, breaks: Tree) -> Sym | None:
    """The compared column, when the loop's rows are sorted by it first."""
    breaks = sqlx.bare(breaks)
    inner = sqlx.bare(breaks.this) if isinstance(breaks, exp.Not) else breaks
    if not isinstance(inner, exp.NEQ | exp.NullSafeEQ | exp.NullSafeNEQ | exp.EQ):
        return None
    base = frame.query.base
    for side, other in ((inner.this, inner.expression), (inner.expression, inner.this)):
        if not isinstance(other, exp.Column) or m.reads.get(other.table) is None or not isinstance(side, exp.Column):
            continue
        if frame.query.order:
            lead = m.expand(frame.query.order[0][0]).sql
            return Sym(side, "str", name=side.name) if sqlx.same(lead, side) else None
        if isinstance(base, SelectRel) and base.query.order and side.table == frame.query.alias:
            made = dict(base.outputs).get(side.name)
            lead = m.expand(base.query.order[0][0]).sql
            if made is not None and sqlx.same(m.expand(made).sql, lead):
                return Sym(side, "str", name=side.name)
    return None
