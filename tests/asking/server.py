"""A server on the loopback interface that speaks /v1/chat/completions, and misbehaves as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Says:
    """One answer: a body with a status and headers, and what is wrong with its delivery.

    ``delay`` in seconds before it; ``cut`` closes the connection after so many bytes of the body, 0 before the
    status line; ``drip`` sends a byte at a time, that many seconds apart.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None
    drip: float = 0.0


Answers = Callable[[dict[str, Any]], Says | str]


@dataclass
class Server:
    """Where it is, and the requests it has had."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


def completion(
    text: Any, *, model: str = "m-2026", ended: str | None = "stop", usage: Any = (11, 7), **message: Any
) -> Any:
    """The body of a chat completion; ``usage`` None leaves it out."""
    body = {
        "id": "1", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": ended}],
    }  # fmt: skip
    if usage is not None:
        counted = usage if isinstance(usage, dict) else {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
        body["usage"] = counted
    return body


def error(status: int, message: str, **more: Any) -> Says:
    """An error in OpenAI's shape."""
    return Says(status=status, body={"error": {"message": message, "type": "invalid_request_error", **more}})


def in_turn(*answers: Says | str) -> Answers:
    """The first answer to the first request, and so on; the last stays."""
    left = list(answers)

    def answer(_: dict[str, Any]) -> Says | str:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


@contextmanager
def serving(answers: Answers) -> Iterator[Server]:
    """A text is a chat completion with that content."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append(request)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.paths.append(self.path)
            found = answers(request)
            says = Says(body=completion(found)) if isinstance(found, str) else found
            stopped.wait(says.delay)
            self.deliver(says)

        def do_GET(self) -> None:
            server.paths.append(self.path)
            self.deliver(Says(body={"object": "list", "data": [{"id": "known-model"}]}))

        def deliver(self, says: Says) -> None:
            self.close_connection = True
            if says.cut == 0:
                return
            content = says.body if isinstance(says.body, bytes) else json.dumps(says.body).encode()
            self.send_response(says.status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)),
                                "Connection": "close", **says.headers}.items():  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            if says.drip:
                for byte in content:
                    if stopped.wait(says.drip):
                        return
                    self.wfile.write(bytes([byte]))
                return
            self.wfile.write(content[: says.cut])

        def log_message(self, *_: Any) -> None:
            """Requests are asserted, not printed."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that has gone away is part of the tests."""

    listening = Quiet(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listening.server_address[1]}/v1")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopped.set()
        listening.shutdown()
        listening.server_close()
        thread.join(timeout=5)


def unused_port() -> int:
    """A port nobody listens on."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = listening.server_address[1]
    listening.server_close()
    return port


def seconds(start: float) -> float:
    """Since a reading of the monotonic clock."""
    return time.monotonic() - start
