"""What may be executed for real while lifting: pure library calls on constants, nothing else."""

from __future__ import annotations

import datetime
import hashlib
import math
import os.path
import re
import string
import sys
import zlib
from collections.abc import Callable
from typing import Any

from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Refused, Value

CONSTANTS: dict[str, Any] = {
    "math.pi": math.pi,
    "math.e": math.e,
    "math.inf": math.inf,
    "math.nan": math.nan,
    "numpy.newaxis": None,
    "numpy.nan": math.nan,
    "numpy.inf": math.inf,
    "numpy.pi": math.pi,
    "datetime.date.min": datetime.date.min,
    "datetime.date.max": datetime.date.max,
    "datetime.datetime.min": datetime.datetime.min,
    "datetime.datetime.max": datetime.datetime.max,
    "os.sep": "/",
    "os.linesep": "\n",
    "sys.maxsize": sys.maxsize,
    "string.punctuation": string.punctuation,
    "string.digits": string.digits,
    "string.ascii_lowercase": string.ascii_lowercase,
    "string.ascii_uppercase": string.ascii_uppercase,
    "string.ascii_letters": string.ascii_letters,
    "re.I": re.IGNORECASE,
    "re.IGNORECASE": re.IGNORECASE,
    **{f"re.{name}": getattr(re, name) for name in ("A", "ASCII", "M", "MULTILINE", "S", "DOTALL", "X", "VERBOSE")},
    "builtins.True": True,
    "builtins.__file__": "script.py",
    "builtins.__name__": "__main__",
}
FUNCTIONS: dict[str, Callable] = {
    "builtins.abs": abs,
    "builtins.bool": bool,
    "builtins.chr": chr,
    "builtins.divmod": divmod,
    "builtins.float": float,
    "builtins.int": int,
    "builtins.len": len,
    "builtins.max": max,
    "builtins.min": min,
    "builtins.ord": ord,
    "builtins.pow": pow,
    "builtins.round": round,
    "builtins.str": str,
    "builtins.sum": sum,
    "builtins.tuple": tuple,
    "datetime.date": datetime.date,
    "datetime.date.fromisoformat": datetime.date.fromisoformat,
    "datetime.datetime": datetime.datetime,
    "datetime.datetime.fromisoformat": datetime.datetime.fromisoformat,
    "datetime.datetime.strptime": datetime.datetime.strptime,
    "datetime.timedelta": datetime.timedelta,
    "hashlib.md5": hashlib.md5,
    "os.path.abspath": os.path.normpath,
    "os.path.basename": os.path.basename,
    "os.path.dirname": os.path.dirname,
    "os.path.join": os.path.join,
    "os.path.splitext": os.path.splitext,
    "re.compile": re.compile,
    "zlib.crc32": zlib.crc32,
    "logging.getLogger": lambda *_: v.Lib("logging"),
    **{f"math.{name}": function for name, function in vars(math).items() if callable(function)},
}
QUIET = frozenset(
    {
        "builtins.print", "os.makedirs", "os.mkdir", "warnings.filterwarnings", "warnings.simplefilter", "random.seed",
        "numpy.random.seed", "logging.basicConfig", "logging.info", "logging.warning", "logging.debug",
        "logging.error", "logging.exception", "logging.critical", "logging.setLevel",
        "sys.stdout.write", "sys.stdout.flush", "sys.stderr.write", "matplotlib.use", "gc.collect", "time.sleep",
        "pandas.set_option", "numpy.set_printoptions", "numpy.seterr", "sys.setrecursionlimit", "warnings.warn",
        "warnings.resetwarnings", "faulthandler.enable", "pandas.reset_option", "logging.disable",
        "logging.addHandler", "builtins.breakpoint",
    }
)  # fmt: skip
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        [
            "lower",
            "upper",
            "strip",
            "lstrip",
            "rstrip",
            "split",
            "rsplit",
            "splitlines",
            "replace",
            "startswith",
            "endswith",
            "join",
            "count",
            "find",
            "rfind",
            "index",
            "isdigit",
            "isalpha",
            "isalnum",
            "isspace",
            "isupper",
            "islower",
            "title",
            "capitalize",
            "zfill",
            "ljust",
            "rjust",
            "center",
            "format",
            "encode",
            "partition",
            "rpartition",
            "swapcase",
            "casefold",
            "removeprefix",
            "removesuffix",
            "isnumeric",
            "isdecimal",
        ]
    ),
    bytes: frozenset({"decode", "hex"}),
    tuple: frozenset({"index", "count"}),
    re.Pattern: frozenset({"search", "match", "fullmatch", "sub", "split", "findall"}),
    re.Match: frozenset({"group", "groups", "start", "end", "span"}),
    datetime.date: frozenset(["isoformat", "weekday", "isoweekday", "toordinal", "strftime", "replace"]),
    datetime.datetime: frozenset(
        ["isoformat", "weekday", "isoweekday", "date", "time", "strftime", "replace", "timestamp", "toordinal"]
    ),
    datetime.timedelta: frozenset({"total_seconds"}),
    float: frozenset({"is_integer"}),
    int: frozenset({"bit_length"}),
    type(hashlib.md5()): frozenset({"hexdigest"}),
}
_ATTRIBUTES: dict[type, frozenset[str]] = {
    datetime.date: frozenset({"year", "month", "day"}),
    datetime.datetime: frozenset({"year", "month", "day", "hour", "minute", "second", "microsecond"}),
    datetime.timedelta: frozenset({"days", "seconds", "microseconds"}),
    re.Pattern: frozenset({"pattern", "flags"}),
}


