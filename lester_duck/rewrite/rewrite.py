"""Rewrite a script into a pipeline, judged by running both; and judge a pipeline again later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from lester_duck.errors import InputError, UsageError, one_of
from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import decisions, suspicions
from lester_duck.rewrite.asking.question import Asker
from lester_duck.rewrite.beyond import Beyond, Said
from lester_duck.rewrite.changed import Changed, Rerun, changed_files
from lester_duck.rewrite.code import Code, Order
from lester_duck.rewrite.conversation import Conversation, Held
from lester_duck.rewrite.course import Course, Ended, EngineName
from lester_duck.rewrite.decisions import Decision, Person
from lester_duck.rewrite.execute import execute
from lester_duck.rewrite.judge import Verdict, judge
from lester_duck.rewrite.mutants import Outcome, number_of
from lester_duck.rewrite.notebook import order_of
from lester_duck.rewrite.observation import Evidence, Observation
from lester_duck.rewrite.observe import Setting, observe, setting, workspace
from lester_duck.rewrite.proposal import Attempt, Exchange, Proposal, Task
from lester_duck.rewrite.report import report
from lester_duck.rewrite.roads import Asking, endpoint_asker, folder_asker
from lester_duck.rewrite.sandbox import Limits

Progress = Callable[[str], None]
REPORT = "REWRITE.md"
INTENDED = "intended"
MUTANTS = 50
"""Mutants tried unless another number is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """The outcome of a rewrite.

    ``pipeline`` and ``verdict`` are None when nothing could be proposed. ``observation`` is the
    first run of the original; its scratch folder is gone. ``exchanges`` are the questions to a
    model and its raw answers. ``notes`` say what a person should know of a notebook: its order, lines
    that were left out. ``mutants`` is None when none were tried.
    """

    pipeline: Pipeline | None
    verdict: Verdict | None
    refusals: tuple[str, ...]
    suspicions: tuple[str, ...]
    observation: Observation
    report: str
    exchanges: tuple[Exchange, ...] = ()
    notes: tuple[str, ...] = ()
    mutants: Outcome | None = None
    problem: str = ""
    """Why there is no pipeline, or no verdict, where that is not a refusal."""
    stopped: str = ""
    """Why a model was not asked to the end: what failed, or what was spent."""
    decisions: tuple[Decision, ...] = ()
    intended: Pipeline | None = None
    """A variant that a person asked for; its differences from the script are on purpose."""


def rewrite(
    script: str | Path,
    *,
    engine: EngineName = "auto",
    python: str | None = None,
    root: str | Path | None = None,
    asking: Asking | None = None,
    person: Person | None = None,
    folder: Path | None = None,
    directed: bool = True,
    mutants: int | str = MUTANTS,
    seconds: float | None = None,
    keys: Mapping[str, tuple[str, ...]] | None = None,
    limits: Limits | None = None,
    order: Order | None = None,
    trust: bool = False,
    progress: Progress | None = None,
) -> Rewritten:
    """Observe the original, propose a pipeline, compare, and repair what a model proposed.

    ``root`` (default: the script's folder) is copied and is the working folder of the runs.
    ``engine``: the translator alone (static), a model for everything (llm), a folder that something
    else answers (files), or the translator and a model for what it refuses, where one is configured (auto).
    ``asking`` says which model, how often, and at what cost. ``person`` decides about differences that
    are left and about what looks like a bug; ``folder`` is where a pipeline is put for them to edit.
    ``order`` is the order in which a notebook's cells are taken: as they stand, or as last executed.
    ``trust`` runs the original without a sandbox, which the report then says.
    ``mutants`` is how many mistakes are tried on the pipeline (a number, ``all`` or ``none``); without
    ``directed`` inputs none are. They and the inputs have ``seconds`` together: without, a minute for a
    number of them, a quarter of an hour for all; those for which no time was left are counted.
    Raises InputError when the original fails or cannot be run, UsageError for options that do not fit.
    """
    say = progress or (lambda _: None)
    number = number_of(mutants)
    script = Path(script)
    asking = asking or Asking()
    how = setting(script, root=Path(root) if root else None, python=python, limits=limits, order=order, trust=trust)
    asked = _asker(engine, asking, script, say)
    with workspace() as space, closing(how):
        say("running the original twice")
        evidence = observe(how, space)
        task = Task(script=script, name=how.script, text=how.code.text, evidence=evidence, keys=keys or {})
        course = Course(
            task=task, how=how, space=space, progress=say, directed=directed, mutants=number,
            seconds=seconds, rows=asking.share_rows, rounds=asking.rounds, samples=asking.samples,
        )  # fmt: skip
        if engine == "static":
            ended = course.translate()
        else:
            ended = course.translate_then_ask(asked) if engine == "auto" else course.ask(asked)
        proposal = _suspected(ended.best.proposal, how, evidence, ended.said)
        if person is None:
            return _rewritten(how.code, proposal, ended, evidence)
        with _edited_in(folder) as place:
            talk = Conversation(course=course, asker=asked, person=person, folder=place)
            held = talk.hold(ended, tuple(how.code.located(s) for s in proposal.suspicions))
        proposal = _suspected(held.ended.best.proposal, how, evidence, held.ended.said)
        return _rewritten(how.code, proposal, held.ended, evidence, held)


