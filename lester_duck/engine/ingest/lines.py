"""Text files as lines, and lines as fields, with Python's own reading rules."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lester_duck.errors import InputError

WHITE_SPACE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What ``str.strip()`` removes."""

_CHUNK_BYTES = 32 << 20


def has_lines(path: Path, encoding: str, skip: int, header: bool) -> bool:
    """Whether a file has the lines that are skipped and, when none are or a header follows, one that is not blank."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding=encoding, errors="replace", newline=None) as file:
        if skip and not header:
            return len(list(islice(file, skip))) == skip
        return any(line.strip() for line in islice(file, skip, None))


def read_lines(path: Path, encoding: str) -> pa.ChunkedArray:
    """The lines of a text file without their ends, in file order (large_string).

    Line ends are Python's universal newlines; ``.gz`` files are decompressed. Raises InputError when
    the bytes are not text of the encoding.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    chunks = []
    try:
        with opener(path, "rt", encoding=encoding, newline=None) as file:
            while block := file.readlines(_CHUNK_BYTES):
                chunks.append(pa.array(block, pa.large_string()))
    except UnicodeDecodeError as error:
        raise InputError(
            f"not {encoding} text: {error.reason} at byte {error.start}",
            where=str(path),
            hint='declare encoding = "..." for the source',
        ) from None
    lines = pa.chunked_array(chunks, pa.large_string())
    return pc.utf8_rtrim(lines, characters="\n") if chunks else lines


def strip_lines(lines: pa.ChunkedArray, strip: str) -> pa.ChunkedArray:
    """Apply a source's ``strip`` to each line.

    >>> strip_lines(pa.chunked_array([[" a ,b\\t"]]), "both").to_pylist()
    ['a ,b']
    """
    if strip == "both":
        return pc.utf8_trim(lines, characters=WHITE_SPACE)
    return pc.utf8_rtrim(lines, characters=WHITE_SPACE) if strip == "right" else lines


def split_lines(lines: pa.ChunkedArray, delimiter: str) -> pa.ChunkedArray:
    """Split each line at every delimiter, as ``str.split`` does.

    >>> split_lines(pa.chunked_array([["a,,b", ""]]), ",").to_pylist()
    [['a', '', 'b'], ['']]
    """
    return pc.split_pattern(lines, pattern=delimiter)
