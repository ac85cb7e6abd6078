"""What goes wrong between us and an endpoint, against a server on the loopback interface that does it."""

from __future__ import annotations

import re
import signal
import threading
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from lester_duck.rewrite.asking.endpoint import _client
from lester_duck.rewrite.asking.log import Log
from lester_duck.rewrite.asking.question import NotAnswered
from lester_duck.rewrite.asking.settings import Endpoint

from .asked import GOOD, QUICK, SECRET, asker, question
from .server import Answers, Says, Server, completion, error, in_turn, seconds, serving, unused_port

BUSY = error(429, "Rate limit reached")


def failing(answers: Answers, sentence: str, **settings: Any) -> Server:
    """The server, after an error that says the sentence and what to do."""
    with serving(answers) as server, pytest.raises(NotAnswered, match=sentence) as raised:
        asker(server.url, **settings).ask(question())
    assert raised.value.hint
    assert "\n" not in str(raised.value)
    return server


def test_a_rate_limit_passes_and_the_waiting_is_said():
    said: list[str] = []
    asked = Says(status=429, headers={"Retry-After": "0.03"}, body={"error": {"message": "Rate limit reached"}})
    with serving(in_turn(asked, BUSY, BUSY, BUSY, GOOD)) as server:
        start = time.monotonic()
        assert asker(server.url, said=said).ask(question()).text == GOOD
    assert len(server.requests) == 5
    assert seconds(start) < 4
    said = [line for line in said if not line.startswith("waiting")]
    assert said[0] == "HTTP 429: Rate limit reached; asked to wait 0.03 s"
    assert said[1].startswith("HTTP 429: Rate limit reached (invalid_request_error); asking again in")


def test_a_rate_limit_that_stays_ends_the_patience():
    with serving(in_turn(BUSY)) as server:
        start = time.monotonic()
        with pytest.raises(NotAnswered, match=r"m is busy: Rate limit reached .*waited 0\.\d+ s.*--resume continues"):
            asker(server.url).ask(question())
    assert 0.3 < seconds(start) < 3


def test_a_date_to_come_back_is_read():
    said: list[str] = []
    date = Says(status=503, headers={"Retry-After": formatdate(time.time() + 2, usegmt=True)}, body={})
    with serving(in_turn(date, GOOD)) as server:
        asker(server.url, said=said, patience=replace(QUICK, asked=3.0, total=3.0)).ask(question())
    assert re.search(r"asked to wait [0-2](\.\d+)? s", str(said))


def test_an_endpoint_that_asks_for_no_wait_is_not_hammered():
    hasty = Says(status=429, headers={"Retry-After": "0"}, body={})
    failing(in_turn(*[hasty] * 40, GOOD), "m is busy")


def test_a_wait_beyond_what_is_honoured_is_told_and_not_waited():
    long = Says(status=429, headers={"Retry-After": "3600"}, body={})
    server = failing(in_turn(long), r"m is busy.*; it asks to wait 3600 s; repeat the command with --resume")
    assert len(server.requests) == 1


def test_an_account_without_credit_is_not_asked_again():
    spent = error(429, "You exceeded your current quota", code="insufficient_quota")
    server = failing(in_turn(spent), "no credit left")
    assert len(server.requests) == 1


