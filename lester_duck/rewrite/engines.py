"""The roads: the built-in translator, a model, and a folder that something else answers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from lester_duck import assets
from lester_duck.errors import InputError
from lester_duck.featurize.registry import KINDS
from lester_duck.pipeline import codec
from lester_duck.rewrite import exchange, llm, prompts
from lester_duck.rewrite.observation import as_observed
from lester_duck.rewrite.profile import profile
from lester_duck.rewrite.proposal import Attempt, Exchange, Proposal, Task, validated


@dataclass(frozen=True, slots=True)
class Static:
    """The built-in translator."""

    name: str = "static"
    repairs: bool = False

    def propose(self, task: Task, earlier: Sequence[Attempt]) -> Proposal:
        """Lift the script; what was lifted before a refusal is kept."""
        from lester_duck.lift import lift

        lifted = lift(task.text, as_observed(task.evidence.first), script=task.name)
        return Proposal(
            pipeline=lifted.pipeline,
            refusals=tuple(str(refusal) for refusal in lifted.refusals),
            suspicions=tuple(str(suspicion) for suspicion in lifted.suspicions),
        )


@dataclass(frozen=True, slots=True)
class Model:
    """A model behind an OpenAI-compatible endpoint; ``rows`` sample lines of each file are sent."""

    endpoint: llm.Endpoint
    rows: int = 0
    repairs: bool = True

    @property
    def name(self) -> str:
        """What ``Origin.engine`` will say."""
        return f"llm:{self.endpoint.model}"

    def propose(self, task: Task, earlier: Sequence[Attempt]) -> Proposal:
        """Ask for a pipeline, or for a repair of the last attempt."""
        asked, messages = conversation(task, earlier, self.rows)
        schema = answer_schema()
        answer = llm.ask(self.endpoint, messages, schema)
        proposal = read_proposal(answer.text)
        if proposal.pipeline is None:
            llm.forget(self.endpoint, messages, schema)
        kept = Exchange(
            task=asked.task,
            version=asked.version,
            prompt_sha256=asked.sha256,
            model=answer.model,
            form=answer.form,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            raw=answer.text,
        )
        return Proposal(pipeline=proposal.pipeline, problem=proposal.problem, exchange=kept)


@dataclass(frozen=True, slots=True)
class Files:
    """A folder: the request is written to it, the answer read from it."""

    folder: Path
    rows: int = 0
    name: str = "files"
    repairs: bool = False

    def propose(self, task: Task, earlier: Sequence[Attempt]) -> Proposal:
        """Write the request and read the answer; raises InputError while there is none."""
        asked, messages = conversation(task, earlier, self.rows)
        exchange.write_request(self.folder, messages, answer_schema(), task=asked.task)
        text, pipeline = exchange.read_answer(self.folder)
        if text is None:
            return Proposal(pipeline=pipeline)
        proposal = read_proposal(text)
        kept = Exchange(task=asked.task, version=asked.version, prompt_sha256=asked.sha256, model="files",
                        form="file", prompt_tokens=0, completion_tokens=0, raw=text)  # fmt: skip
        return Proposal(pipeline=proposal.pipeline, problem=proposal.problem, exchange=kept)

    def request_repair(self, task: Task, last: Attempt) -> None:
        """Write the difference of a judged answer as the next request."""
        asked, messages = conversation(task, [last], self.rows)
        exchange.write_request(self.folder, messages, answer_schema(), task=asked.task)


def answer_schema() -> dict[str, Any]:
    """The JSON schema of a structured answer: the pipeline IR."""
    return codec.adapter().json_schema()


def featurizer_kinds() -> str:
    """The featurizers a pipeline may name: a line each, with parameters and defaults."""
    lines = []
    for kind, cls in KINDS.items():
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        given = ", ".join(f.name if f.default is MISSING else f"{f.name} = {f.default!r}" for f in fields(cls))
        lines.append(f"  - `{kind}`({given}): {summary}")
    return "\n".join(lines)


def macro_names() -> str:
    """The macros that views may call.

    >>> "`py_mod(a, b)`" in macro_names()
    True
    """
    found = re.findall(r"CREATE OR REPLACE MACRO (py_\w+\([^)]+\))", assets.text("sql/macros/python.sql"))
    return ", ".join(f"`{macro}`" for macro in found)


def read_proposal(text: str) -> Proposal:
    """The pipeline in an answer's text, or the problem with it."""
    try:
        raw = llm.extract_json(text)
    except InputError as error:
        return Proposal(pipeline=None, problem=str(error))
    pipeline, problem = validated(raw)
    return Proposal(pipeline=pipeline, problem=problem)


def conversation(task: Task, earlier: Sequence[Attempt], rows: int) -> tuple[prompts.Prompt, list[llm.Message]]:
    """The messages of a request: the task, and for a repair the last answer and what is wrong with it."""
    numbered = "\n".join(f"{n:4} {line}" for n, line in enumerate(task.text.splitlines(), 1))
    first = prompts.render(
        "rewrite",
        script_name=task.name,
        script=numbered,
        profile=profile(task.evidence.first, task.text, rows=rows),
        schema=_compact(answer_schema()),
        featurizers=featurizer_kinds(),
        macros=macro_names(),
    )
    messages = [{"role": "system", "content": first.system}, {"role": "user", "content": first.user}]
    if not earlier:
        return first, messages
    last = earlier[-1]
    repair = prompts.render("repair", **_outcome(last))
    said = _compact(codec.adapter().dump_python(last.proposal.pipeline, mode="json")) if last.proposal.pipeline else ""
    if last.proposal.exchange:
        said = last.proposal.exchange.raw
    messages.append({"role": "assistant", "content": said})
    messages.append({"role": "user", "content": f"{repair.system}\n\n{repair.user}"})
    return repair, messages


def _outcome(last: Attempt) -> dict[str, str]:
    if last.verdict is None:
        return {"outcome": "It could not be read.", "difference": last.proposal.problem, "agreed": "none"}
    verdict = last.verdict
    wrong = {d.point for d in verdict.differences}
    reasons = [str(verdict.first)] if verdict.first else list(verdict.not_comparable)
    return {
        "outcome": f"Verdict: {verdict.status}.",
        "difference": "\n".join(reasons),
        "agreed": "\n".join(f"- {point}" for point in verdict.compared if point not in wrong) or "none",
    }


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
