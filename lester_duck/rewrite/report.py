"""REWRITE.md: what became what, what was compared, and what a person must still decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.conversation import Held
from lester_duck.rewrite.judge import Verdict
from lester_duck.rewrite.mutants import Outcome
from lester_duck.rewrite.observation import Evidence
from lester_duck.rewrite.proposal import Attempt, Proposal

_MEANING = {
    "agreed": "Original and pipeline were run and compared, and no difference was found. This is evidence, not proof.",
    "differs": "Original and pipeline were run and compared, and they differ.",
    "not comparable": "No difference was found where they could be compared, but some of it could not be.",
}


def report(
    name: str,
    proposal: Proposal,
    verdict: Verdict | None,
    evidence: Evidence,
    attempts: Sequence[Attempt] = (),
    mutants: Outcome | None = None,
    held: Held | None = None,
) -> str:
    """The text of REWRITE.md. Deterministic: the same evidence gives the same text."""
    pipeline = proposal.pipeline
    parts = [f"# How {name} became a pipeline", "", *_verdict(verdict, proposal)]
    if pipeline:
        parts += ["", "## What became what", "", *_pieces(pipeline)]
    if verdict:
        parts += ["", "## What was compared", "", *_compared(verdict)]
        parts += _section("What the verdict does not cover", [*verdict.not_comparable, *verdict.not_checked])
        lead = "A source or check refuses these directed inputs with an error; the original accepts them."
        parts += _section("Where the pipeline is stricter", verdict.stricter, lead)
        parts += _mutants(mutants) if mutants else []
        parts += _section("Differences", [str(d) for d in verdict.differences])
    parts += _section("Refused", proposal.refusals)
    parts += _section("Suspicions", proposal.suspicions, "Bugs of the original are reproduced, not repaired.")
    parts += _section("Decisions", [f"{d.asked} Answer: {d.answer}" for d in held.decisions] if held else [])
    parts += _on_purpose(held) if held and held.intended else []
    parts += _section("How the original was run", _ran(evidence))
    parts += _section("How the proposals were made", _exchanges(attempts))
    if pipeline:
        parts += _section("What a person must still decide", list(_decisions(pipeline, proposal, verdict)))
    return "\n".join(parts) + "\n"


def _on_purpose(held: Held) -> list[str]:
    """The variant a person asked for, whose differences are no fault."""
    verdict = held.intended.verdict if held.intended else None
    if verdict is None:
        return ["", "## On purpose", "", f"No variant came of it: {_flat(held.intended.proposal.problem)}"]
    lead = "The folder `intended` holds a variant that was asked for. It differs from the script on purpose:"
    return _section("On purpose", [str(d) for d in verdict.differences] or ["nowhere that was seen"], lead)


def _section(title: str, lines: Sequence[str], lead: str = "") -> list[str]:
    if not lines:
        return []
    return ["", f"## {title}", "", *([lead, ""] if lead else []), *(f"- {_flat(line)}" for line in lines)]


def _mutants(outcome: Outcome) -> list[str]:
    """What the comparison would have noticed, and what it would not."""
    sites = f" ({outcome.sites} sites in all)" if outcome.sites > outcome.counted else ""
    lead = f"Mistakes put into the pipeline on purpose, to see whether the comparison notices: {outcome}{sites}."
    lines = [f"survives: {m}" for m in outcome.survivors]
    lines += [f"argued equivalent: {m} ({why})" for m, why in outcome.equivalent]
    lines += [f"too slow to judge: {m}" for m in outcome.slow]
    return ["", "## Mutants", "", lead, *([""] if lines else []), *(f"- {_flat(line)}" for line in lines)]


def _flat(text: str) -> str:
    return " ".join(text.split())


def _verdict(verdict: Verdict | None, proposal: Proposal) -> list[str]:
    if verdict is None:
        why = proposal.problem or "the translator refused it"
        return [f"**No verdict**: there is no pipeline to compare ({_flat(why)})."]
    counts = f"{verdict.points} observation points, {verdict.inputs} directed inputs"
    if verdict.mutants:
        counts += f", {verdict.mutants[0]} of {verdict.mutants[1]} mutants told apart"
    return [f"**{verdict.status}** ({counts}). {_MEANING[verdict.status]}"]


def _pieces(pipeline: Pipeline) -> Iterator[str]:
    folds = sum(function.fold for function in pipeline.functions)
    yield (
        f"{len(pipeline.sources)} sources, {len(pipeline.views)} views, "
        f"{len(pipeline.functions) - folds} functions, {folds} folds, "
        f"{len(pipeline.features.featurizers) if pipeline.features else 0} featurizers."
    )
    yield ""
    yield "| piece | what it is |"
    yield "|---|---|"
    for source in pipeline.sources:
        yield _row(f"source `{source.name}`", f"{source.format} {source.path or 'table'}")
    for view in pipeline.views:
        yield _row(f"view `{view.name}`", view.comment or "no comment")
    for function in pipeline.functions:
        arguments = ", ".join(f"{a.name} {a.type}" for a in function.arguments)
        kind = "pure" if function.pure else "declared not pure"
        what = "fold" if function.fold else "function"
        yield _row(f"{what} `{function.name}`", f"({arguments}) -> {function.returns}, {kind}")
    for featurizer in pipeline.features.featurizers if pipeline.features else ():
        steps = ", ".join(step.kind for step in featurizer.steps)
        yield _row(f"featurizer `{featurizer.name}`", f"{steps} of {', '.join(featurizer.columns)}")
    if pipeline.label:
        yield _row("label", f"`{pipeline.label.column}`")
    yield _row("split", ", ".join([pipeline.split.kind, *(f"{k} = {v}" for k, v in pipeline.split.params)]))
    if pipeline.model:
        yield _row("model", pipeline.model.estimator)


def _row(piece: str, what: str) -> str:
    return f"| {piece} | {_flat(what).replace('|', chr(92) + '|')} |"


def _compared(verdict: Verdict) -> Iterator[str]:
    yield "Floats are equal within 1e-9, absolute plus relative (1e-6 for a float32 matrix); order is compared too."
    yield ""
    wrong = {d.point for d in verdict.differences if not d.input}
    for point in verdict.compared:
        yield f"- {point}: {'differs' if point in wrong else 'agrees'}"
    if not verdict.compared:
        yield "- nothing"


def _ran(evidence: Evidence) -> list[str]:
    lines = [f"Sandbox: {evidence.level.describe()}."]
    if evidence.second:
        lines.append("Twice, with different hash seeds and clocks; what differed between the runs is not comparable.")
    lines.append(f"Read: {', '.join(evidence.first.reads) or 'nothing'}.")
    lines.append(f"Wrote: {', '.join(evidence.first.writes) or 'nothing'}.")
    lines.extend(f"Notebook: {note}." for note in evidence.notes)
    lines.extend(f"Not the same twice: {cause}." for cause in evidence.causes)
    return lines


def _exchanges(attempts: Sequence[Attempt]) -> list[str]:
    lines: list[str] = []
    for attempt in attempts:
        outcome = attempt.verdict.status if attempt.verdict else "not usable"
        for asked in attempt.proposal.exchanges:
            tokens = f", {asked.prompt_tokens} + {asked.completion_tokens} tokens" if asked.prompt_tokens else ""
            lines.append(
                f"{len(lines) + 1}: prompt {asked.task}/{asked.version} ({asked.prompt_sha256[:12]}), {asked.model}, "
                f"as {asked.form}{tokens}: {outcome}"
            )
    return lines


def _decisions(pipeline: Pipeline, proposal: Proposal, verdict: Verdict | None) -> Iterator[str]:
    for source in pipeline.sources:
        if not source.key:
            yield (
                f"Source `{source.name}` has no key: a row is known by its content. Declare one if a column "
                "names rows, so that a changed row keeps its identity."
            )
    if pipeline.split.kind == "shuffle":
        yield "The split is a shuffle: later rows go by hash; a rerun of the original on changed data divides anew."
    for function in pipeline.functions:
        yield f"Function `{function.name}` is taken to depend on its arguments only: is that so?"
    for suspicion in proposal.suspicions:
        yield f"Is this intended? {suspicion}"
    if verdict and verdict.not_comparable:
        yield "What could not be compared (above) rests on reading the views."