@contextmanager
def _edited_in(folder: Path | None) -> Iterator[Path]:
    """The folder a person edits in: the one given, or a temporary one."""
    if folder is not None:
        yield folder
        return
    with workspace() as space:
        yield space / "pipeline"


def _asker(engine: EngineName, asking: Asking, script: Path, say: Progress) -> Asker | None:
    """Who is asked; known before the original runs, so that a missing key is told at once."""
    if engine not in get_args(EngineName):
        raise UsageError(one_of("engine", engine, get_args(EngineName)))
    if engine == "llm" or (engine == "auto" and asking.configured):
        return endpoint_asker(asking, say)
    return folder_asker(asking, script) if engine == "files" else None


def _suspected(proposal: Proposal, how: Setting, evidence: Evidence, said: Said | None) -> Proposal:
    """The proposal with everything that looked like a bug of the original."""
    found = list(suspicions.of_program(how.code.text, how.root, evidence.first.reads))
    if proposal.pipeline is not None:
        fits = evidence.first.fits(proposal.pipeline.origin.fit or "") if proposal.pipeline.origin else ()
        found += suspicions.of_pipeline(proposal.pipeline, fits[0].line if fits else 0)
    found += said.findings if said else ()
    return replace(proposal, suspicions=suspicions.merged(proposal.suspicions, found))


def _rewritten(
    code: Code, proposal: Proposal, ended: Ended, evidence: Evidence, held: Held | None = None
) -> Rewritten:
    said = ended.said
    verdict, outcome = (said.verdict, said.mutants) if said else (ended.best.verdict, None)
    proposal = _located(proposal, code)
    return Rewritten(
        pipeline=proposal.pipeline,
        verdict=verdict,
        refusals=proposal.refusals,
        suspicions=proposal.suspicions,
        observation=evidence.first,
        report=report(code.name, proposal, verdict, evidence, ended.attempts, outcome, held),
        mutants=outcome,
        problem=proposal.problem,
        stopped=ended.stopped,
        decisions=held.decisions if held else (),
        intended=held.intended.proposal.pipeline if held and held.intended else None,
        exchanges=tuple(exchange for a in ended.attempts for exchange in a.proposal.exchanges),
        notes=evidence.notes,
    )


def _located(proposal: Proposal, code: Code) -> Proposal:
    """The proposal with lines of a notebook's text said as lines of its cells."""
    if not code.notebook:
        return proposal
    pipeline = proposal.pipeline
    if pipeline is not None:
        views = tuple(replace(view, comment=code.located(view.comment)) for view in pipeline.views)
        checks = tuple(replace(check, message=code.located(check.message)) for check in pipeline.checks)
        pipeline = replace(pipeline, views=views, checks=checks)
    return replace(
        proposal,
        pipeline=pipeline,
        refusals=tuple(code.located(refusal) for refusal in proposal.refusals),
        suspicions=tuple(code.located(suspicion) for suspicion in proposal.suspicions),
    )


