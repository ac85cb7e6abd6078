"""``n = n + 1`` as ``n += 1``, for names that only ever hold numbers or texts."""

from __future__ import annotations

import ast

_OPERATORS = (ast.Add, ast.Sub, ast.Mult)


def spelled(tree: ast.Module) -> ast.Module:
    """The script with such assignments as augmented ones.

    >>> ast.unparse(spelled(ast.parse("n = 0\\nfor x in y:\\n    n = n + x")))
    'n = 0\\nfor x in y:\\n    n += x'
    >>> ast.unparse(spelled(ast.parse("n = []\\nm = n\\nn = n + [1]")))
    'n = []\\nm = n\\nn = n + [1]'
    """
    return ast.fix_missing_locations(_Spelling(_plain(tree)).visit(tree))


def _plain(tree: ast.Module) -> dict[str, set[type]]:
    """The names that are only ever given constants and changed by arithmetic, and the types of the constants."""
    given: dict[str, set[type]] = {}
    other = {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)}
    settled: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and all(isinstance(t, ast.Name) for t in node.targets):
            kind = type(node.value.value) if isinstance(node.value, ast.Constant) else None
            if kind in (int, float, str) or (len(node.targets) == 1 and _change(node) is not None):
                settled |= {id(t) for t in node.targets}
                for target in node.targets:
                    given.setdefault(target.id, set()).update([kind] if kind else [])
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, _OPERATORS):
            settled.add(id(node.target))
    stores = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
    other |= {n.id for n in stores if id(n) not in settled}
    return {n: kinds for n, kinds in given.items() if kinds and n not in other}


def _change(node: ast.Assign) -> tuple[ast.operator, ast.expr, bool] | None:
    """The operator and operand of ``x = x + a``, and whether the name comes last."""
    value, name = node.value, node.targets[0].id
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, _OPERATORS):
        return None
    for own, operand, last in ((value.left, value.right, False), (value.right, value.left, True)):
        named = isinstance(own, ast.Name) and own.id == name
        if named and not any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(operand)):
            return value.op, operand, last
    return None


class _Spelling(ast.NodeTransformer):
    def __init__(self, plain: dict[str, set[type]]) -> None:
        self.plain = plain

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        """An assignment to one of the names."""
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name) or node.targets[0].id not in self.plain:
            return node
        found = _change(node)
        if found is None:
            return node
        op, operand, last = found
        if last and (isinstance(op, ast.Sub) or str in self.plain[node.targets[0].id]):
            return node
        return ast.copy_location(ast.AugAssign(target=node.targets[0], op=op, value=operand), node)
