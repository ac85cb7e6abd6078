"""The program a worker process runs: load ``functions.py``, answer batches until the pipe closes.

A message is two parts, each preceded by its length (8 bytes, little endian). The first message is
(code, Arrow schema of return types); each later one (JSON header, Arrow stream of arguments) is
answered by (JSON header, Arrow stream with the columns ``value`` and ``error``).
"""

from __future__ import annotations

import json
import os
import struct
import sys
import types
from typing import IO, Any

_MEMORY = 4 << 30
_FILE = 64 << 20
_PROCESSES = 256


def write_message(pipe: IO[bytes], head: bytes, body: bytes) -> None:
    """Write one message and flush it."""
    pipe.write(struct.pack("<QQ", len(head), len(body)))
    pipe.write(head)
    pipe.write(body)
    pipe.flush()


def read_message(pipe: IO[bytes]) -> tuple[bytes, bytes]:
    """Read one message; raises EOFError when the pipe is closed."""
    sizes = pipe.read(16)
    if len(sizes) < 16:
        raise EOFError
    head, body = struct.unpack("<QQ", sizes)
    return _exactly(pipe, head), _exactly(pipe, body)


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _limit() -> None:
    import resource

    for kind, wanted in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_FSIZE, _FILE)):
        _, hard = resource.getrlimit(kind)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (_PROCESSES, _PROCESSES))


def _load(code: str) -> tuple[types.ModuleType | None, str | None]:
    module = types.ModuleType("functions")
    sys.modules["functions"] = module
    try:
        exec(compile(code, "functions.py", "exec"), module.__dict__)
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) else _line(error)
        return None, f"functions.py cannot be loaded, line {line}: {type(error).__name__}: {error}"
    return module, None


def _line(error: BaseException) -> int | None:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "functions.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def evaluate(function: Any, columns: list[list[Any]], rows: int, type_: Any) -> Any:
    """Call a row function for each row; an exception becomes that row's error."""
    import pyarrow as pa

    values: list[Any] = []
    errors: list[str | None] = []
    for arguments in zip(*columns, strict=True) if columns else [()] * rows:
        try:
            value, error = function(*arguments), None
        except Exception as failure:
            value, error = None, f"{type(failure).__name__}: {failure}"
        values.append(value)
        errors.append(error)
    return pa.table({"value": _typed(values, errors, type_), "error": pa.array(errors, pa.string())})


def _typed(values: list[Any], errors: list[str | None], type_: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, type_)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass  # find the value that does not fit, below
    for place, value in enumerate(values):
        try:
            pa.array([value], type_)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            errors[place] = f"TypeError: returned {type(value).__name__} {value!r}, declared {type_}"
            values[place] = None
    return pa.array(values, type_)


def evaluate_batch(function: Any, columns: list[list[Any]], rows: int, type_: Any) -> Any:
    """Call a batch function once; an exception is every row's error."""
    import pyarrow as pa

    nothing = pa.nulls(rows, pa.string())
    try:
        result = function(*columns)
        if hasattr(result, "ndim") and result.ndim == 2:
            values = pa.FixedSizeListArray.from_arrays(pa.array(result.reshape(-1), type_.value_type), type_.list_size)
        else:
            values = pa.array(result, type_)
        if len(values) != rows:
            raise ValueError(f"returned {len(values)} values for {rows} rows")
    except Exception as failure:
        return pa.table(
            {"value": pa.nulls(rows, type_), "error": pa.array([f"{type(failure).__name__}: {failure}"] * rows)}
        )
    return pa.table({"value": values, "error": nothing})


def evaluate_fold(function: Any, columns: list[list[Any]], rows: int, type_: Any) -> Any:
    """Run (state, row) -> (state, value) over adjacent partitions; the first column names the partition."""
    import pyarrow as pa

    values: list[Any] = [None] * rows
    errors: list[str | None] = [None] * rows
    partition, state, failed = object(), None, False
    for place, (key, *arguments) in enumerate(zip(*columns, strict=True)):
        if key != partition:
            partition, state, failed = key, None, False
        if failed:
            continue
        try:
            state, values[place] = function(state, *arguments)
        except Exception as failure:
            errors[place], failed = f"{type(failure).__name__}: {failure}", True
    return pa.table({"value": _typed(values, errors, type_), "error": pa.array(errors, pa.string())})


def main() -> None:
    """Serve until the pipe is closed."""
    inbox = os.fdopen(os.dup(0), "rb")
    outbox = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdin.close()
    import pyarrow as pa

    code, schema_bytes = read_message(inbox)
    schema = pa.ipc.read_schema(pa.py_buffer(schema_bytes))
    _limit()
    module, fault = _load(code.decode())
    while True:
        try:
            head, body = read_message(inbox)
        except EOFError:
            return
        asked = json.loads(head)
        function = getattr(module, asked["function"], None)
        if fault is None and not callable(function):
            fault = f"functions.py defines no function '{asked['function']}'"
        if fault is not None:
            write_message(outbox, json.dumps({"fault": fault}).encode(), b"")
            continue
        table = pa.ipc.open_stream(body).read_all()
        run = {"call": evaluate, "batch": evaluate_batch, "fold": evaluate_fold}[asked["task"]]
        type_ = schema.field(asked["function"].lower()).type
        answer = run(function, [c.to_pylist() for c in table.columns], table.num_rows, type_)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, answer.schema) as writer:
            writer.write_table(answer)
        write_message(outbox, b"{}", sink.getvalue().to_pybytes())


if __name__ == "__main__":
    main()
