"""The original run again on changed data, against a store that was updated by the difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from lester_duck.db import Error, first_line
from lester_duck.engine import run as engine
from lester_duck.engine.ingest import read
from lester_duck.engine.plan import make_plan
from lester_duck.engine.read import ordered_rows
from lester_duck.errors import Disagreement, InputError, InternalError, LesterError
from lester_duck.ivm import change as ivm
from lester_duck.names import POS, RID
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.difference import delta
from lester_duck.rewrite.directed import watch
from lester_duck.rewrite.edits import Edit, random_edit
from lester_duck.rewrite.execute import BOUNDS, StoreRun
from lester_duck.rewrite.judge import about_form, mismatch_at, unstable_points, wanted
from lester_duck.rewrite.observation import Evidence, Observation
from lester_duck.rewrite.observe import Setting, copy_folder, outcome, run
from lester_duck.rewrite.points import last_views
from lester_duck.store import catalog, store


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the data and what became of it.

    ``rows`` is the number of source rows inserted, deleted and updated; ``compared`` names points
    at which the updated store was compared with the rerun, ``difference`` the first that differs.
    ``refused`` says that the change was not made: by the original and the pipeline alike, or only
    by a source or check of the pipeline (``stricter``).
    """

    name: str
    rows: tuple[int, int, int] = (0, 0, 0)
    compared: tuple[str, ...] = ()
    difference: str = ""
    refused: str = ""
    stricter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What comparing after changes showed. ``shuffle`` names what keeps X and y from being compared."""

    steps: tuple[Step, ...]
    shuffle: str = ""

    @property
    def differences(self) -> tuple[str, ...]:
        """The steps that differ."""
        return tuple(f"{s.name}: {s.difference}" for s in self.steps if s.difference)

    @property
    def status(self) -> str:
        """``differs``, ``agreed``, or ``not comparable`` when no change could be compared at any point."""
        if self.differences:
            return "differs"
        return "agreed" if any(s.compared for s in self.steps) else "not comparable"

    def raise_if_different(self) -> None:
        """Raise Disagreement unless the updated store agreed with the rerun."""
        if self.status != "agreed":
            raise Disagreement(f"the updated store is not seen to agree with a rerun of the original: {self}")

    def __str__(self) -> str:
        if self.differences:
            return f"differs: {self.differences[0]}"
        made = [s for s in self.steps if s.compared]
        both = sum(bool(s.refused) and not s.stricter for s in self.steps)
        strict = sum(s.stricter for s in self.steps)
        points = max((len(s.compared) for s in made), default=0)
        text = f"{self.status} ({len(made)} changes compared at {points} points"
        text += f", {both} refused by original and pipeline alike" if both else ""
        text += f", {strict} refused by the pipeline only" if strict else ""
        return f"{text}); {self.shuffle}" if self.shuffle else f"{text})"


def changed_files(how: Setting, reads: tuple[str, ...], data: Path) -> dict[str, bytes]:
    """The files below ``data`` that stand for files the script reads, by path or else by name.

    Raises InputError when there is none.
    """
    if not data.is_dir():
        raise InputError(f"no folder '{data}'", hint="give a folder with changed copies of the script's files")
    found = {}
    for path in reads:
        place = next((p for p in (data / path, data / Path(path).name) if p.is_file()), None)
        if place is not None:
            found[path] = place.read_bytes()
    if not found:
        raise InputError(
            f"'{data}' holds none of the files the script reads", hint=f"it reads {', '.join(reads) or 'nothing'}"
        )
    return found


@dataclass
class Rerun:
    """The store of a pipeline, changed step by step beside its original."""

    pipeline: Pipeline
    how: Setting
    base: Evidence
    space: Path
    progress: Callable[[str], None]
    files: dict[str, bytes] = field(default_factory=dict)
    """What differs from the original's folder so far."""

    def __post_init__(self) -> None:
        self.pipeline = replace(self.pipeline, model=None)
        self.unstable = unstable_points(self.pipeline, self.base)
        self.watched = watch(self.pipeline, self.base.first)
        self.count = 0
        self._open(self.how.root)

    def close(self) -> None:
        """Close the store."""
        self.maintainer.close()
        self.db.close()

    def to_data(self, files: Mapping[str, bytes]) -> Changed:
        """Change to the given files in one step."""
        return self._changed([self._step("the changed data", files)])

    def randomly(self, number: int, seed: int) -> Changed:
        """Make ``number`` random edits, each on top of those before it that were not refused."""
        random = Random(seed)
        return self._changed([self._random(random) for _ in range(number)])

    def _random(self, random: Random) -> Step:
        held = {path: self.how.root / path for path in self.base.first.reads}
        texts = {path: self.files.get(path) or place.read_bytes() for path, place in held.items() if place.is_file()}
        edit: Edit = random_edit(texts, random)
        return self._step(edit.name, {edit.path: edit.content})

    def _changed(self, steps: list[Step]) -> Changed:
        split = self.pipeline.split
        if split.kind != "shuffle":
            return Changed(steps=tuple(steps))
        seed = split.get("random_state")
        name = f"the shuffle (random_state = {seed}) divides all rows anew in a rerun: X and y are not compared"
        return Changed(steps=tuple(steps), shuffle=name)

    def _step(self, name: str, files: Mapping[str, bytes]) -> Step:
        self.progress(f"change {self.count + 1}: {name}")
        data = self.space / f"changed{self.count}"
        self.count += 1
        copy_folder(self.how.root, data, {**self.files, **files})
        observed = self._original(data)
        try:
            rows = self._update(data)
        except InternalError:
            raise
        except LesterError as error:
            return self._refused(name, observed, error)
        compared, difference = self._compare(observed)
        if observed.failure and not difference:
            difference = self._one_sided(observed)
        if difference or observed.failure:
            self._reopen(data if not observed.failure else None)
        if not observed.failure:
            self.files.update(files)
        return Step(name=name, rows=rows, compared=compared, difference=difference)

    def _original(self, data: Path) -> Observation:
        work = data.with_name(data.name + "_run")
        copy_folder(data, work)
        job = self.watched.job(self.how, work)
        return outcome(self.how, job, run(self.how, [job], 0)[0])

    def _refused(self, name: str, observed: Observation, error: LesterError) -> Step:
        if observed.failure:
            return Step(name=name, refused=f"{observed.failure.type} in the original, and {error}")
        if about_form(self.pipeline, error):
            return Step(name=name, refused=str(error), stricter=True)
        return Step(name=name, difference=f"the update is refused and the original accepts the data: {error}")

    def _one_sided(self, observed: Observation) -> str:
        plan = self.executed.plan
        results = [plan.pipeline.features.view] if plan.pipeline.features else last_views(plan.pipeline)
        if not any(self.executed.view(name).num_rows for name in results):
            return ""
        failure = observed.failure
        return f"the original raises {failure.type} at line {failure.line}, the update is accepted"

    def _compare(self, observed: Observation) -> tuple[tuple[str, ...], str]:
        evidence = replace(self.base, first=observed, second=None, unstable=self.unstable)
        compared = []
        for want in wanted(self.pipeline, evidence):
            if self.pipeline.split.kind == "shuffle" and isinstance(want.point.claim, str):
                continue
            compared.append(want.point.describe())
            mismatch = mismatch_at(self.pipeline, want, self.executed)
            if mismatch:
                return tuple(compared), f"view {want.point.view}: {want.point.describe()}: {mismatch.text}"
        return tuple(compared), ""

    def _update(self, data: Path) -> tuple[int, int, int]:
        """Apply the difference of every source; returns rows inserted, deleted and updated."""
        deltas = dict(self._deltas(data))
        if not deltas:
            return (0, 0, 0)
        try:
            change = self.maintainer.update(deltas)
        except Error as error:
            raise InputError(first_line(error)) from error
        sources = change.sources
        return (sum(s.inserted for s in sources), sum(s.deleted for s in sources), sum(s.updated for s in sources))

    def _deltas(self, data: Path) -> Iterator[tuple[str, object]]:
        for source in self.pipeline.sources:
            new = read(self.db, source, data).table
            old = self.db.arrow(ordered_rows(self.executed.plan.relations[source.name], RID, POS))
            found = delta(old, new, source.key)
            if found is not None:
                yield source.name, found

    def _open(self, root: Path) -> None:
        self.db = store.create_or_open(store.MEMORY, sealed=BOUNDS)
        engine.run(self.db, self.pipeline, root)
        plan = make_plan(catalog.get_pipeline(self.db))
        self.executed = StoreRun(self.db, plan)
        self.maintainer = ivm.Maintainer(self.db, plan)

    def _reopen(self, data: Path | None) -> None:
        """Begin again after a difference, so that the next step is judged by itself."""
        self.close()
        if data is None:
            data = self.space / f"again{self.count}"
            copy_folder(self.how.root, data, self.files)
        self._open(data)
