"""A conversation about a rewrite: differences that are left, and behaviour that looks like a bug.

A difference can be explained in words, for the model to try again, or mended by hand in the files.
What looks like a bug is reproduced all the same; when a person wants it otherwise, the model writes a
variant, which is kept apart: its differences from the script are on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lester_duck.pipeline import codec
from lester_duck.rewrite.asking.answers import json_object
from lester_duck.rewrite.asking.question import Asker, NotAnswered
from lester_duck.rewrite.course import Course, Ended
from lester_duck.rewrite.decisions import EDITED, KEEP, STOP, Decision, Issue, Person
from lester_duck.rewrite.proposal import Attempt

TURNS = 30
"""Answers after which a conversation is ended."""
UNASKED = "no model is configured, so this cannot be tried; edit the files, or give --model NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How a conversation ended: the faithful rewrite, the variant that was asked for, and all decisions."""

    ended: Ended
    decisions: tuple[Decision, ...] = ()
    intended: Attempt | None = None


@dataclass
class Conversation:
    """One conversation; ``folder`` is where a pipeline is put for a person to edit."""

    course: Course
    asker: Asker | None
    person: Person
    folder: Path
    decisions: list[Decision] = field(default_factory=list)
    intended: Attempt | None = None

    def hold(self, ended: Ended, suspicions: tuple[str, ...]) -> Held:
        """Ask until nothing is left to decide, or the person stops."""
        settled: set[str] = set()
        for _ in range(TURNS):
            issue = self._open(ended, [s for s in suspicions if s not in settled])
            if issue is None:
                break
            if EDITED in issue.choices:
                codec.dump(ended.best.proposal.pipeline, self.folder)
            answer = self.person.decide(issue).strip() or issue.choices[0]
            self.decisions.append(Decision(about=issue.about, asked=issue.text, answer=answer))
            if answer == STOP:
                break
            if issue.about.startswith("suspicion"):
                if not answer.endswith("?"):
                    settled.add(issue.about.partition(": ")[2])
                self._suspicion(issue, answer, ended)
            else:
                ended = self._difference(issue, answer, ended)
        return Held(ended=ended, decisions=tuple(self.decisions), intended=self.intended)

    def _open(self, ended: Ended, suspicions: list[str]) -> Issue | None:
        """What is to be decided next: a difference, then what is missing, then what looks like a bug."""
        verdict = ended.said.verdict if ended.said else ended.best.verdict
        if verdict is None:
            problem = ended.stopped or ended.best.proposal.problem or "; ".join(ended.best.proposal.refusals)
            return Issue(about="no pipeline", text=f"There is no pipeline yet: {problem}", choices=(STOP,))
        if verdict.first is not None:
            where = f"{verdict.first.view}: {verdict.first.point}" if verdict.first.view else verdict.first.point
            text = f"The rewrite differs from the script. {verdict.first}"
            return Issue(about=f"difference: {where}", text=text, choices=(STOP, EDITED))
        missing = [r for r in verdict.not_comparable if "not claimed" in r or "claimed by no view" in r]
        if missing:
            return Issue(about=f"missing: {missing[0]}", text=f"Something is missing. {missing[0]}",
                         choices=(STOP, EDITED))  # fmt: skip
        if suspicions:
            text = f"The script does something that may not be meant, and the rewrite does the same. {suspicions[0]}"
            return Issue(about=f"suspicion: {suspicions[0]}", text=text, choices=(KEEP, STOP))
        return None

    def _difference(self, issue: Issue, answer: str, ended: Ended) -> Ended:
        if answer == EDITED:
            return self.course.judged(codec.load(self.folder), ended)
        if self.asker is None:
            self.person.show(UNASKED)
            return ended
        if answer.endswith("?"):
            self._explain(issue, answer)
            return ended
        return self.course.go_on(self.asker, ended, answer)

    def _suspicion(self, issue: Issue, answer: str, ended: Ended) -> None:
        if answer == KEEP:
            return
        if self.asker is None:
            self.person.show(UNASKED)
        elif answer.endswith("?"):
            self._explain(issue, answer)
        else:
            self.intended = self.course.vary(self.asker, self.intended or ended.best, f"{issue.text} {answer}")

    def _explain(self, issue: Issue, words: str) -> None:
        """Let the model answer a question of the person's."""
        try:
            answer = self.asker.ask(self.course.telling.question(issue.text, words))
            self.person.show(str(json_object(answer.text).get("answer", answer.text)))
        except NotAnswered as error:
            self.person.show(str(error))
