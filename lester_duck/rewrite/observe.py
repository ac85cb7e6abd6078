"""Run the original in a sandbox, twice, and read what it did."""

from __future__ import annotations

import ast
import shutil
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
from lester_duck.rewrite.observation import Evidence, Observation, read
from lester_duck.rewrite.sandbox import Job, Limits, SandboxLevel, Status

_HINTS = {
    "ModuleNotFoundError": "give an interpreter that has it, with --python PATH",
    "ImportError": "give an interpreter that has it, with --python PATH",
    "FileNotFoundError": "it runs in a copy of its own folder: files elsewhere are not there unless root holds both",
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
    python: str
    level: SandboxLevel
    preimport: tuple[str, ...]
    code: Code
    """What the script is taken to be: of a notebook, its cells joined."""
    limits: Limits = field(default_factory=Limits)
    cancel: Event = field(default_factory=Event, compare=False, repr=False)
    """Ends all runs when it is set."""

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
) -> Setting:
    """Look at the script and the system; raises InputError when the script cannot be run from ``root``.

    ``order`` is the order of a notebook's cells (default: as they stand).
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
        python=sandbox.interpreter(python),
        level=sandbox.level(),
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
    return Evidence(script=how.script, first=first, second=second, level=how.level, notes=how.code.notes)


def run(how: Setting, jobs: Sequence[Job], hash_seed: int) -> list[Status | None]:
    """Run jobs with one interpreter start; a notebook is run as the text of its cells."""
    if how.code.notebook:
        for job in jobs:
            (job.folder / how.script).write_text(how.code.text, encoding="utf-8")
    return sandbox.run_jobs(
        jobs,
        python=how.python,
        preimport=how.preimport,
        hash_seed=hash_seed,
        reached=how.level,
        cancel=how.cancel,
    )


def outcome(how: Setting, job: Job, status: Status | None) -> Observation:
    """The record of a job; raises InputError, saying which limit, when it was ended from outside."""
    if status is None:
        raise InputError("the run did not end in its time", where=how.script)
    if status.timeout:
        text = f"the original did not end within {job.limits.wall:g} s"
        raise InputError(text, where=how.script, hint="give it less data, or call rewrite() with other limits")
    if not (job.out / "events.json").is_file():
        what = f"signal {-status.exit}" if status.exit < 0 else f"exit status {status.exit}"
        errors = (job.out / "stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        tail = f": {errors[-1]}" if errors else ""
        text = f"the original was ended by {what}{tail}"
        raise InputError(text, where=how.script, hint="give it less data, or call rewrite() with other limits")
    return read(job.folder, job.out, status)


def _check(how: Setting, observation: Observation) -> None:
    failure = observation.failure
    if failure is None:
        return
    message = failure.message.splitlines()[0] if failure.message else "no message"
    hint = _HINTS.get(failure.type, "the script must run as it stands")
    if how.code.hint and failure.type not in _HINTS:
        hint = how.code.hint
    raise InputError(
        f"the original fails: {failure.type}: {message}",
        where=how.code.where(failure.line),
        hint=f"{hint} (run with {how.python})" if how.python != sys.executable else hint,
    )