def save(rewritten: Rewritten, folder: str | Path) -> None:
    """Write the pipeline folder and REWRITE.md; decisions, and a variant into a folder of its own."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if rewritten.pipeline is not None:
        codec.dump(rewritten.pipeline, folder)
    (folder / REPORT).write_text(rewritten.report, encoding="utf-8")
    if rewritten.decisions:
        decisions.dump(rewritten.decisions, folder / decisions.FILE)
    if rewritten.intended is not None:
        codec.dump(rewritten.intended, folder / INTENDED)


def verify(
    folder: str | Path,
    script_root: str | Path | None = None,
    *,
    script: str | Path | None = None,
    python: str | None = None,
    directed: bool = True,
    mutants: int | str = MUTANTS,
    seconds: float | None = None,
    limits: Limits | None = None,
    order: Order | None = None,
    trust: bool = False,
    progress: Progress | None = None,
) -> Rewritten:
    """Judge the pipeline in a folder again, against the original as it is now, on the data as it is now.

    ``script`` defaults to the one the pipeline names, looked for in ``script_root`` (default: the
    folder above the pipeline's, then the current one); ``order`` of a notebook's cells to the one
    that was rewritten. Raises InputError when it is not there.
    """
    say = progress or (lambda _: None)
    number = number_of(mutants)
    pipeline = codec.load(folder)
    original = _original(pipeline, Path(folder), script_root, script)
    root = Path(script_root) if script_root else None
    if order is None and pipeline.origin and original.suffix == ".ipynb":
        order = order_of(original, original.name, pipeline.origin.sha256)
    how = setting(original, root=root, python=python, limits=limits, order=order, trust=trust)
    with workspace() as space, closing(how):
        say("running the original twice")
        evidence = observe(how, space)
        say("comparing")
        verdict = judge(pipeline, evidence, execute, how.root)
        said = None
        if directed:
            beyond = Beyond(how=how, evidence=evidence, space=space, mutants=number, progress=say, seconds=seconds)
            said = beyond.judge(pipeline, verdict)
        proposal = _suspected(Proposal(pipeline=pipeline), how, evidence, said)
        attempt = Attempt(proposal=proposal, verdict=verdict)
        return _rewritten(how.code, proposal, Ended(best=attempt, attempts=(), said=said), evidence)


def verify_changed(
    folder: str | Path,
    script_root: str | Path | None = None,
    *,
    changed: str | Path | None = None,
    random_edits: int = 0,
    seed: int = 0,
    script: str | Path | None = None,
    python: str | None = None,
    limits: Limits | None = None,
    order: Order | None = None,
    trust: bool = False,
    progress: Progress | None = None,
) -> Changed:
    """Run the original on changed data and compare with a store updated by the difference.

    ``changed`` is a folder with changed copies of files the script reads; or ``random_edits`` are
    made one after the other. X and y are not compared where the split is a shuffle. Raises
    Disagreement when original and pipeline do not agree before any change, UsageError unless one
    of the two is given.
    """
    if (changed is None) == (random_edits < 1):
        raise UsageError("give either changed data or a number of random edits")
    say = progress or (lambda _: None)
    pipeline = codec.load(folder)
    original = _original(pipeline, Path(folder), script_root, script)
    if order is None and pipeline.origin and original.suffix == ".ipynb":
        order = order_of(original, original.name, pipeline.origin.sha256)
    root = Path(script_root) if script_root else None
    how = setting(original, root=root, python=python, limits=limits, order=order, trust=trust)
    with workspace() as space, closing(how):
        say("running the original twice")
        evidence = observe(how, space)
        verdict = judge(pipeline, evidence, execute, how.root)
        if verdict.status == "differs":
            verdict.raise_if_different()
        again = Rerun(pipeline=pipeline, how=how, base=evidence, space=space, progress=say)
        try:
            if changed is None:
                return again.randomly(random_edits, seed)
            return again.to_data(changed_files(how, evidence.first.reads, Path(changed)))
        finally:
            again.close()


def _original(pipeline: Pipeline, folder: Path, root: str | Path | None, script: str | Path | None) -> Path:
    if script is not None:
        return Path(script)
    if pipeline.origin is None:
        raise InputError(f"the pipeline in '{folder}' names no original", hint="give one with --script PATH")
    places = [Path(root)] if root else [folder.resolve().parent, Path.cwd()]
    for place in places:
        if (place / pipeline.origin.script).is_file():
            return place / pipeline.origin.script
    raise InputError(f"'{pipeline.origin.script}' was not found", hint="give the original with --script PATH")
