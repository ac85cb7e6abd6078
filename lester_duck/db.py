"""The only module that opens DuckDB connections.

``Database`` wraps one connection: it runs SQL given as text or as a sqlglot tree, hands results
out as Arrow or Python rows, reports every statement to a tracer, and turns DuckDB's own refusals
(file locked, disk full, newer storage format) into errors a user can act upon.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from lester_duck.errors import InputError, LesterError

Tracer = Callable[[str], None]
Statement = str | exp.Expression
Error = duckdb.Error

_CONFIG: dict[str, Any] = {
    "checkpoint_threshold": "16GB",  # never inside an update: see docs/design/0002
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": True,
}

@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes a sealed database may take: of memory, of temporary files."""

    memory: int = 4 << 30
    disk: int = 8 << 30


class TooLong(InputError):
    """Statements did not end within the time they were given."""


PARSED = 512
"""Statements kept parsed per connection."""
_KEPT_PARSED = frozenset({
    duckdb.StatementType.SELECT,
    duckdb.StatementType.INSERT,
    duckdb.StatementType.DELETE,
    duckdb.StatementType.UPDATE,
    duckdb.StatementType.CREATE,
})


def sql_text(statement: Statement) -> str:
    """The DuckDB text of a statement.

    >>> sql_text(exp.select("a").from_("t"))
    'SELECT a FROM t'
    """
    return statement if isinstance(statement, str) else statement.sql(dialect="duckdb")


