"""The functions of a proposal, before they run: a fence around what is plainly not computation.

It is the first of two: what passes runs in a process without files, network and environment
(``engine.worker``). A name that is neither bound in the text nor a harmless builtin, an attribute
that leads into the interpreter, an import that is not on the list, and a statement at the top that
does more than define, are refused.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import symtable
from collections.abc import Iterator

from lester_duck.errors import InputError, LesterError, Unsupported
from lester_duck.pipeline.codec import FUNCTIONS
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.admission import bounds, modules

_SAFE = frozenset({
    "abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr", "complex", "dict", "divmod",
    "enumerate", "filter", "float", "format", "frozenset", "getattr", "hasattr", "hex", "int", "isinstance",
    "issubclass", "iter", "len", "list", "map", "max", "min", "next", "object", "oct", "ord", "pow", "print",
    "property", "range", "repr", "reversed", "round", "set", "slice", "sorted", "staticmethod", "classmethod", "str",
    "sum", "super", "tuple", "type", "zip", "NotImplemented", "Ellipsis",
})  # fmt: skip
_ERRORS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
)
_WHY = {
    **dict.fromkeys(("open", "input"), "reaches outside of the function"),
    **dict.fromkeys(("exec", "eval", "compile", "__import__"), "runs text as a program"),
    **dict.fromkeys(("globals", "locals", "vars", "dir", "setattr", "delattr"), "reaches names by text"),
    **dict.fromkeys(("hash", "id"), "is not deterministic: it changes from run to run"),
}
_METHODS = frozenset({
    "__init__", "__repr__", "__str__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__",
    "__len__", "__iter__", "__next__", "__getitem__", "__setitem__", "__contains__", "__add__", "__sub__", "__mul__",
    "__call__", "__bool__", "__post_init__", "__iadd__", "__radd__", "__neg__", "__truediv__", "__enter__", "__exit__",
    "__missing__",
})  # fmt: skip
_CLOCK = frozenset({"now", "utcnow", "today"})
_FRAMES = frozenset({
    "ag_await", "ag_code", "ag_frame", "cr_await", "cr_code", "cr_frame", "cr_origin", "f_back", "f_builtins", "f_code",
    "f_globals", "f_lineno", "f_locals", "f_trace", "func_code", "func_globals", "gi_code", "gi_frame", "gi_yieldfrom",
    "tb_frame", "tb_lasti", "tb_next", "with_traceback", "ctypes",
})  # fmt: skip
_FILES = frozenset({"tofile", "dump"})
_OWN = frozenset({"self", "cls", "other"})
_RECORDS = frozenset({"_replace", "_asdict", "_fields", "_make"})
_TOP = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
_REFUSED_NODES: dict[type[ast.AST], str] = {
    ast.AsyncFunctionDef: "async functions are not allowed",
    ast.Await: "await is not allowed",
    ast.AsyncFor: "async for is not allowed",
    ast.AsyncWith: "async with is not allowed",
    ast.Global: "global changes what the next call sees",
}
_NAMED_ATTRIBUTE = ("getattr", "hasattr")


def refused(pipeline: Pipeline) -> list[LesterError]:
    """Why the functions of a pipeline may not be loaded; nothing where they may."""
    code = pipeline.code
    if len(code) > bounds.CODE:
        return [Unsupported(f"it has {len(code)} characters, more than {bounds.CODE}", where=FUNCTIONS)]
    try:
        tree = ast.parse(code)
        table = symtable.symtable(code, FUNCTIONS, "exec")
    except SyntaxError as error:
        return [InputError(f"not valid Python: {error.msg}", where=f"{FUNCTIONS}:{error.lineno or 1}")]
    except (ValueError, RecursionError, MemoryError) as error:
        return [InputError(f"not readable as Python: {type(error).__name__}", where=FUNCTIONS)]
    found = [*_top(tree), *_imports(tree), *_names(tree, table), *_nodes(tree), *_declared(pipeline, tree)]
    unique = {str(error): error for error in found}
    return list(unique.values())


def _no(said: str, node: ast.AST | int, hint: str | None = None) -> LesterError:
    line = node if isinstance(node, int) else getattr(node, "lineno", 1)
    return Unsupported(said, where=f"{FUNCTIONS}:{line}", hint=hint)


def _top(tree: ast.Module) -> Iterator[LesterError]:
    """Statements of the module itself."""
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not isinstance(node, _TOP) and not text:
            yield _no("only def, class, import and constants may stand outside of functions", node)


def _imports(tree: ast.Module) -> Iterator[LesterError]:
    """Imports of modules, and of names, that are not on the list."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from _from(node, bound)
        elif isinstance(node, ast.Import):
            for name in node.names:
                if not modules.allowed(name.name):
                    yield _module(name.name, node)
                yield from _bind(bound, name.asname or name.name.partition(".")[0], _leads(name), node)


