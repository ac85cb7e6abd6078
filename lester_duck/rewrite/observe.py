"""Run the original in a sandbox, twice, and read what it did."""

from __future__ import annotations

import ast
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from lester_duck.errors import InputError
from lester_duck.rewrite import sandbox
from lester_duck.rewrite.code import Code, Order, read_code
from lester_duck.rewrite.observation import Evidence, Failure, Observation, output, printable, read
from lester_duck.rewrite.sandbox import Interpreter, Job, Limits, SandboxLevel, Status
from lester_duck.rewrite.serving import Server
from lester_duck.rewrite.unstable import causes

_HINTS = {
    "ModuleNotFoundError": "give an interpreter that has it, with --python PATH",
    "ImportError": "give an interpreter that has it, with --python PATH",
    "FileNotFoundError": "it runs in a copy of its own folder: files elsewhere are not there unless root holds both",
}
_SANDBOXED = (
    (
        re.compile(r"gaierror|Network is unreachable|Name or service|name resolution|URLError|Cannot assign requested"),
        "there is no network here: put what it downloads into its folder, or run it with --trust",
    ),
    (
        re.compile(r"PermissionError|Permission denied|Read-only file system|Operation not permitted"),
        "it may read and change only its own folder: put what it needs there, or run it with --trust",
    ),
    (
        re.compile(r"Resource temporarily unavailable|can't start new thread"),
        "it starts more processes or threads than the {limits.processes} it may have",
    ),
    (
        re.compile(r"MemoryError|Cannot allocate memory"),
        "it needs more memory than the {limits.memory} bytes it may have",
    ),
    (re.compile(r"File too large"), "it writes a file of more than the {limits.file} bytes it may have"),
    (re.compile(r"Too many open files"), "it opens more than the {limits.files} files it may have open"),
)
_CAUSES = {
    "memory": "the original's processes held more than {limits.memory} bytes of memory together",
    "disk": "the original wrote more than {limits.disk} bytes",
    "gone": "the original ended the process that runs it",
}
LEFT_OUT = (".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", "venv", ".ipynb_checkpoints")
MAX_COPY = 4 * 2**30
HEAVY = frozenset({"numpy", "pandas", "scipy", "sklearn"})
SHIFT = 40 * 86_400.0 + 11_231.0
"""The second run's clock: 40 days, 3 hours, 7 minutes and 11 seconds later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How originals are run: the script inside ``root``, the interpreter, limits, what to import first."""

    root: Path
    script: str
    interpreter: Interpreter
    level: SandboxLevel
    preimport: tuple[str, ...]
    code: Code
    """What the script is taken to be: of a notebook, its cells joined."""
    limits: Limits = field(default_factory=Limits)
    cancel: Event = field(default_factory=Event, compare=False, repr=False)
    """Ends all runs when it is set."""
    servers: dict[int, Server] = field(default_factory=dict, compare=False, repr=False)
    """A process for each hash seed that serves all runs; ``close`` ends them."""

    @property
    def python(self) -> str:
        """The path of the interpreter."""
        return self.interpreter.executable

    def close(self) -> None:
        """End the processes that serve runs; a later run starts them again."""
        for server in self.servers.values():
            server.close()

    @contextmanager
    def abandoning(self) -> Iterator[None]:
        """End runs in other threads when the block is left by an exception, Ctrl-C included."""
        try:
            yield
        except BaseException:
            self.cancel.set()
            raise


@contextmanager
def workspace() -> Iterator[Path]:
    """A scratch folder that is gone afterwards, whatever happens."""
    with TemporaryDirectory(prefix="lester-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


def setting(
    script: Path,
    *,
    root: Path | None,
    python: str | None,
    limits: Limits | None = None,
    order: Order | None = None,
    trust: bool = False,
) -> Setting:
    """Look at the script and the system; raises InputError when the script cannot be run from ``root``.

    ``order`` is the order of a notebook's cells (default: as they stand); ``trust`` leaves the sandbox away.
    """
    script = script.resolve()
    root = (root or script.parent).resolve()
    if script.is_file() and not script.is_relative_to(root):
        raise InputError(f"'{script}' is not inside '{root}'", hint="give a root that holds the script")
    name = str(script.relative_to(root)) if script.is_relative_to(root) else script.name
    code = read_code(script, name, order)
    imports = {"sklearn.base"} if _mentions(root, "sklearn") or "sklearn" in code.text else set()
    return Setting(
        root=root,
        script=name,
        interpreter=sandbox.interpreter(python),
        level=sandbox.level(trust),
        preimport=tuple(sorted(imports | _heavy(code.tree()))),
        code=code,
        limits=limits or Limits(),
    )


def _mentions(root: Path, word: str) -> bool:
    files = list(root.glob("*.py")) + list(root.glob("*/*.py"))
    return any(word in path.read_text(encoding="utf-8", errors="replace") for path in files)


def _heavy(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name for name in names if name.split(".")[0] in HEAVY}


def copy_folder(root: Path, target: Path, changed: Mapping[str, bytes] | None = None) -> None:
    """Copy a folder, following links, and overwrite or add the files of ``changed``.

    Raises InputError when the folder is larger than what may be copied.
    """
    size = sum(p.stat().st_size for p in root.rglob("*") if p.is_file() and not set(p.parts) & set(LEFT_OUT))
    if size > MAX_COPY:
        raise InputError(
            f"'{root}' holds {size / 2**30:.1f} GB and is copied for each run",
            hint="put the script and what it reads into a folder of their own",
        )
    shutil.copytree(root, target, ignore=shutil.ignore_patterns(*LEFT_OUT), ignore_dangling_symlinks=True)
    for path, content in (changed or {}).items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)