def test_a_model_that_is_loading_is_waited_for():
    loading = Says(status=503, body={"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    with serving(in_turn(*[loading] * 6, GOOD)) as server:
        assert asker(server.url).ask(question()).text == GOOD


@pytest.mark.parametrize(
    "broken",
    [
        error(500, "internal error"),
        Says(status=502, body=b"<html>bad gateway</html>"),
        Says(cut=0),
        Says(body=completion(GOOD), cut=30),
        Says(body=b'{"choices": [{"mess'),
        Says(body=[1, 2]),
        Says(body={"choices": []}),
        Says(body=b"\xff\xfe\x00"),
        Says(body=b"[" * 100_000),
        Says(body={"error": {"message": "overloaded", "code": 529}}),
        Says(body=completion(None)),
        Says(body=completion("  \n")),
        Says(body=completion(None, reasoning_content="I wonder.")),
    ],
)
def test_what_passes_is_asked_again(broken):
    with serving(in_turn(broken, broken, GOOD)) as server:
        assert asker(server.url).ask(question()).text == GOOD
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (error(500, "internal error"), "the endpoint answers with an error 500: internal error .*tried 3 times"),
        (Says(cut=0), "the connection to http://127.0.0.1.* broke: .*tried 3 times"),
        (Says(body=completion(GOOD), cut=30), "the connection to http.* broke: .*closed.*tried 3 times"),
        (Says(body=b""), "answers with nothing .*tried 3 times"),
        (error(500, "red \x1b[31m\nand loud"), r"red \[31m and loud"),
        (Says(body=b"pong"), "something that is no chat completion: 'pong' .*tried 3 times"),
        (Says(body=completion(None)), "m gave an empty answer .*tried 3 times"),
    ],
)
def test_what_stays_broken_is_one_sentence_with_what_to_do(broken, sentence):
    server = failing(in_turn(broken), sentence)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (error(401, "Incorrect API key provided"), "refuses the API key: Incorrect API key.*LESTER_DUCK_API_KEY"),
        (Says(status=500, body=[{"error": {"code": 500, "message": "context length"}}]), "question is too long for m"),
        (error(403, "Not for you"), "refuses the API key: Not for you"),
        (Says(status=404, body={"error": "model 'm' not found"}), "does not know 'm'.*there are: known-model"),
        (Says(status=307, headers={"Location": "http://127.0.0.1:1/v1"}), "has moved"),
        (Says(body=b"<!DOCTYPE html><html>"), "a web page.*most end in /v1"),
        (error(400, "This model's maximum context length is 16384 tokens"), "the question is too long for m"),
        (error(400, "max_tokens is too large: 9. This model supports at most 5"), "smaller answer_tokens"),
        (error(400, "The response was filtered", code="content_filter"), "content filter refuses the question"),
        (Says(body=completion(None, ended="content_filter")), "m declines to answer: its answer was filtered"),
        (Says(body=completion(None, refusal="I cannot.")), "m declines to answer: I cannot"),
        (Says(status=402, body={"error": {"message": "pay"}}), "no credit left"),
    ],
)
def test_what_does_not_pass_is_not_asked_again(broken, sentence):
    server = failing(in_turn(broken), sentence)
    assert len(server.requests) == 1


def test_an_address_where_nobody_listens():
    with pytest.raises(NotAnswered, match=r"cannot reach http://127\.0\.0\.1:\d+/v1: .*refused.*check --base-url"):
        asker(f"http://127.0.0.1:{unused_port()}/v1").ask(question())


@pytest.mark.parametrize("slow", [Says(body=completion(GOOD), delay=5), Says(body=completion(GOOD), drip=0.1)])
def test_waiting_is_said_and_ends(slow):
    said: list[str] = []
    with serving(in_turn(slow)) as server:
        start = time.monotonic()
        with pytest.raises(NotAnswered, match=r"m did not answer within 0\.3 s; set a longer timeout"):
            asker(server.url, said=said, timeout=0.3).ask(question())
    assert seconds(start) < 4
    assert said[0] == "waiting for m, 0 s"
    assert len(server.requests) == 1


def test_an_endpoint_without_a_key_that_wants_one():
    failing(in_turn(error(401, "no")), "wants an API key: no .*; set LESTER_DUCK_API_KEY in the environment", key=None)


