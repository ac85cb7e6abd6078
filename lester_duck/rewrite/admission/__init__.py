"""What a language model proposes is untrusted: it is admitted before anything of it is planned or run.

A proposal may compute, and nothing else: every statement is one SELECT of known kinds over sources,
views and CTEs (``statement``), of known pure functions (``catalog``); its Python defines pure
functions (``functions``, ``modules``); its declarations name files the original was seen to use,
encodings, registered featurizers and reviewed estimators (``declared``). What passes is bounded
in size (``bounds``). This is the first fence; the second is where it runs: a store that reaches no
file and whose configuration is locked, with limits on memory, disk and time (``db``), and a process
without files, network and environment for functions (``engine.worker``).
"""

from __future__ import annotations

from collections.abc import Callable

from lester_duck.db import connect
from lester_duck.errors import LesterError
from lester_duck.pipeline.codec import MANIFEST, view_line
from lester_duck.pipeline.model import Pipeline, View
from lester_duck.rewrite.admission import bounds, declared, functions, statement
from lester_duck.rewrite.admission.statement import Scope, Text
from lester_duck.rewrite.observation import Observation


def admit(pipeline: Pipeline, observation: Observation) -> None:
    """Raise the first reason (InputError or Unsupported, with its place) why a proposal may not be run."""
    for reason in reasons(pipeline, observation):
        raise reason


def reasons(pipeline: Pipeline, observation: Observation) -> tuple[LesterError, ...]:
    """All reasons why a proposal may not be run, at most twenty: as many things to mend at once; none if it may."""
    db = connect()  # asked for syntax trees only
    try:
        statements = [e for text, scope in _statements(pipeline) for e in statement.refused(db, text, scope)]
        found = [
            *declared.refused(db, pipeline, observation),
            *functions.refused(pipeline),
            *(statements or declared.circles(pipeline)),
        ]
    finally:
        db.close()
    return tuple({str(reason): reason for reason in found}.values())[: bounds.REASONS]


def _statements(pipeline: Pipeline) -> list[tuple[Text, Scope]]:
    """Views and checks with what each may name."""
    relations = frozenset(named.name.lower() for named in (*pipeline.sources, *pipeline.views))
    own = frozenset(function.name.lower() for function in pipeline.functions)
    set_aside = frozenset(f"{s.name}__malformed".lower() for s in pipeline.sources if s.malformed == "set_aside")
    views = [(_view(view), Scope(relations, own)) for view in pipeline.views[: bounds.VIEWS]]
    checks = [
        (Text(check.sql, _of_check(check.name)), Scope(relations | set_aside))
        for check in pipeline.checks[: bounds.CHECKS]
    ]
    return views + checks


def _view(view: View) -> Text:
    return Text(view.sql, lambda line: f"views/{view.name}.sql:{view_line(view, line)}")


def _of_check(name: str) -> Callable[[int], str]:
    return lambda line: f"{MANIFEST} [[check]] {name}, line {line}"