def observe(how: Setting, space: Path) -> Evidence:
    """Run the original twice on its own data, with different hash seeds and clocks.

    Raises InputError, naming the script's line, when the original itself fails.
    """
    jobs = [
        Job(folder=space / f"run{n}", out=space / f"out{n}", script=how.script, shift=n * SHIFT, limits=how.limits)
        for n in (0, 1)
    ]
    for job in jobs:
        copy_folder(how.root, job.folder)
    with ThreadPoolExecutor(2) as pool, how.abandoning():
        results = list(pool.map(lambda pair: run(how, [pair[1]], pair[0])[0], enumerate(jobs)))
    first, second = (outcome(how, job, status) for job, status in zip(jobs, results, strict=True))
    for observation in (first, second):
        _check(how, observation)
    return Evidence(
        script=how.script,
        first=first,
        second=second,
        level=how.level,
        notes=how.code.notes,
        causes=causes(how.code, first, second),
    )


def run(how: Setting, jobs: Sequence[Job], hash_seed: int) -> list[Status | None]:
    """Run jobs in the process kept for a hash seed; a notebook is run as the text of its cells."""
    if how.code.notebook:
        for job in jobs:
            (job.folder / how.script).write_text(how.code.text, encoding="utf-8")
    if hash_seed not in how.servers:
        how.servers[hash_seed] = Server(how.interpreter, how.preimport, hash_seed, how.level, how.cancel)
    return how.servers[hash_seed].run(jobs, tuple(str(job.folder.parent) for job in jobs[:1]))


def outcome(how: Setting, job: Job, status: Status | None) -> Observation:
    """The record of a job; raises InputError, saying which limit, when it was ended from outside."""
    if status is None:
        raise InputError("the run did not end in its time", where=how.script)
    more = "give it less data, or call rewrite() with other limits"
    if status.cause:
        raise InputError(_CAUSES[status.cause].format(limits=job.limits), where=how.script, hint=more)
    if status.timeout:
        raise InputError(f"the original did not end within {job.limits.wall:g} s", where=how.script, hint=more)
    if not (job.out / "events.json").is_file():
        errors = output(job.out, "stderr").strip().splitlines()
        tail = f": {printable(errors[-1])[:200]}" if errors else ""
        hint = more if status.exit < 0 else "it must run to its end: os._exit leaves no record"
        raise InputError(f"the original was ended by {_ended(status.exit)}{tail}", where=how.script, hint=hint)
    return read(job.folder, job.out, status)


def _ended(code: int) -> str:
    """A negative exit code as the name of a signal, with the limit it stands for."""
    if code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
    why = {"SIGXCPU": " (its CPU time was used up)", "SIGSEGV": " (a library crashed)"}.get(name, "")
    return f"{name}{why}"


def _check(how: Setting, observation: Observation) -> None:
    failure = observation.failure
    if failure is None:
        return
    message = failure.message.splitlines()[0] if failure.message else "no message"
    hint = _hint(how, failure)
    raise InputError(
        f"the original fails: {failure.type}: {message}",
        where=how.code.where(failure.line),
        hint=f"{hint} (run with {how.python})" if how.python != sys.executable else hint,
    )


def _hint(how: Setting, failure: Failure) -> str:
    """What a person can do about a failure: most of those the sandbox causes have a text of their own."""
    lines = how.code.text.splitlines()
    line = lines[failure.line - 1] if 0 < failure.line <= len(lines) else ""
    if not how.level.trusted:
        for pattern, hint in _SANDBOXED:
            if pattern.search(f"{failure.type}: {failure.message}"):
                return hint.format(limits=how.limits)
        if failure.type == "KeyError" and "environ" in line:
            return "the environment is empty here: give the value in the script, or run it with --trust"
    return _HINTS.get(failure.type) or how.code.hint or "the script must run as it stands"
