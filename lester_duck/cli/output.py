"""Rendering: results on standard output, progress and statements on standard error."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.status import Status
from rich.table import Table

SHOWN_ROWS = 200
PATIENCE = 3.0
"""Seconds of silence before progress lines are written to a standard error that is no terminal."""


def emit(value: Any, text: str, as_json: bool) -> None:
    """Print a result: ``value`` as JSON, or ``text`` for a person."""
    click.echo(to_json(value) if as_json else text)


def to_json(value: Any) -> str:
    """One line of strict JSON: no NaN, dates and decimals as text.

    >>> to_json({"a": float("nan"), "b": (1, 2)})
    '{"a": null, "b": [1, 2]}'
    """
    return json.dumps(_plain(value), ensure_ascii=False, default=str, allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value.as_tuple().exponent == 0 else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return value


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Rows as an aligned text table; numbers to the right.

    >>> print(table([{"name": "mails", "rows": 12}]))
     name    rows
    ──────────────
     mails     12
    """
    names = list(columns) or list(dict.fromkeys(key for row in rows for key in row))
    if not names:
        return "(nothing)"
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True)
    for name in names:
        values = [row.get(name) for row in rows]
        number = any(_is_number(v) for v in values) and all(v is None or _is_number(v) for v in values)
        grid.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=not _terminal(sys.stdout))
    for row in rows:
        grid.add_row(*(_cell(row.get(name)) for name in names))
    return rendered(grid)


def rendered(renderable: Any) -> str:
    """A rich renderable as plain text, as wide as the terminal (or as it likes in a pipe)."""
    width = click_width() if _terminal(sys.stdout) else 4_000
    buffer = StringIO()
    Console(file=buffer, width=width, color_system=None, highlight=False, markup=False, emoji=False).print(renderable)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()).strip("\n")


def click_width() -> int:
    """Columns of the terminal on standard error or output."""
    return Console(file=sys.stdout).width


def facts(mapping: Mapping[str, Any]) -> str:
    """One fact per line, names aligned.

    >>> print(facts({"store": "a.duckdb", "views": 3}))
    store  a.duckdb
    views  3
    """
    width = max((len(str(name)) for name in mapping), default=0)
    return "\n".join(f"{name!s:<{width}}  {_cell(value)}".rstrip() for name, value in mapping.items())


def document(mapping: Mapping[str, Any]) -> str:
    """A nested result: plain facts first, then every part of it under its name.

    >>> print(document({"store": "a.duckdb", "split": {"train": 3}}))
    store  a.duckdb
    <BLANKLINE>
    split
      train  3
    """
    plain = {k: v for k, v in mapping.items() if not _is_rows(v) and not isinstance(v, Mapping)}
    parts = [facts(plain)] if plain else []
    for name, value in mapping.items():
        if isinstance(value, Mapping) and value and all(isinstance(v, Mapping) for v in value.values()):
            parts.append(f"{name}\n{table([{'name': key, **row} for key, row in value.items()])}")
        elif isinstance(value, Mapping) and value:
            parts.append(f"{name}\n" + "\n".join(f"  {line}".rstrip() for line in document(value).splitlines()))
        elif _is_rows(value):
            parts.append(f"{name}\n{table(value)}")
    return "\n\n".join(parts)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(inner) for inner in value)
    return str(value)


def _terminal(stream: Any) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())


def statement(sql: str) -> None:
    """The tracer behind ``--sql``."""
    click.echo(f"{sql.strip().rstrip(';')};", err=True)


class Progress:
    """Receives what the library is doing; callable as ``progress(message)`` or ``(message, done, total)``."""

    def __init__(self, status: Status | None) -> None:
        self._status = status
        self._start = time.monotonic()

    def __call__(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Show ``message``; a pipe hears of it only when the work has taken ``PATIENCE`` seconds."""
        text = message if done is None else f"{message} {done}" + ("" if total is None else f"/{total}")
        if self._status:
            self._status.update(text)
        elif time.monotonic() - self._start > PATIENCE:
            click.echo(text, err=True)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """No spinner while something else is written."""
        if self._status is None:
            yield
            return
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()


@contextmanager
def progress(first: str, quiet: bool = False) -> Iterator[Progress]:
    """A spinner on standard error while the block runs, if that is a terminal."""
    if quiet or not _terminal(sys.stderr):
        yield Progress(None)
        return
    with Status(first, console=Console(stderr=True)) as status:
        yield Progress(status)


def first_rows(rows: Iterable[Any], limit: int = SHOWN_ROWS) -> list[Any]:
    """At most ``limit`` of the rows.

    >>> first_rows(range(10), 3)
    [0, 1, 2]
    """
    return [row for _, row in zip(range(limit), rows, strict=False)]