def attribute(value: Value, name: str) -> Value:
    """A plain attribute of a constant; ``MISSING`` when it is none of the known ones."""
    return getattr(value, name) if name in _ATTRIBUTES.get(type(value), ()) else v.MISSING


def method(m: Machine, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """A pure method of a constant, executed."""
    if name not in _METHODS.get(type(receiver), ()):
        raise Refused(f"the method {type(receiver).__name__}.{name}")
    return run(m, getattr(receiver, name), args, kwargs)


def run(m: Machine, function: Callable, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Call a pure function with constant arguments; lists of constants become Python lists and back."""
    plain = [plain_value(m, a) for a in args]
    try:
        result = function(*plain, **{k: plain_value(m, a) for k, a in kwargs.items()})
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise Refused(f"the script would fail here: {error}") from None
    return heap_value(m, result)


def plain_value(m: Machine, value: Value) -> Any:
    """A constant as a plain Python object; raises Refused for what depends on rows."""
    content = m.content(value)
    if isinstance(content, v.HList):
        return [plain_value(m, x) for x in content.items]
    if isinstance(content, v.HDict):
        return {plain_value(m, k): plain_value(m, x) for k, x in content.items}
    if isinstance(content, v.HSet):
        return set(content.items)
    if isinstance(content, tuple):
        return tuple(plain_value(m, x) for x in content)
    if v.is_const(content):
        return content
    raise Refused("a value that depends on rows where a constant is needed")


def is_plain(m: Machine, value: Value) -> bool:
    """Whether a value is a constant, or a container of constants."""
    content = m.state.heap[value.id] if isinstance(value, v.Ref) else value
    if isinstance(content, v.HList | v.HSet):
        return all(is_plain(m, x) for x in content.items)
    if isinstance(content, v.HDict):
        return all(is_plain(m, x) for _, x in content.items)
    if isinstance(content, tuple):
        return all(is_plain(m, x) for x in content)
    return v.is_const(content)


def heap_value(m: Machine, result: Any) -> Value:
    """A plain Python object as a value: lists, dicts and sets go to the heap."""
    if isinstance(result, list):
        return m.new(v.HList(tuple(heap_value(m, x) for x in result)))
    if isinstance(result, dict):
        return m.new(v.HDict(tuple((k, heap_value(m, x)) for k, x in result.items())))
    if isinstance(result, set | frozenset):
        return m.new(v.HSet(tuple(sorted(result, key=repr))))
    if isinstance(result, tuple):
        return tuple(heap_value(m, x) for x in result)
    return result