class Database:
    """One DuckDB connection with a tracer."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: str, tracer: Tracer | None = None) -> None:
        self.connection = connection
        self.path = path
        self.tracer = tracer
        self._parsed = lru_cache(maxsize=PARSED)(self._parse)
        self._threads: int | None = None
        self._one_thread = False
        self.sealed = False
        """Whether it reaches no file and keeps its configuration."""
        self._scratch: TemporaryDirectory[str] | None = None
        self._late: list[float] = []

    def execute(self, statement: Statement, parameters: Sequence[Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run one statement; raises a LesterError for environment faults, ``Error`` for SQL faults."""
        text = sql_text(statement)
        with self._watched(text):
            parsed = self._parsed(text)
            return self.connection.execute(parsed, parameters) if parameters else self.connection.execute(parsed)

    def _parse(self, text: str) -> duckdb.Statement | str:
        """A statement that may be run again and again; parsing is a fifth of what a small one costs."""
        statements = self.connection.extract_statements(text)
        return statements[0] if len(statements) == 1 and statements[0].type in _KEPT_PARSED else text

    @contextmanager
    def _watched(self, text: str) -> Iterator[None]:
        """Report a statement to the tracer; turn environment faults into LesterErrors."""
        if self._late:
            raise _too_long(self._late[0])
        if self._threads is not None and not self._one_thread:
            self._restore_threads()
        if self.tracer:
            self.tracer(text)
        try:
            yield
        except duckdb.Error as error:
            if self._late:
                raise _too_long(self._late[0]) from error
            fault = _environment_fault(error, self.path)
            if fault:
                raise fault from error
            raise

    def rows(self, statement: Statement, parameters: Sequence[Any] | None = None) -> list[tuple]:
        """All rows as Python tuples: for catalog-sized results."""
        return self.execute(statement, parameters).fetchall()

    def row(self, statement: Statement, parameters: Sequence[Any] | None = None) -> tuple | None:
        """The first row, or None."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def value(self, statement: Statement, parameters: Sequence[Any] | None = None) -> Any:
        """The first column of the first row, or None."""
        row = self.row(statement, parameters)
        return row[0] if row else None

    def arrow(self, statement: Statement, parameters: Sequence[Any] | None = None) -> pa.Table:
        """The result as an Arrow table."""
        return self._relation(statement, parameters).to_arrow_table()

    def batches(self, statement: Statement, rows_per_batch: int = 65_536) -> pa.RecordBatchReader:
        """The result as a stream; finish or close it before the next statement."""
        return self._relation(statement, None).to_arrow_reader(rows_per_batch)

    def _relation(self, statement: Statement, parameters: Sequence[Any] | None) -> duckdb.DuckDBPyRelation:
        text = sql_text(statement)
        with self._watched(text):
            parsed = self._parsed(text)
            return self.connection.sql(parsed, params=parameters) if parameters else self.connection.sql(parsed)

    @contextmanager
    def registered(self, name: str, table: Any) -> Iterator[str]:
        """Make an Arrow table (or frame, or reader) visible under ``name`` for a while."""
        self.connection.register(name, table)
        try:
            yield name
        except BaseException:
            # a failed statement has aborted the transaction, whose rollback forgets the name
            with suppress(duckdb.TransactionException):
                self.connection.unregister(name)
            raise
        self.connection.unregister(name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: commits at the end, rolls back on any exception (Ctrl-C included)."""
        self.execute("BEGIN TRANSACTION")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Run small statements on one thread: handing a millisecond's work to several costs more than it saves.

        The next statement after it has all threads again.
        """
        if self._threads is None and not self.sealed:
            self._threads = int(self.value("SELECT current_setting('threads')"))
            self.connection.execute("SET threads = 1")
        self._one_thread = True
        try:
            yield
        finally:
            self._one_thread = False

    @contextmanager
    def all_threads(self) -> Iterator[None]:
        """Within ``one_thread``: large statements, which have all threads."""
        small, self._one_thread = self._one_thread, False
        try:
            yield
        finally:
            self._one_thread = small

    def _restore_threads(self) -> None:
        threads, self._threads = self._threads, None
        self.connection.execute(f"SET threads = {threads}")

    def _rollback(self) -> None:
        with suppress(duckdb.TransactionException):  # a failed COMMIT has rolled back already
            self.connection.execute("ROLLBACK")

    def relation(self, statement: Statement) -> duckdb.DuckDBPyRelation:
        """The result as DuckDB's own lazy relation."""
        return self._relation(statement, None)

    def cursor(self) -> Database:
        """A second connection to the same database, for reading beside a stream."""
        if self._threads is not None:
            self._restore_threads()
        return Database(self.connection.cursor(), self.path, self.tracer)

    def close(self) -> None:
        """Close the connection; the last one closed checkpoints the file."""
        self.connection.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A limit on the time of all statements in it: the one that runs is interrupted, none is begun.

        Raises TooLong.
        """

        def end() -> None:
            self._late.append(seconds)
            self.connection.interrupt()

        timer = Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except duckdb.InterruptException as error:
            if self._late:
                raise _too_long(seconds) from error
            raise
        finally:
            timer.cancel()
            timer.join()
            self._late.clear()


def connect(
    path: str | Path = ":memory:",
    *,
    read_only: bool = False,
    wait: float = 0.0,
    tracer: Tracer | None = None,
    sealed: Bounds | None = None,
) -> Database:
    """Open a database file (or ``:memory:``).

    ``wait`` is the number of seconds to try again while another process has the file open. A ``sealed``
    database, in memory, reads and writes no file but those it spills to, loads no extension, and its
    configuration stays as it is.
    Raises InputError when the file is locked, unreadable, or of a newer storage format.
    """
    if sealed is not None:
        return _sealed(sealed, tracer)
    deadline = time.monotonic() + wait
    while True:
        try:
            return Database(duckdb.connect(str(path), read_only=read_only, config=_CONFIG), str(path), tracer)
        except duckdb.Error as error:
            fault = _environment_fault(error, str(path))
            if fault is None:
                raise InputError(f"cannot open '{path}' as a DuckDB file: {first_line(error)}") from error
            if not isinstance(fault, StoreLocked) or time.monotonic() >= deadline:
                raise fault from error
            time.sleep(min(0.1, max(0.0, deadline - time.monotonic())))


def _sealed(bounds: Bounds, tracer: Tracer | None) -> Database:
    scratch = TemporaryDirectory(prefix="lester-duck-")
    db = Database(duckdb.connect(":memory:", config=_CONFIG), ":memory:", tracer)
    settings = {
        "temp_directory": str(Path(scratch.name) / "spilled"),
        "max_temp_directory_size": f"{bounds.disk}B",
        "memory_limit": f"{min(bounds.memory, _installed() * 3 // 4)}B",
        "allow_community_extensions": False,
        "enable_external_access": False,
        "lock_configuration": True,
    }
    for name, value in settings.items():
        setting = exp.EQ(this=exp.var(name), expression=exp.convert(value))
        db.execute(exp.Set(expressions=[exp.SetItem(this=setting)]))
    db.sealed, db._scratch = True, scratch
    return db


def _installed() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _too_long(seconds: float) -> TooLong:
    return TooLong(
        f"the statements took longer than {seconds:g} s in all", hint="look for a join or a series that multiplies rows"
    )


class StoreLocked(InputError):
    """Another process has the file open."""


def first_line(error: BaseException) -> str:
    """The first line of a DuckDB message, without its class prefix.

    >>> first_line(ValueError("Binder Error: no such column\\nLINE 1: ..."))
    'no such column'
    """
    return re.sub(r"^[A-Za-z ]+ Error: ", "", str(error).splitlines()[0])


def _environment_fault(error: duckdb.Error, path: str) -> LesterError | None:
    text = str(error)
    if "Could not set lock" in text or "Conflicting lock" in text:
        holder = re.search(r"PID (\d+)", text)
        who = f"process {holder[1]}" if holder else "another process"
        return StoreLocked(
            f"'{path}' is open in {who}",
            hint="close it there, or wait for it with --wait SECONDS; one process at a time may write",
        )
    if any(words in text for words in ("No space left", "Disk quota", "File too large")):
        return InputError(
            f"the disk that holds '{path}' is full, or a limit on the size of files is reached",
            hint="free some space and repeat; the store is as it was before",
        )
    if text.startswith("Out of Memory Error"):
        return InputError(
            f"the statement takes more memory, or more temporary files, than is allowed: {first_line(error)}",
            hint="look for a join, a list or a series that multiplies rows",
        )
    if "different version" in text or "newer version" in text or "storage version" in text.lower():
        return InputError(
            f"'{path}' was written by a newer DuckDB: {first_line(error)}", hint="upgrade the duckdb package"
        )
    if "not a valid DuckDB database file" in text:
        return InputError(f"'{path}' is not a DuckDB file", hint="give the path of a store, or a new path")
    return None
