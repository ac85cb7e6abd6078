"""The order of rows in a check: a view shows no place of its rows, so the check numbers them as the view sorts them."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import build, emit, render, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import FileRel, Relation, SelectRel
from lester_duck.lift.sqlx import Tree

Step = tuple[str, exp.Select]
PLACE = "row_place"


def sayable(m: Machine, rel: Relation, emitted: emit.Emitted) -> bool:
    """Whether a check can number the rows of a relation: a file, or rows computed from such ones and sorted."""
    if isinstance(rel, FileRel):
        return True
    if not isinstance(rel, SelectRel) or not sayable(m, rel.query.base, emitted):
        return False
    trees = emit.trees(m, rel)
    if any(j.rel not in emitted.names for j in rel.query.joins) or any(j.always for j in rel.query.joins):
        return False
    return not any(n.name in m.functions for t in trees for n in t.find_all(exp.Anonymous))


def steps(m: Machine, rel: Relation, emitted: emit.Emitted) -> list[Step]:
    """The rows of a relation with their place, as steps of a query; none for a file, whose rows have one."""
    if isinstance(rel, FileRel):
        return []
    below = steps(m, rel.query.base, emitted)
    terms = [(s.sql, d) for s, d in rel.query.order]
    order = ", ".join(f"_{i + 1}{' DESC' if d else ''}" for i, (_, d) in enumerate(terms))
    order = f"{order}, _{len(terms) + 1}" if order else "_1"
    own = sqlx.column(rel.query.alias, "_pos")
    place = sqlx.sql(f"row_number() OVER (ORDER BY {order})", *[t for t, _ in terms], own)
    outputs = [*((n, s.sql) for n, s in rel.outputs), (PLACE, place)]
    block = build.prepare(m, rel.query, outputs, emitted.columns)
    block.order = []
    ctes, last = build.write(block, lambda r: named(r, emitted) if r is rel.query.base else emitted.names[r])
    own_name = named(rel, emitted)
    made = handed([*((f"{own_name}_{n}", _renamed(s, ctes, own_name)) for n, s in ctes),
                   (own_name, _renamed(last, ctes, own_name))], bool(below))  # fmt: skip
    return [*below, *made]


def named(rel: Relation, emitted: emit.Emitted) -> str:
    """What the rows with their place are called in a check."""
    return emitted.names[rel] if isinstance(rel, FileRel) else f"{emitted.names[rel]}_in_order"


def _renamed(step: exp.Select, ctes: list[Step], prefix: str) -> exp.Select:
    """A step that reads others under names of its own."""
    known = {n: f"{prefix}_{n}" for n, _ in ctes}
    step = step.copy()
    for t in step.find_all(exp.Table):
        if t.name in known:
            t.set("this", render.identifier(known[t.name]))
    for c in step.find_all(exp.Column):
        if c.table in known:
            c.set("table", render.identifier(known[c.table]))
    return step


def handed(ctes: list[Step], numbered: bool) -> list[Step]:
    """Steps that hand on the place of the rows where a later one asks for it, the last one apart.

    ``numbered`` says that what the first step reads has the place as a column.
    """
    wanted = any(c.name == "_pos" for _, part in ctes[0 if numbered else 1 :] for c in part.find_all(exp.Column))
    if not wanted:
        return ctes
    made = []
    for number, (name, step) in enumerate(ctes):
        base = step.args["from_"].this.alias_or_name if step.args.get("joins") else None
        if number == 0 and not numbered:
            place: Tree = exp.alias_(render.column(base, "_pos"), PLACE)
        else:
            place = render.column(base, PLACE)
            for c in [c for c in step.find_all(exp.Column) if c.name == "_pos"]:
                c.replace(render.column(c.table or None, PLACE))
        final = number == len(ctes) - 1
        made.append((name, step if final else step.select(place)))
    return made
