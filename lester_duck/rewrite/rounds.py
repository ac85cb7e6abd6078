"""Question, candidate, judgement, repair: fragment by fragment, until everything agrees or the rounds are used up.

A fragment that was seen to agree is not asked for again. Each sample of a fragment is repaired at most
``rounds`` times with the first difference; an answer that came before ends its sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from lester_duck.errors import InputError, LesterError
from lester_duck.pipeline.model import Pipeline, fingerprint
from lester_duck.rewrite import fragments
from lester_duck.rewrite.asking.answers import json_object
from lester_duck.rewrite.asking.question import Answer, Asker, NotAnswered, Question
from lester_duck.rewrite.fragments import Fragment, Name
from lester_duck.rewrite.judge import Verdict
from lester_duck.rewrite.proposal import Attempt, Exchange, Proposal, Task, complete
from lester_duck.rewrite.telling import Columns, Telling, as_text

GROUPS: tuple[tuple[Name, ...], ...] = (("preparation",), ("target", "features"))
"""Fragments that are judged together: without label and split there is no X to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What the rounds need of their surroundings.

    ``judge`` compares on the user's data and returns the verdict, or None and a fault of ours; ``further``
    compares on generated inputs (it returns the verdict as it is when it can say no more); ``refused``
    gives the reasons why a pipeline may not run; ``columns`` describes relations.
    """

    task: Task
    telling: Telling
    asker: Asker
    judge: Callable[[Pipeline], tuple[Verdict | None, str]]
    further: Callable[[Pipeline, Verdict], Verdict]
    refused: Callable[[Pipeline], Sequence[LesterError]]
    columns: Callable[[Pipeline], Columns]
    progress: Callable[[str], None]
    rounds: int = 2
    samples: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The last answer for a fragment: what was asked, its text, and the fragment or why it is none."""

    question: Question
    text: str
    fragment: Fragment | None
    problem: str = ""


