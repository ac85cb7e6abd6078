"""The corpus: short programs with their inputs, run all at once, lifted and judged one by one."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lester_duck.errors import InputError
from lester_duck.rewrite.admission import admit
from lester_duck.rewrite.code import Code
from lester_duck.rewrite.course import Course
from lester_duck.rewrite.observation import Evidence
from lester_duck.rewrite.observe import SHIFT, Setting, copy_folder, outcome, run, setting, workspace
from lester_duck.rewrite.proposal import Attempt, Task
from lester_duck.rewrite.sandbox import Job, Limits

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
NEWCOMERS = HERE / "newcomer"
"""Scripts written after the rules, in other styles."""
LIBRARIES = (
    *("numpy", "pandas", "sklearn.base", "sklearn.compose", "sklearn.feature_extraction.text", "sklearn.impute"),
    *("sklearn.linear_model", "sklearn.model_selection", "sklearn.naive_bayes", "sklearn.neighbors"),
    *("sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm", "sklearn.tree"),
)
MARK = "==== "
QUICK = Limits(wall=30.0, cpu=30)


@dataclass(frozen=True)
class Case:
    """A program and its files, and what must become of it.

    ``verdict`` is ``agreed``, ``not comparable`` or ``refused``; a refusal names ``line`` (0: any)
    and says ``reason``; what is not comparable says ``reason`` too.
    """

    name: str
    idioms: tuple[str, ...]
    verdict: str
    files: tuple[tuple[str, bytes], ...]
    line: int = 0
    reason: str = ""

    @property
    def program(self) -> str:
        """The file that is run: the first one."""
        return self.files[0][0]

    def unpack(self, folder: Path) -> Path:
        """Write the files; returns the program's path."""
        for name, content in self.files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / self.program


@dataclass(frozen=True)
class Outcome:
    """What became of a case; ``said`` are the refusals or reasons."""

    verdict: str
    said: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    points: int = 0

    def meets(self, case: Case) -> bool:
        """Whether this is what the case says must happen."""
        if self.verdict != case.verdict or self.differences:
            return False
        if case.verdict == "agreed":
            return self.points > 0
        place = f"line {case.line}: " if case.line else ""
        return any(said.startswith(place) and case.reason in said for said in self.said)


def read_case(path: Path) -> Case:
    """A case from its text: a TOML head, then the files, each after a line with its name.

    A name may be followed by ``(escaped)``: the text's Python escapes are meant, its line ends are
    not; ``(gzip)``: compressed; ``(latin-1)``: in that encoding; ``(cells)``: the notebook whose
    cells are parted by ``# %%``.
    """
    head, *parts = path.read_text(encoding="utf-8").split("\n" + MARK)
    files = []
    for part in parts:
        title, _, text = part.partition("\n")
        name, _, form = title.partition(" ")
        files.append((name, _content(text.rstrip("\n") + "\n" if text.strip("\n") else "", form)))
    fields = tomllib.loads(head)
    return Case(name=path.stem, files=tuple(files), idioms=tuple(fields.pop("idioms")), **fields)


def _content(text: str, form: str) -> bytes:
    if form == "(escaped)":
        return text.replace("\n", "").encode().decode("unicode_escape").encode("latin-1")
    if form == "(gzip)":
        return gzip.compress(text.encode(), mtime=0)
    if form == "(latin-1)":
        return text.encode("latin-1")
    if form == "(cells)":
        cells = [
            {"cell_type": "code", "source": cell.strip("\n"), "metadata": {}, "outputs": [], "execution_count": n}
            for n, cell in enumerate(text.split("# %%\n"), 1)
        ]
        return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    assert form == "", form
    return text.encode()


def cases() -> list[Case]:
    """All cases, by name."""
    return [read_case(path) for path in sorted([*PROGRAMS.glob("*.txt"), *NEWCOMERS.glob("*.txt")])]


@dataclass(frozen=True)
class Seen:
    """A case, how it was run, and what was seen; ``failed`` says why nothing was."""

    case: Case
    how: Setting
    evidence: Evidence | None
    failed: str = ""


@contextmanager
def observed(chosen: Sequence[Case]) -> Iterator[dict[str, Seen]]:
    """Every program run twice (hash seed, clock), by two processes that serve all runs of a kind.

    Programs that use no large library are served by processes that have not imported one.
    """
    with TemporaryDirectory(prefix="corpus-") as name, workspace() as space:
        hows = {}
        for case in chosen:
            script = case.unpack(Path(name) / case.name)
            hows[case.name] = setting(script, root=None, python=None, limits=QUICK)
        seen = {}
        for libraries in (False, True):
            kind = [case for case in chosen if bool(hows[case.name].preimport) == libraries]
            if kind:
                seen |= _served(kind, hows, space)
        yield seen


def _served(kind: list[Case], hows: dict[str, Setting], space: Path) -> dict[str, Seen]:
    server = replace(hows[kind[0].name], code=Code(name="corpus", text=""))
    if server.preimport:
        server = replace(server, preimport=LIBRARIES)
    jobs = [_jobs(kind, hows, space, seed) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool, server.abandoning():
        results = list(pool.map(lambda seed: run(server, jobs[seed], seed), (0, 1)))
    server.close()
    seen = {}
    for number, case in enumerate(kind):
        how = hows[case.name]
        first, second = (outcome(how, jobs[seed][number], results[seed][number]) for seed in (0, 1))
        failure = first.failure or second.failure
        failed = f"{failure.type} at line {failure.line}: {failure.message}" if failure else ""
        evidence = Evidence(script=how.script, first=first, second=second, level=how.level, notes=how.code.notes)
        seen[case.name] = Seen(case, how, None if failure else evidence, failed)
    return seen


def _jobs(kind: list[Case], hows: dict[str, Setting], space: Path, seed: int) -> list[Job]:
    jobs = []
    for case in kind:
        how = hows[case.name]
        folder = space / f"{case.name}-run{seed}"
        copy_folder(how.root, folder)
        if how.code.notebook:
            (folder / how.script).write_text(how.code.text, encoding="utf-8")
        out = space / f"{case.name}-out{seed}"
        jobs.append(Job(folder=folder, out=out, script=how.script, shift=seed * SHIFT, limits=how.limits))
    return jobs


def propose(seen: Seen) -> Attempt:
    """The translator's proposal for what was seen, judged."""
    if seen.evidence is None:
        raise InputError(f"the program of {seen.case.name} fails: {seen.failed}")
    evidence, how = seen.evidence, seen.how
    task = Task(script=how.root / how.script, name=how.script, text=how.code.text, evidence=evidence)
    return Course(task=task, how=how, space=how.root, progress=lambda _: None, directed=False).translate().best


def judged(seen: Seen) -> Outcome:
    """Lift and judge: a refusal is the outcome whatever the rest shows, a difference is never hidden.

    What the translator writes would be admitted if a model had written it.
    """
    best = propose(seen)
    if best.proposal.pipeline is not None:
        admit(best.proposal.pipeline, seen.evidence.first)
    verdict = best.verdict
    differences = tuple(str(d) for d in verdict.differences) if verdict else ()
    points = verdict.points if verdict else 0
    if best.proposal.refusals or verdict is None:
        return Outcome("refused", best.proposal.refusals or (best.proposal.problem,), differences, points)
    return Outcome(verdict.status, verdict.not_comparable, differences, points)


def idioms_of(chosen: Sequence[Case]) -> dict[str, list[str]]:
    """The names of the programs of each idiom."""
    found: dict[str, list[str]] = {}
    for case in chosen:
        for idiom in case.idioms:
            found.setdefault(idiom, []).append(case.name)
    return found
