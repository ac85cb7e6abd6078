"""Where the observed program is looked at: after statements, and at calls of estimators.

Loaded by path inside the sandbox, in the user's interpreter: standard library only, and syntax
that Python 3.8 accepts.
"""

# old interpreters read this file, and os.path costs them no import
# ruff: noqa: SIM102, UP031
from __future__ import annotations

import ast
import builtins
import functools
import sys
import types

_SILENT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass, ast.Global,
           ast.Nonlocal, ast.Break, ast.Continue, ast.Return, ast.Raise)  # fmt: skip
_LOOPS = (ast.For, ast.While)
_BLOCKS = (ast.If, ast.With, ast.Try)
_METHODS = ("fit", "fit_transform", "fit_predict", "transform", "predict", "predict_proba", "score")


class Stop(BaseException):
    """Nothing later is observed: the run may end here."""


class Instrument:
    """Adds a call after each statement that may change variables.

    ``sites`` lists, per inserted call: first line, last line, the names to look at, and whether
    the statement stands in a function.
    """

    def __init__(self):
        self.sites = []

    def apply(self, tree):
        """The tree with the calls inserted; line numbers of the original statements are kept."""
        tree.body = self._body(tree.body, False)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and any(isinstance(s, _LOOPS + (ast.With,)) for s in node.body):
                node.body = self._body(node.body, True)
        return ast.fix_missing_locations(tree)

    def _body(self, body, in_function):
        out = []
        for statement in body:
            if isinstance(statement, _BLOCKS):
                statement.body = self._body(statement.body, in_function)
            out.append(statement)
            names = () if isinstance(statement, _SILENT) else touched(statement)
            if names:
                out.append(self._call(statement, names, in_function))
        return out

    def _call(self, statement, names, in_function):
        number = len(self.sites)
        last = statement.end_lineno or statement.lineno
        self.sites.append((statement.lineno, last, names, in_function))
        scope = "__lester_locals__()"
        source = "if __lester_on__[%d]: __lester_snap__(%d, %s)" % (number, number, scope)
        call = ast.parse(source).body[0]
        for node in ast.walk(call):
            if hasattr(node, "lineno"):
                node.lineno = node.end_lineno = last
                node.col_offset = node.end_col_offset = 0
        return call


def touched(statement):
    """Names a statement may bind or change in place, sorted.

    >>> touched(ast.parse("a = b + 1").body[0])
    ('a',)
    >>> touched(ast.parse("rows.sort(key=f)").body[0])
    ('f', 'rows')
    >>> touched(ast.parse("for r in rows: seen.add(r)").body[0])
    ('r', 'rows', 'seen')
    """
    compound = isinstance(statement, _LOOPS + _BLOCKS)
    bare_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    if bare_call and isinstance(statement.value.func, ast.Name) and statement.value.func.id == "print":
        return ()
    if isinstance(statement, ast.Expr) and not bare_call:
        return ()
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and (compound or bare_call or isinstance(node.ctx, (ast.Store, ast.Del))):
            names.add(node.id)
        elif isinstance(node, (ast.Attribute, ast.Subscript)):
            while isinstance(node, (ast.Attribute, ast.Subscript)):
                outer, node = node, node.value
            if isinstance(node, ast.Name) and (isinstance(outer, ast.Attribute) or isinstance(outer.ctx, ast.Store)):
                names.add(node.id)
    return tuple(sorted(names - set(dir(builtins))))


class FitProbe:
    """Wraps estimator methods of scikit-learn's classes and of classes derived from them later.

    ``record(estimator, method, x, y, nested)`` is called at the outermost call of the user's code
    and, ``nested``, when a Pipeline hands the prepared matrix to its final estimator.
    """

    def __init__(self, record):
        self.record = record
        self.stack = []

    def install(self):
        """Patch what is imported by now and what will be derived from it."""
        base = sys.modules["sklearn.base"]
        seen = set()
        todo = [c for c in vars(base).values() if isinstance(c, type) and c.__module__ == base.__name__]
        while todo:
            cls = todo.pop()
            if cls not in seen:
                seen.add(cls)
                self._wrap_class(cls)
                todo.extend(type.__subclasses__(cls))
        own = vars(base.BaseEstimator).get("__init_subclass__")
        probe = self

        def __init_subclass__(cls, **kwargs):
            if own is None:
                super(base.BaseEstimator, cls).__init_subclass__(**kwargs)
            else:
                own.__func__(cls, **kwargs)
            probe._wrap_class(cls)

        base.BaseEstimator.__init_subclass__ = classmethod(__init_subclass__)

    def _wrap_class(self, cls):
        for name in _METHODS:
            method = cls.__dict__.get(name)
            if hasattr(method, "__lester_wrapped__"):
                continue
            if isinstance(method, types.FunctionType):
                setattr(cls, name, self._wrap(name, method))
            elif isinstance(getattr(method, "fn", None), types.FunctionType):  # scikit-learn's available_if
                if not hasattr(method.fn, "__lester_wrapped__"):
                    method.fn = self._wrap(name, method.fn)

    def _wrap(self, name, method):
        probe = self

        @functools.wraps(method)
        def wrapper(self, *args, **kwargs):
            if probe._wanted(self):
                x = args[0] if args else kwargs.get("X", kwargs.get("raw_documents"))
                y = args[1] if len(args) > 1 else kwargs.get("y")
                probe.record(self, name, x, y, bool(probe.stack))
            probe.stack.append(self)
            try:
                return method(self, *args, **kwargs)
            finally:
                probe.stack.pop()

        wrapper.__lester_wrapped__ = True
        return wrapper

    def _wanted(self, estimator):
        if not self.stack:
            return True
        if any(estimator is other for other in self.stack):
            return False
        return all(_final(outer) is inner for outer, inner in zip(self.stack, self.stack[1:] + [estimator]))


def _final(estimator):
    """The last estimator of a Pipeline, else None."""
    steps = getattr(estimator, "steps", None)
    return steps[-1][1] if type(estimator).__name__ == "Pipeline" and steps else None
