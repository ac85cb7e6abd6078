"""Hostile answers of a model are refused with the reason; and where they run all the same, they reach nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from admission import hostile

from lester_duck.db import Bounds, Database, Error, TooLong, connect
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError, LesterError, Unsupported
from lester_duck.pipeline.model import Column, Function
from lester_duck.rewrite.admission import admit, reasons
from lester_duck.rewrite.execute import execute
from lester_duck.store import store

CASES = hostile.cases()
LARGE = ("view_too_long", "view_too_deep")
STATEMENTS = [case for case in CASES if case.part in ("view", "check") and case.name not in LARGE]
SECRET = "a secret of this machine"


@dataclass(frozen=True)
class World:
    """A file to read, a file to write and a port that must stay as they are."""

    canary: Path
    out: Path
    listener: socket.socket

    def fill(self, text: str) -> str:
        return hostile.filled(text, self.canary, self.out, self.listener.getsockname()[1])

    def assert_untouched(self) -> None:
        assert self.canary.read_text() == SECRET
        assert not self.out.exists()
        with pytest.raises(BlockingIOError):
            self.listener.accept()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "canary.txt").write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.MonkeyPatch.context() as patch:
        listener.setblocking(False)
        patch.setenv("CANARY_SECRET", SECRET)
        yield World(folder / "canary.txt", folder / "written.csv", listener)


def test_there_are_many() -> None:
    assert sum(case.part in ("view", "check") for case in CASES) >= 40
    assert sum(case.part not in ("view", "check") for case in CASES) >= 20


def test_the_pipeline_they_are_put_in_is_right() -> None:
    assert reasons(hostile.RIGHT, hostile.SEEN) == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused(case: hostile.Case, world: World) -> None:
    found = reasons(hostile.pipeline(case.part, world.fill(case.text)), hostile.SEEN)
    assert any(case.reason in str(reason) for reason in found), [str(reason) for reason in found]
    for reason in found:
        assert isinstance(reason, InputError | Unsupported)
        assert reason.where, str(reason)
        assert "\n" not in reason.message and "\x1b" not in str(reason)
    world.assert_untouched()


def test_admit_raises_the_first_reason() -> None:
    with pytest.raises(LesterError, match=r"functions.py:2: open reaches outside"):
        admit(hostile.pipeline("code", "def f(x):\n    return open(x)"), hostile.SEEN)


def test_a_reason_names_the_line() -> None:
    [reason] = reasons(hostile.pipeline("view", "SELECT a,\n  now() AS b\nFROM rows"), hostile.SEEN)
    assert reason.where == "views/result.sql:2"


@pytest.fixture(scope="module")
def sealed() -> Iterator[Database]:
    db = store.create_or_open(store.MEMORY, sealed=Bounds(memory=200 << 20, disk=20 << 20))
    yield db
    db.close()


@pytest.mark.parametrize("case", STATEMENTS, ids=lambda case: case.name)
def test_without_the_fence_the_store_is_sealed(case: hostile.Case, world: World, sealed: Database) -> None:
    shown = ""
    sealed.execute("CREATE OR REPLACE TABLE source.rows AS SELECT '1' AS a, '2' AS b")
    with suppress(Error, LesterError), sealed.within(0.2):
        found = sealed.execute(world.fill(case.text))
        shown = str(found.fetchall()) if found else ""
    assert SECRET not in shown
    world.assert_untouched()
    with pytest.raises(Error, match="locked"):
        sealed.execute("SET enable_external_access = true")


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_csv('CANARY')",
        "FROM read_text('CANARY')",
        "FROM 'CANARY'",
        "COPY (SELECT 1) TO 'OUT'",
        "ATTACH 'OUT' AS other",
        "EXPORT DATABASE 'OUT'",
        "FROM glob('/*')",
    ],
)
def test_a_sealed_store_refuses(statement: str, world: World, sealed: Database) -> None:
    with pytest.raises(Error, match=r"disabled by configuration|does not exist"):
        sealed.rows(world.fill(statement))
    world.assert_untouched()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM range(1000000000000)",
        "SELECT sum(x.range * y.range) FROM range(1000000) AS x, range(1000000) AS y",
        "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT count(*) FROM r",
    ],
)
def test_what_does_not_end_is_ended(statement: str, sealed: Database) -> None:
    with pytest.raises(TooLong, match=r"took longer than 0.2 s"), sealed.within(0.2):
        sealed.rows(statement)
    assert sealed.value("SELECT 1") == 1


def test_what_takes_all_memory_or_disk_is_ended(sealed: Database) -> None:
    with pytest.raises(InputError, match="takes more memory, or more temporary files, than is allowed"):
        sealed.execute("CREATE TABLE large AS SELECT range AS a, md5(range::VARCHAR) AS b FROM range(30000000)")


def test_temporary_files_go_with_the_database() -> None:
    db = connect(sealed=Bounds())
    folder = Path(db.value("SELECT current_setting('temp_directory')")).parent
    assert folder.is_dir()
    db.close()
    assert not folder.exists()


def test_a_view_that_reads_is_refused_by_the_judge_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    pipeline = hostile.pipeline(
        "view", f"SELECT r.a, (SELECT max(content) FROM read_text('{world.canary}')) FROM rows r"
    )
    with pytest.raises(LesterError), execute(pipeline, tmp_path):
        pass
    world.assert_untouched()


_BYPASS = """
def read(x):
    return open(x).read()

def write(x):
    with open(x, "w") as file:
        file.write("written")
    return "written"

def connect(x):
    import socket
    socket.create_connection(("127.0.0.1", int(x)), 2)
    return "connected"

def environment(x):
    import os
    return str(dict(os.environ))
"""


def test_without_the_fence_functions_reach_nothing(world: World) -> None:
    asked = {
        "read": str(world.canary), "write": str(world.out), "connect": str(world.listener.getsockname()[1]),
        "environment": "",
    }  # fmt: skip
    declared = tuple(Function(name=n, arguments=(Column(name="x"),), returns="VARCHAR") for n in asked)
    worker = Worker(_BYPASS, declared, dict.fromkeys(asked, pa.string()), timeout=20)
    try:
        for name, argument in asked.items():
            values, errors = worker.call(name, pa.table({"x": [argument]}))
            assert SECRET not in str(values) and "CANARY_SECRET" not in str(values)
            assert name == "environment" or errors[0].as_py(), name
    finally:
        worker.close()
    world.assert_untouched()


def test_functions_have_a_time_in_all() -> None:
    code = "def f(x):\n    while x:\n        pass\n"
    declared = (Function(name="f", arguments=(Column(name="x"),), returns="VARCHAR"),)
    worker = Worker(code, declared, {"f": pa.string()}, total=1.5)
    try:
        with pytest.raises(InputError, match=r"took longer than 1.5 s in all"):
            worker.call("f", pa.table({"x": ["1"]}))
    finally:
        worker.close()
