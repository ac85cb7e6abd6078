"""The modules that functions of a proposal may import, and what of each: pure computation only."""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

MODULES = (
    "ast", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "collections.abc", "copy", "csv",
    "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib", "heapq", "html", "io",
    "itertools", "json", "math", "numbers", "numpy", "numpy.linalg", "operator", "re", "statistics", "string", "struct",
    "textwrap", "typing", "unicodedata", "urllib.parse", "zlib",
)  # fmt: skip
_ONLY: dict[str, frozenset[str]] = {
    "ast": frozenset({"literal_eval"}),
    "io": frozenset({"StringIO", "BytesIO"}),
    "csv": frozenset({
        "reader", "DictReader", "QUOTE_ALL", "QUOTE_MINIMAL", "QUOTE_NONE", "QUOTE_NONNUMERIC", "Error", "excel",
    }),
    "typing": frozenset({
        "Any", "Callable", "ClassVar", "Dict", "Final", "FrozenSet", "Generic", "Iterable", "Iterator", "List",
        "Literal", "Mapping", "NamedTuple", "Optional", "Protocol", "Sequence", "Set", "Tuple", "TypeVar",
        "TypedDict", "Union", "cast",
    }),
}  # fmt: skip
_NOT: dict[str, frozenset[str]] = {
    "dataclasses": frozenset({"make_dataclass"}),
    "functools": frozenset({"cached_property", "singledispatch", "singledispatchmethod"}),
    "hashlib": frozenset({"file_digest"}),
    "json": frozenset({"dump", "load"}),
    "numpy": frozenset({
        "DataSource", "fromfile", "fromregex", "genfromtxt", "get_include", "info", "load", "loadtxt", "memmap",
        "open_memmap", "save", "savetxt", "savez", "savez_compressed", "show_config", "show_runtime", "test",
        "setbufsize", "seterr", "seterrcall", "set_printoptions",
    }),
    "operator": frozenset({"attrgetter", "methodcaller", "call"}),
    "string": frozenset({"Formatter"}),
}  # fmt: skip
REASONS: dict[str, str] = {
    name: reason
    for reason, names in {
        "reaches files": "os pathlib shutil tempfile glob fileinput linecache io",
        "reaches the network": "socket ssl urllib urllib.request http ftplib smtplib requests asyncio httpx",
        "reaches the interpreter or the system": "sys subprocess ctypes multiprocessing threading signal importlib "
        "builtins gc inspect code pty resource platform concurrent",
        "can run what it reads": "pickle marshal shelve dill joblib",
        "is not deterministic": "random secrets uuid time numpy.random",
        "reads and writes files": "pandas polars pyarrow duckdb sqlite3",
    }.items()
    for name in names.split()
}
"""Why well-known modules are not on the list."""


def allowed(module: str) -> bool:
    """Whether a module may be imported.

    >>> allowed("math"), allowed("os")
    (True, False)
    """
    return module in MODULES


def is_package(module: str) -> bool:
    """Whether a module only leads to allowed ones.

    >>> is_package("urllib")
    True
    """
    return any(name.startswith(f"{module}.") for name in MODULES)


@lru_cache(maxsize=256)
def public(module: str) -> frozenset[str]:
    """The names of an allowed module that may be used; no module is among them.

    >>> "sub" in public("re"), "sys" in public("re"), "fromfile" in public("numpy")
    (True, False, False)
    """
    loaded = importlib.import_module(module)
    named = _ONLY.get(module) or getattr(loaded, "__all__", None) or dir(loaded)
    return frozenset(
        name
        for name in named
        if not name.startswith("_")
        and name not in _NOT.get(module, ())
        and not isinstance(getattr(loaded, name, None), ModuleType)
    )