def test_a_question_that_a_server_seems_to_have_cut_is_said(tmp_path):
    said: list[str] = []
    log = Log(tmp_path)
    with serving(in_turn(Says(body=completion(GOOD, usage=(1024, 7))))) as server:
        asker(server.url, said=said, log=log).ask(question("x" * 9000))
    note = "m read 1,024 tokens of a question of 9,009 characters"
    assert f"{note}; if answers miss the point, start the server with a larger context" in said
    assert log.entries[0].attempts == (note,)


def test_no_retries_means_one_request():
    server = failing(in_turn(BUSY, GOOD), "m is busy", retries=0)
    assert len(server.requests) == 1


@pytest.mark.parametrize("half", ['{"a": {"b": 1}, "c": ', ""])
def test_an_answer_cut_off_by_our_limit_gets_a_larger_one_once(half, tmp_path):
    short = Says(body=completion(half, ended="length", usage=(10, 50)))
    with serving(in_turn(short, GOOD)) as server:
        log = Log(tmp_path)
        answer = asker(server.url, answer_tokens=50, log=log).ask(question())
    assert [request["max_tokens"] for request in server.requests] == [50, 100]
    assert (answer.prompt_tokens, answer.completion_tokens) == (21, 57)
    assert log.entries[0].attempts == ("the answer of m was cut off after 50 tokens",)
    server = failing(in_turn(short), "cut off after 100 tokens; set a larger answer_tokens", answer_tokens=50)
    assert len(server.requests) == 2


def test_an_answer_cut_off_by_the_endpoints_own_limit_is_not_asked_for_again(tmp_path):
    log = Log(tmp_path)
    half = Says(body=completion('{"a": ', ended="length"))
    server = failing(in_turn(half), "cut off by the endpoint; set answer_tokens", log=log)
    assert len(server.requests) == 1
    assert log.entries[0].raw == '{"a": '
    assert log.entries[0].answer is None


def test_an_interrupt_ends_at_once_and_what_was_answered_is_kept(tmp_path):
    with serving(lambda request: GOOD if "first" in str(request) else Says(body=completion(GOOD), delay=30)) as server:
        asking = asker(server.url, log=Log(tmp_path), timeout=30.0)
        asking.ask(question("first"))
        threading.Timer(0.2, lambda: signal.raise_signal(signal.SIGINT)).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            asking.ask(question("second"))
    assert seconds(start) < 4
    kept = Log.load(tmp_path)
    assert kept.answer(question("first")).text == GOOD
    assert kept.answer(question("second")) is None
    assert kept.entries[1].failure == "interrupted"


def test_the_key_is_nowhere_though_the_endpoint_echoes_it(tmp_path, capfd):
    said: list[str] = []
    echo = error(500, f"no {SECRET} here")
    answers = in_turn(echo, f'{{"a": 1, "b": "{SECRET}"}}', error(401, f"Incorrect API key provided: {SECRET}"))
    with serving(answers) as server:
        asking = asker(server.url, cache=tmp_path / "cache", log=Log(tmp_path / "log"), said=said)
        asking.ask(question(f"not this one: {SECRET}"))
        with pytest.raises(NotAnswered) as raised:
            asking.ask(question("two"))
    written = [file.read_text() for file in tmp_path.rglob("*.json")]
    assert len(written) == 3
    everything = [*written, *said, str(raised.value), repr(asking.endpoint), *capfd.readouterr()]
    assert not [text for text in everything if SECRET in text]
    assert "(key)" in str(raised.value)


def test_azure_gets_the_key_in_its_own_header_too_and_nobody_else_does():
    azure = _client(Endpoint(model="m", base_url="https://x.openai.azure.com/openai/v1", key=SECRET))
    assert azure.default_headers["api-key"] == SECRET
    assert str(azure.base_url) == "https://x.openai.azure.com/openai/v1/"
    for url in (None, "https://azure.com.example.org/v1"):
        assert "api-key" not in _client(Endpoint(model="m", base_url=url, key=SECRET)).default_headers


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(in_turn(GOOD)) as server:
        assert asker(server.url, patience=QUICK).ask(question()).text == GOOD