def _leads(name: ast.alias) -> str:
    return name.name if name.asname else name.name.partition(".")[0]


def _bind(bound: dict[str, str], name: str, module: str, node: ast.AST) -> Iterator[LesterError]:
    if bound.setdefault(name, module) != module:
        yield _no(f"the name {name} stands for two modules", node, "import each under a name of its own")


def _from(node: ast.ImportFrom, bound: dict[str, str]) -> Iterator[LesterError]:
    module = node.module or ""
    if node.level or not (modules.allowed(module) or modules.is_package(module)):
        yield _module("." * node.level + module, node)
        return
    for name in node.names:
        inner = f"{module}.{name.name}"
        if modules.allowed(inner):
            yield from _bind(bound, name.asname or name.name, inner, node)
        elif name.name == "*" or not modules.allowed(module) or name.name not in modules.public(module):
            yield _no(f"{inner} may not be imported: {_why_not(inner)}", node)


def _module(name: str, node: ast.AST) -> LesterError:
    return _no(f"the module {name} may not be imported: {_why_not(name)}", node, "of modules there are: " + _listed())


def _listed() -> str:
    return ", ".join(modules.MODULES)


def _why_not(name: str) -> str:
    while name:
        if name in modules.REASONS:
            return f"it {modules.REASONS[name]}"
        name = name.rpartition(".")[0]
    return "it is not on the list of pure functions and modules"


def _aliases(tree: ast.Module) -> dict[str, str]:
    """The names that stand for modules, and which."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.asname or name.name.partition(".")[0]: _leads(name) for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
            found |= {name: module for name, module in inner.items() if modules.allowed(module)}
    return found


def _names(tree: ast.Module, table: symtable.SymbolTable) -> Iterator[LesterError]:
    """Names that are bound nowhere in the text: builtins, of which few may be used."""
    top = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    lines: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            lines.setdefault(node.id, node.lineno)
    for name in sorted(top):
        if hasattr(builtins, name) and name not in _SAFE | _ERRORS:
            yield _no(f"{name} is a builtin: nothing at the top may have its name", lines.get(name, 1), "rename it")
    for name in sorted(_free(table, frozenset(top))):
        if name not in _SAFE | _ERRORS:
            known = "is not among the builtins that may be used" if hasattr(builtins, name) else "is defined nowhere"
            yield _no(f"{name} {_WHY.get(name, known)}", lines.get(name, 1))


def _free(table: symtable.SymbolTable, top: frozenset[str]) -> Iterator[str]:
    """The names of a scope, and of those in it, that only the builtins can supply."""
    for symbol in table.get_symbols():
        name = symbol.get_name()
        here = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace() or symbol.is_parameter()
        in_function = table.get_type() == "function"
        if symbol.is_free() or (here and (in_function or not hasattr(builtins, name))):
            continue
        if symbol.is_referenced() and name not in top:
            yield name
    for child in table.get_children():
        yield from _free(child, top)


def _nodes(tree: ast.Module) -> Iterator[LesterError]:
    aliases = _aliases(tree)
    bases = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if type(node) in _REFUSED_NODES:
            yield _no(_REFUSED_NODES[type(node)], node)
        elif isinstance(node, ast.Attribute):
            yield from _attribute(node, aliases, bases)
        elif isinstance(node, ast.Name):
            yield from _name(node, aliases, bases, called)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            if node.name.startswith("__") and node.name not in _METHODS:
                yield _no(f"the special name {node.name} may not be defined", node)
        elif isinstance(node, ast.Call):
            yield from _call(node)
        elif isinstance(node, ast.MatchClass):
            yield from (e for name in node.kwd_attrs for e in _attribute_name(name, node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\{[^}]*__", node.value):
            yield _no("a text that names special attributes in braces may not be formatted", node)


def _attribute(node: ast.Attribute, aliases: dict[str, str], bases: set[int]) -> Iterator[LesterError]:
    yield from _attribute_name(node.attr, node)
    private = node.attr.startswith("_") and not node.attr.startswith("__") and node.attr not in _RECORDS
    if private and not (isinstance(node.value, ast.Name) and node.value.id in _OWN):
        yield _no(f"the private attribute {node.attr} may only be used of self", node, "choose another name")
    module = _module_of(node.value, aliases)
    if module is None:
        return
    inner = f"{module}.{node.attr}"
    if modules.allowed(inner):
        if id(node) not in bases:
            yield _no(f"the module {inner} may only be used by its functions", node)
    elif not modules.allowed(module) or node.attr not in modules.public(module):
        yield _no(f"{inner} may not be used: {_why_not(inner)}", node)
    elif not isinstance(node.ctx, ast.Load):
        yield _no(f"{inner} may not be changed", node)


def _module_of(node: ast.expr, aliases: dict[str, str]) -> str | None:
    """The module an expression stands for, if it stands for one."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id)
    if isinstance(node, ast.Attribute):
        outer = _module_of(node.value, aliases)
        inner = f"{outer}.{node.attr}"
        return inner if outer and (modules.allowed(inner) or modules.is_package(inner)) else None
    return None


