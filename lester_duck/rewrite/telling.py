"""What a model is told: the questions for each fragment, and what was wrong with an answer.

Code and column profiles go out, masked; rows of the data, and values in a difference, only when
``rows`` is not 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lester_duck import assets
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import discreet, fragments, hints, profile, prompts
from lester_duck.rewrite.asking.question import Message, Question
from lester_duck.rewrite.claims import unclaimed
from lester_duck.rewrite.judge import Difference, Verdict
from lester_duck.rewrite.mask import Masked
from lester_duck.rewrite.proposal import Attempt, Task

Columns = Mapping[str, Sequence[tuple[str, str]]]
"""Name and type of the columns of each relation."""
EXAMPLE = "prompts/preparation/example"
ANSWER: dict[str, Any] = {
    "title": "Answer", "type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"],
    "additionalProperties": False,
}  # fmt: skip
SHOWN = 3
"""Differences that are told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What of a task goes out. ``rows`` sample lines of each file are sent; 0 keeps values of data back.

    ``base`` is what was translated before, with its ``refusals`` of lines; ``remarks`` is what a person said.
    """

    task: Task
    masked: Masked
    rows: int = 0
    base: Pipeline | None = None
    refusals: tuple[str, ...] = ()
    remarks: tuple[str, ...] = field(default=())

    def first(self, name: fragments.Name, pipeline: Pipeline, columns: Columns, sample: int) -> Question:
        """The question for a fragment, given what there is of the pipeline."""
        variables = {
            "hints": hints.hints(self.task.text) or "nothing in particular.",
            "script_name": self.task.name,
            "script": self._numbered(),
        }
        if name == "preparation":
            variables |= {
                "example_script": _fenced("python", assets.text(f"{EXAMPLE}.txt")),
                "example_answer": _fenced("json", assets.text(f"{EXAMPLE}.json")),
                "profile": self._profile(),
                "already": self._already(columns),
                "wanted": self._wanted(pipeline),
            }
        else:
            variables |= {"calls": self._calls(), "views": _listed(pipeline, columns)}
        if name == "features":
            variables |= {"target": _target(pipeline), "view": _view(pipeline)}
        prompt = prompts.render(name, **variables)
        asked = prompt.user + self._said()
        messages = ({"role": "system", "content": prompt.system}, {"role": "user", "content": self.masked.hide(asked)})
        return self._question(name, prompt, messages, sample)

    def repair(self, name: fragments.Name, before: Question, answer: str, attempt: Attempt) -> Question:
        """The question again, with the last answer and what was wrong with it."""
        prompt = prompts.render("repair", **self._outcome(attempt), remarks=self._said())
        messages: tuple[Message, ...] = (
            *before.messages[:2],
            {"role": "assistant", "content": self.masked.hide(answer)},
            {"role": "user", "content": self.masked.hide(f"{prompt.system}\n\n{prompt.user}")},
        )
        return self._question(name, replace(prompt, task="repair"), messages, before.sample)

    def variant(self, name: fragments.Name, before: Question, answer: str, wanted: str) -> Question:
        """The question for something else than the script does."""
        prompt = prompts.render("variant", wanted=wanted)
        messages: tuple[Message, ...] = (
            *before.messages[:2],
            {"role": "assistant", "content": self.masked.hide(answer)},
            {"role": "user", "content": self.masked.hide(f"{prompt.system}\n\n{prompt.user}")},
        )
        return self._question(name, prompt, messages, before.sample)

    def question(self, issue: str, words: str) -> Question:
        """A person's question about something at issue."""
        prompt = prompts.render(
            "question", script_name=self.task.name, script_text=self._numbered(), issue=issue, words=words
        )
        messages = ({"role": "system", "content": prompt.system},
                    {"role": "user", "content": self.masked.hide(prompt.user)})  # fmt: skip
        return Question(
            task=prompt.task, version=prompt.version, prompt_sha256=prompt.sha256, name="answer", messages=messages,
            schema=ANSWER,
        )  # fmt: skip

    def _question(
        self, name: fragments.Name, prompt: prompts.Prompt, messages: tuple[Message, ...], sample: int
    ) -> Question:
        return Question(
            task=prompt.task, version=prompt.version, prompt_sha256=prompt.sha256, name=name, messages=messages,
            schema=fragments.schema(name), sample=sample,
        )  # fmt: skip

    def _numbered(self) -> str:
        return "\n".join(f"{n:4} {line}" for n, line in enumerate(self.masked.text.splitlines(), 1))

    def _profile(self) -> str:
        return profile.profile(self.task.evidence.first, self.task.text, rows=self.rows)

    def _calls(self) -> str:
        return "\n".join(dict.fromkeys(profile.calls(self.task.evidence.first))) or "no call was seen"

    def _said(self) -> str:
        return "".join(f"\nA person says: {remark}\n" for remark in self.remarks)

    def _already(self, columns: Columns) -> str:
        if self.base is None or not (self.base.sources or self.base.views):
            return ""
        lines = [
            "",
            "Part of it is translated already, and agrees. Build on these relations; do not declare them again, and",
            "answer only with what is missing:",
            "",
            _listed(self.base, columns),
        ]
        if self.refusals:
            lines += ["", "What could not be translated, and why:", "", *(f"- {line}" for line in self.refusals)]
        return "\n".join([*lines, ""])

    def _wanted(self, pipeline: Pipeline) -> str:
        """The files that no view reproduces yet, and the rows that are encoded."""
        first = self.task.evidence.first
        files = [r.split(":")[0] for r in unclaimed(pipeline, first) if r.startswith("file ")]
        fitted = [c for c in first.calls if c.method.startswith("fit") and not c.nested]
        parts = [*files]
        if fitted and pipeline.features is None:
            parts.append(f"the view whose rows are encoded for the fit at line {fitted[-1].line}")
        return ", ".join(parts) or "the collections that the script fills"

    def _outcome(self, attempt: Attempt) -> dict[str, str]:
        if attempt.verdict is None:
            problem = attempt.proposal.problem  # about the answer alone: nothing was run
            return {"outcome": "It could not be used.", "difference": problem, "agreed": "nothing was compared"}
        verdict = attempt.verdict
        wrong = {d.point for d in verdict.differences}
        told = [self.told(d, attempt.proposal.pipeline) for d in verdict.differences[:SHOWN]]
        agreed = "\n".join(f"- {point}" for point in verdict.compared if point not in wrong)
        return {
            "outcome": _status(verdict),
            "difference": "\n".join(told or verdict.not_comparable),
            "agreed": agreed or "- nothing",
        }

    def told(self, difference: Difference, pipeline: Pipeline | None) -> str:
        """A difference as it may go out."""
        if self.rows:
            return str(difference)
        known = self.task.text + (str(pipeline) if pipeline else "")
        mismatch = difference.mismatch
        plain = mismatch.plain or discreet.message(mismatch.text, known)
        return str(replace(difference, mismatch=replace(mismatch, text=plain), sources=()))


def _status(verdict: Verdict) -> str:
    if verdict.status == "differs":
        return "It differs. The first differences, in the order of the views:"
    return "Nothing differs where it could be compared, but something is missing:"


def _listed(pipeline: Pipeline, columns: Columns) -> str:
    lines = []
    comments = {view.name: view.comment for view in pipeline.views}
    for name in (*(s.name for s in pipeline.sources), *comments):
        typed = ", ".join(f"{column} {kind}" for column, kind in columns.get(name, ()))
        comment = comments.get(name, "")
        lines.append(f"- {name}({typed})" + (f": {_flat(comment)}" if comment else ""))
    return "\n".join(lines)


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _view(pipeline: Pipeline) -> str:
    return pipeline.views[-1].name if pipeline.views else "none yet"


def _target(pipeline: Pipeline) -> str:
    label = f"label {pipeline.label.column}" if pipeline.label else "no label"
    split = pipeline.split
    return f"{label}; {split.kind} {dict(split.params)}" if split.params else f"{label}; {split.kind}"


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def as_text(value: Any) -> str:
    """JSON without blanks, for an answer that goes back."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