@dataclass
class Rounds:
    """The course of one rewrite with a model."""

    road: Road
    attempts: list[Attempt] = field(default_factory=list)
    stopped: str = ""
    """Why no more was asked, where that was not the end."""
    _held: dict[Name, Held] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _exchanges: list[Exchange] = field(default_factory=list)

    def run(self, needs: Sequence[Name]) -> None:
        """Ask for the fragments needed; what comes of it is in ``attempts`` and ``stopped``."""
        try:
            for group in GROUPS:
                names = [name for name in group if name in needs]
                if names and not self._settle(names):
                    return
            self._further(needs)
        except NotAnswered as error:
            self.stopped = str(error)

    def go_on(self, remark: str, needs: Sequence[Name]) -> None:
        """Repair with what a person said, and then as before."""
        self._tell(remark)
        names, last = list(self._held), self.attempts[-1]
        try:
            self._repair(self._blamed(last, names, ()) or names[0], last)
            if self._repaired(names, lambda attempt: self._settled(attempt, names)):
                self.run([name for name in needs if name not in names])
        except NotAnswered as error:
            self.stopped = str(error)

    def vary(self, pipeline: Pipeline, wanted: str) -> None:
        """A variant of what agrees: repaired only where it does not run, for it is meant to differ."""
        for name, fragment in fragments.split_up(pipeline).items():
            question = self.road.telling.first(name, pipeline, {}, 0)
            text = as_text(fragments.dumped(name, fragment))
            self._held[name] = Held(question=question, text=text, fragment=fragment)
        held = self._held["preparation"]
        try:
            self._take("preparation", self.road.telling.variant("preparation", held.question, held.text, wanted))
            self._repaired(["preparation"], _runs)
        except NotAnswered as error:
            self.stopped = str(error)

    def _tell(self, remark: str) -> None:
        telling = self.road.telling
        self.road = replace(self.road, telling=replace(telling, remarks=(*telling.remarks, remark)))

    def _settle(self, names: Sequence[Name]) -> bool:
        """Whether a sample of these fragments, or a repair of it, agrees."""
        for sample in range(self.road.samples):
            for name in names:
                self._ask_first(name, sample)
            if self._repaired(names, lambda attempt: self._settled(attempt, names)):
                return True
        return False

    def _repaired(self, names: Sequence[Name], done: Callable[[Attempt], bool]) -> bool:
        """Judge and repair until ``done`` says so, the rounds are used up, or nothing new comes.

        A fragment that came back as it was is not at fault, in its model's eyes: the next one is asked.
        """
        tried: list[Name] = []
        for number in range(self.road.rounds + 1):
            attempt = self._judged()
            if done(attempt):
                return True
            again = self._again(attempt)
            tried = tried if again else []
            name = self._blamed(attempt, names, tried)
            if number == self.road.rounds or name is None or (again and number == 0):
                return False
            tried.append(name)
            self.road.progress(f"repair {number + 1} of {self.road.rounds} ({name})")
            self._repair(name, attempt)
        return False

    def _further(self, needs: Sequence[Name]) -> None:
        """Generated inputs, once everything agrees on the user's data; a difference there is repaired too."""
        if not self.attempts:
            return
        attempt = self.attempts[-1] = self._on_inputs(self.attempts[-1])
        tried: list[Name] = []
        for number in range(self.road.rounds):
            name = self._blamed(attempt, needs, tried)
            if name is None or attempt.verdict is None or attempt.verdict.status != "differs":
                return
            tried.append(name)
            self.road.progress(f"repair {number + 1} of {self.road.rounds} ({name}) on generated inputs")
            kept = dict(self._held)
            self._repair(name, attempt)
            found = self._judged()
            if found.verdict is None or found.verdict.status == "differs" or self._again(found):
                self._held = kept  # the repair broke what agreed
                continue
            attempt, tried = self._on_inputs(found), []
            self.attempts[-1] = attempt

    def _on_inputs(self, attempt: Attempt) -> Attempt:
        return replace(attempt, verdict=self.road.further(attempt.proposal.pipeline, attempt.verdict))

    def _ask_first(self, name: Name, sample: int) -> None:
        known = [n for n in fragments.KINDS if n in self._held and _before(n, name)]
        pipeline = self._merged(known)
        again = f", sample {sample + 1}" if sample else ""
        self.road.progress(f"asking {self.road.asker.name} for the {name}{again}")
        self._take(name, self.road.telling.first(name, pipeline, self.road.columns(pipeline), sample))

    def _repair(self, name: Name, attempt: Attempt) -> None:
        held = self._held[name]
        self._take(name, self.road.telling.repair(name, held.question, held.text, attempt))

    def _take(self, name: Name, question: Question) -> None:
        """Ask, and hold what came; the answer's text is kept with its exchange whatever it is worth."""
        answer = self.road.asker.ask(question)
        text = self.road.telling.masked.restore(answer.text)
        self._exchanges.append(_exchange(question, answer))
        fragment, problem = None, ""
        try:
            fragment = fragments.read(name, json_object(text))
        except InputError as error:
            problem = str(error)
            self.road.asker.reject(question)
        self._held[name] = Held(question=question, text=text, fragment=fragment, problem=problem)

    def _merged(self, names: Sequence[Name]) -> Pipeline:
        found = [self._held[name].fragment for name in names if self._held[name].fragment is not None]
        return fragments.merge(self.road.telling.base or fragments.EMPTY, found)

    def _judged(self) -> Attempt:
        """Run and compare what is held, or say why it cannot be run."""
        exchanges, self._exchanges = tuple(self._exchanges), []
        attempt = self._tried(Proposal(pipeline=None, exchanges=exchanges))
        self.attempts.append(attempt)
        return attempt

    def _tried(self, proposal: Proposal) -> Attempt:
        problem = next((held.problem for held in self._held.values() if held.problem), "")
        if problem:
            return Attempt(proposal=replace(proposal, problem=problem), verdict=None)
        try:
            merged = self._merged([name for name in fragments.KINDS if name in self._held])
            pipeline = complete(merged, self.road.task, self.road.asker.name)
        except LesterError as error:
            return Attempt(proposal=replace(proposal, problem=str(error)), verdict=None)
        reasons = self.road.refused(pipeline)
        if reasons:
            problem = "\n".join(f"- {reason}" for reason in reasons)
            return Attempt(proposal=replace(proposal, problem=problem), verdict=None)
        self.road.progress("comparing")
        verdict, fault = self.road.judge(pipeline)
        return Attempt(proposal=replace(proposal, pipeline=pipeline, problem=fault), verdict=verdict)

    def _settled(self, attempt: Attempt, names: Sequence[Name]) -> bool:
        """Whether these fragments agree: all of it, or for the preparation the files and variables."""
        verdict = attempt.verdict
        if verdict is None or verdict.differences:
            return False
        if "preparation" in names:
            return not any(reason.startswith("file ") for reason in verdict.not_comparable)
        return True

    def _again(self, attempt: Attempt) -> bool:
        """Whether the same came before."""
        pipeline = attempt.proposal.pipeline
        identity = fingerprint(pipeline) if pipeline else attempt.proposal.problem
        if identity in self._seen:
            return True
        self._seen.add(identity)
        return False

    def _blamed(self, attempt: Attempt, names: Sequence[Name], tried: Sequence[Name]) -> Name | None:
        """The fragment that the first difference speaks of and that was not tried for it; None when all were."""
        faulty = [name for name, held in self._held.items() if held.problem]
        if faulty:
            return faulty[0]
        order = [name for name in (*_suspected(attempt), *names) if name in self._held and name not in tried]
        return order[0] if order else None


def _runs(attempt: Attempt) -> bool:
    return attempt.verdict is not None and not any(d.point == "run" for d in attempt.verdict.differences)


def _before(name: Name, other: Name) -> bool:
    order = list(fragments.KINDS)
    return order.index(name) < order.index(other)


def _named(problem: str) -> list[Name]:
    """Fragments by the sections of a pipeline that the reasons against it name."""
    if "[featurizer]" in problem or "[features]" in problem:
        return ["features", "target", "preparation"]
    if any(f"[{section}]" in problem for section in ("split", "label", "model")):
        return ["target", "features", "preparation"]
    return ["preparation", "target", "features"]


def _suspected(attempt: Attempt) -> list[Name]:
    """Fragments by how likely the first difference is theirs."""
    if attempt.verdict is None:
        return _named(attempt.proposal.problem)
    if attempt.verdict.first is None:
        return ["preparation", "target", "features"]
    first = attempt.verdict.first
    if first.point.startswith("y given"):
        return ["target", "preparation"]
    if first.point.startswith("X given"):
        if first.mismatch.kind in ("rows", "order"):
            return ["target", "preparation", "features"]
        return ["features", "preparation"]
    if first.point == "run" and not first.view:
        return ["features", "target", "preparation"]
    return ["preparation"]


def _exchange(question: Question, answer: Answer) -> Exchange:
    return Exchange(
        task=question.task if question.task != "repair" else f"repair of {question.name}",
        version=question.version, prompt_sha256=question.prompt_sha256, model=answer.model, form=answer.form,
        prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens, raw=answer.text,
    )  # fmt: skip
