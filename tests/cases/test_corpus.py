"""Every program of the corpus is observed, lifted and judged; what must be refused is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cases import corpus, table
from cases.pending import DIFFERS, PENDING

from lester_duck.rewrite.directed import judge_directed
from lester_duck.rewrite.execute import execute
from lester_duck.rewrite.inputs import directed

CASES = corpus.cases()
AGREED = [case for case in CASES if case.verdict == "agreed" and case.name not in PENDING | DIFFERS]
SECONDS = 20.0
TOGETHER = 60


class Observed(dict[str, corpus.Seen]):
    """Programs run twice, with their neighbours, when one of them is asked for."""

    def __init__(self, open_until: ExitStack) -> None:
        super().__init__()
        self.open_until = open_until

    def __missing__(self, name: str) -> corpus.Seen:
        place = next(number for number, case in enumerate(CASES) if case.name == name)
        begin = place - place % TOGETHER
        self.update(self.open_until.enter_context(corpus.observed(CASES[begin : begin + TOGETHER])))
        return self[name]


@pytest.fixture(scope="module")
def seen() -> Iterator[Observed]:
    """The programs that this process is asked for."""
    with ExitStack() as open_until:
        yield Observed(open_until)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(seen: dict[str, corpus.Seen], case: corpus.Case) -> None:
    outcome = corpus.judged(seen[case.name])
    if case.name in PENDING and not outcome.meets(case):
        line, reason = PENDING[case.name]
        refused = replace(case, verdict="refused", line=line, reason=reason)
        assert outcome.meets(refused), f"{case.name} is pending, line {line}, '{reason}': {outcome}"
        return
    if case.name in DIFFERS and not outcome.meets(case):
        assert outcome.differences and outcome.differences[0].startswith(DIFFERS[case.name]), outcome
        return
    assert outcome.meets(case), f"{case.verdict}, line {case.line}, '{case.reason}' expected: {outcome}"


if "FUZZ_EXAMPLES" in os.environ:

    @pytest.mark.slow
    @pytest.mark.parametrize("case", AGREED, ids=lambda case: case.name)
    def test_directed_inputs_fuzz(seen: dict[str, corpus.Seen], case: corpus.Case, tmp_path: Path) -> None:
        found = seen[case.name]
        best = corpus.propose(found)
        verdict = judge_directed(
            best.proposal.pipeline,
            found.evidence,
            best.verdict,
            directed(found.how.root, found.evidence.first.reads, found.how.code.text),
            how=found.how,
            execute=execute,
            space=tmp_path,
            seconds=SECONDS,
            progress=lambda _: None,
        )
        found.how.close()
        assert verdict.status == "agreed", str(verdict)


def test_enough_programs() -> None:
    assert len(AGREED) >= 60, len(AGREED)
    assert sum(case.verdict != "agreed" for case in CASES) >= 25


def test_pending_programs_exist_and_should_agree() -> None:
    assert PENDING.keys() | DIFFERS.keys() <= {case.name for case in CASES if case.verdict == "agreed"}


def test_every_idiom_has_two_programs_and_the_table_is_true() -> None:
    few = {idiom: names for idiom, names in corpus.idioms_of(CASES).items() if len(names) < 2}
    assert few == {}
    assert table.PATH.read_text(encoding="utf-8") == table.text(CASES), "tests/cases/table.py writes it"