def _attribute_name(name: str, node: ast.AST) -> Iterator[LesterError]:
    if name.startswith("__") and name != "__init__":
        yield _no(f"the special attribute {name} may not be used", node)
    elif name in _FRAMES:
        yield _no(f"the attribute {name} leads into the interpreter", node, "choose another name")
    elif name in _CLOCK:
        yield _no(f".{name}() is not deterministic: it asks the clock", node)
    elif name in _FILES:
        yield _no(f".{name}() writes a file", node)


def _name(node: ast.Name, aliases: dict[str, str], bases: set[int], called: set[int]) -> Iterator[LesterError]:
    name = node.id
    if name.startswith("__"):
        yield _no(f"the special name {name} may not be used", node)
    elif name in aliases and (id(node) not in bases or not isinstance(node.ctx, ast.Load)):
        yield _no(f"the module {name} may only be used by its functions", node)
    elif name in _NAMED_ATTRIBUTE and isinstance(node.ctx, ast.Load) and id(node) not in called:
        yield _no(f"{name} may only be called", node)


def _call(node: ast.Call) -> Iterator[LesterError]:
    """Attributes by text must be plain ones; ``type`` may ask and not make."""
    if not isinstance(node.func, ast.Name):
        return
    if node.func.id == "type" and (len(node.args) != 1 or node.keywords):
        yield _no("type() may only be asked of a value", node)
    elif node.func.id in _NAMED_ATTRIBUTE:
        given = node.args[1] if len(node.args) > 1 else None
        if not (isinstance(given, ast.Constant) and isinstance(given.value, str)):
            yield _no(f"{node.func.id} with a name that is not written out may not be used", node)
        else:
            yield from _attribute_name(given.value, node)


def _declared(pipeline: Pipeline, tree: ast.Module) -> Iterator[LesterError]:
    """Every declared function is there, with as many arguments as are declared."""
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for function in pipeline.functions:
        node = defined.get(function.name)
        if not function.name.isidentifier() or keyword.iskeyword(function.name) or node is None:
            yield InputError(f"it defines no function '{function.name}'", where=FUNCTIONS)
            continue
        wanted = len(function.arguments) + function.fold
        arguments = node.args
        most = len(arguments.posonlyargs) + len(arguments.args)
        least = most - len(arguments.defaults)
        keywords = any(default is None for default in arguments.kw_defaults)
        if keywords or wanted < least or (wanted > most and arguments.vararg is None):
            yield InputError(
                f"'{function.name}' is declared with {wanted} arguments and takes {most}",
                where=f"{FUNCTIONS}:{node.lineno}",
                hint="a fold takes the state first",
            )
