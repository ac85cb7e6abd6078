"""Loops over the words of one text: the hashed bag of words written by hand."""

from __future__ import annotations

import ast

from lester_duck.lift import arrays, expressions
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Refused, Sym

_NEAREST = "vec[zlib.crc32(word.encode()) % n] += 1, or a function of the text"


def loop(m: Machine, node: ast.For, words: v.Words) -> None:
    """``for token in text.split(): vec[zlib.crc32(token.encode()) % n] += 1``."""
    if not isinstance(node.target, ast.Name) or len(node.body) != 1 or node.orelse:
        raise Refused("a loop over the words of a text", _NEAREST)
    statement = node.body[0]
    if not isinstance(statement, ast.AugAssign) or not isinstance(statement.op, ast.Add):
        raise Refused("a loop over the words of a text", _NEAREST)
    if not isinstance(statement.target, ast.Subscript) or not _is_one(statement.value):
        raise Refused("a loop over the words of a text", _NEAREST)
    if _in_matrix(m, statement.target, words, node.target.id):
        return
    vector = expressions.evaluate(m, statement.target.value)
    zeros = m.content(vector)
    width = _crc32_modulus(m, statement.target.slice, node.target.id)
    if not isinstance(zeros, v.HArray) or width != len(zeros.items) or any(x != 0 for x in zeros.items):
        raise Refused("counting words into something other than fresh zeros", _NEAREST)
    m.update(vector, v.Hashed(Sym(words.text.sql, "str", name=words.text.name), width, "crc32"))


def is_hashed(node: ast.For) -> bool:
    """Whether a loop counts words by their hash."""
    first = node.body[0] if len(node.body) == 1 else None
    if not isinstance(first, ast.AugAssign) or not isinstance(first.target, ast.Subscript):
        return False
    return isinstance(_bucket(first.target), ast.BinOp)


def _bucket(target: ast.Subscript) -> ast.expr:
    """The column that ``X[i, column]``, ``X[i][column]`` or ``x[column]`` names."""
    return target.slice.elts[-1] if isinstance(target.slice, ast.Tuple) and target.slice.elts else target.slice


def _in_matrix(m: Machine, target: ast.Subscript, words: v.Words, token: str) -> bool:
    """``X[i, hash] += 1`` with ``i`` the row of the loop: the row's words counted into fresh zeros."""
    if isinstance(target.slice, ast.Tuple) and len(target.slice.elts) == 2:
        base, row = expressions.evaluate(m, target.value), expressions.evaluate(m, target.slice.elts[0])
    else:
        made = m.content(expressions.evaluate(m, target.value))
        if not isinstance(made, arrays.MatrixRow):
            return False
        base, row = made.matrix, made.position
    zeros = m.content(base)
    if not isinstance(zeros, v.Matrix) or not isinstance(row, Sym) or row.position is None:
        raise Refused("counting words into something other than a row of zeros", _NEAREST)
    width = _crc32_modulus(m, _bucket(target), token)
    m.log("hashed", base, row, v.Hashed(Sym(words.text.sql, "str", name=words.text.name), width, "crc32"))
    return True


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 1


def _crc32_modulus(m: Machine, index: ast.expr, token: str) -> int:
    if not isinstance(index, ast.BinOp) or not isinstance(index.op, ast.Mod):
        raise Refused("an index of a word that is no hash", _NEAREST)
    call, modulus = index.left, expressions.evaluate(m, index.right)
    if not isinstance(call, ast.Call) or len(call.args) != 1 or type(modulus) is not int:
        raise Refused("an index of a word that is no hash", _NEAREST)
    function = expressions.evaluate(m, call.func)
    encoded = call.args[0]
    is_encode = (
        isinstance(encoded, ast.Call)
        and isinstance(encoded.func, ast.Attribute)
        and encoded.func.attr == "encode"
        and isinstance(encoded.func.value, ast.Name)
        and encoded.func.value.id == token
        and all(isinstance(a, ast.Constant) and str(a.value).lower() in ("utf-8", "utf8") for a in encoded.args)
    )
    if function != v.Lib("zlib.crc32") or not is_encode:
        raise Refused("a hash of words other than crc32", _NEAREST)
    return modulus
