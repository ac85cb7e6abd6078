"""What endpoints do not take, and the shapes of their answers, against a server on the loopback interface."""

from __future__ import annotations

import json

import pytest

from lester_duck.rewrite.asking.answers import json_object
from lester_duck.rewrite.asking.question import NotAnswered

from .asked import GOOD, SCHEMA, SECRET, asker, question
from .server import Says, completion, error, in_turn, serving


def forms(requests) -> list[str]:
    return [request.get("response_format", {"type": "text"})["type"] for request in requests]


def test_the_schema_goes_along_and_is_not_enforced_strictly():
    with serving(in_turn(GOOD)) as server:
        answer = asker(server.url).ask(question())
    (request,) = server.requests
    assert request["response_format"] == {
        "type": "json_schema", "json_schema": {"name": "number", "schema": SCHEMA, "strict": False}
    }  # fmt: skip
    assert request["messages"] == list(question().messages)
    assert request.keys() == {"model", "messages", "response_format"}
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    assert (answer.text, answer.model, answer.form) == (GOOD, "m-2026", "json_schema")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.estimated, answer.cached) == (11, 7, False, False)


@pytest.mark.parametrize(
    ("refused", "form"),
    [
        (("json_schema",), "json_object"),
        (("json_schema", "json_object"), "text"),
        (("json_object",), "json_schema"),
    ],
)
def test_a_form_that_is_refused_is_not_asked_for_again(refused, form):
    def answer(request):
        kind = request.get("response_format", {"type": "text"})["type"]
        return error(400, f"'response_format.type' must not be '{kind}'") if kind in refused else GOOD

    with serving(answer) as server:
        asking = asker(server.url)
        assert asking.ask(question("one")).form == form
        before = len(server.requests)
        assert asking.ask(question("two")).form == form
    assert len(server.requests) == before + 1
    last = server.requests[-1]["messages"][-1]["content"]
    assert (json.dumps(SCHEMA) in last) == (form != "json_schema")


def test_lm_studio_refuses_json_object_in_its_own_shape():
    def answer(request):
        kind = request.get("response_format", {"type": "text"})["type"]
        return GOOD if kind == "text" else Says(status=400, body={"error": f"'response_format.type' is {kind}"})

    with serving(answer) as server:
        assert asker(server.url).ask(question()).form == "text"
    assert forms(server.requests) == ["json_schema", "json_object", "text"]


def test_a_refusal_without_words_weakens_the_form_and_is_not_remembered_unless_it_helped():
    with serving(in_turn(Says(status=400, body=b""))) as server:
        asking = asker(server.url)
        with pytest.raises(NotAnswered, match="the endpoint refuses the request"):
            asking.ask(question("one"))
        with pytest.raises(NotAnswered):
            asking.ask(question("two"))
    assert forms(server.requests) == ["json_schema", "json_object", "text"] * 2


def test_a_form_of_the_user_is_kept():
    refused = error(400, "response_format is not supported")
    with serving(in_turn(refused)) as server, pytest.raises(NotAnswered, match="response_format is not supported"):
        asker(server.url, form="json_object").ask(question())
    assert forms(server.requests) == ["json_object"]


@pytest.mark.parametrize(
    ("name", "message", "status"),
    [
        ("temperature", "Unsupported value: 'temperature' does not support 0.2 with this model.", 400),
        ("seed", "Extra inputs are not permitted", 422),
    ],
)
def test_a_parameter_that_is_refused_is_left_out_from_then_on(name, message, status):
    def answer(request):
        refusal = {"detail": [{"msg": message, "loc": ["body", name]}]} if status == 422 else None
        said = Says(status=status, body=refusal) if refusal else error(status, message, param=name)
        return said if name in request else GOOD

    with serving(answer) as server:
        asking = asker(server.url, temperature=0.2)
        asking.ask(question(sample=3))
        asking.ask(question(sample=4))
    assert [name in request for request in server.requests] == [True, False, False]
    assert forms(server.requests) == ["json_schema"] * 3


@pytest.mark.parametrize(("known", "tried"), [
    ("max_completion_tokens", ["max_tokens", "max_completion_tokens"]),
    ("max_tokens", ["max_tokens"]),
    ("", ["max_tokens", "max_completion_tokens", None]),
])  # fmt: skip
def test_the_limit_of_an_answer_goes_by_two_names(known, tried):
    def named(request):
        return next((name for name in ("max_tokens", "max_completion_tokens") if name in request), None)

    def answer(request):
        name = named(request)
        return GOOD if name in (known, None) else error(400, f"Unsupported parameter: '{name}' is not supported")

    with serving(answer) as server:
        asker(server.url, answer_tokens=100).ask(question())
    assert [named(request) for request in server.requests] == tried


def test_a_template_without_a_system_role_gets_the_instructions_with_the_question():
    def answer(request):
        roles = [message["role"] for message in request["messages"]]
        return error(400, "System role not supported") if "system" in roles else GOOD

    with serving(answer) as server:
        asker(server.url).ask(question())
    assert server.requests[-1]["messages"] == [{"role": "user", "content": "Be short.\n\nWhich number?"}]


def test_a_grammar_that_a_server_cannot_build_is_a_refused_form_though_it_is_an_error_500():
    def answer(request):
        return error(500, "failed to parse grammar") if "response_format" in request else GOOD

    with serving(answer) as server:
        assert asker(server.url).ask(question()).form == "text"
    assert len(server.requests) == 3


def test_a_schema_that_is_ignored_is_told_after_the_answer_was_rejected():
    with serving(in_turn("Hello!", GOOD)) as server:
        asking = asker(server.url)
        assert asking.ask(question()).text == "Hello!"
        asking.reject(question())
        assert asking.ask(question()).text == GOOD
    assert json.dumps(SCHEMA) not in server.requests[0]["messages"][-1]["content"]
    assert json.dumps(SCHEMA) in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "body",
    [
        completion([{"type": "text", "text": '{"a"'}, {"type": "text", "text": ": 1}"}]),
        completion([{"type": "thinking", "thinking": "{}"}, {"type": "text", "text": GOOD}]),
        completion(None, reasoning_content=f"Fine.\n{GOOD}"),
        completion("", reasoning=GOOD),
        completion(None, tool_calls=[{"type": "function", "function": {"name": "f", "arguments": GOOD}}]),
        completion(None, tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}]),
        completion(f"<think>{{}} perhaps?</think>\n```json\n{GOOD}\n```"),
        completion(GOOD, ended=None),
        completion(GOOD + "\n\n\n", ended="length"),
        {"choices": [{"text": GOOD}]},
    ],
)
def test_answers_come_in_many_shapes(body):
    with serving(in_turn(Says(body=body))) as server:
        assert json_object(asker(server.url).ask(question()).text) == {"a": 1}
    assert len(server.requests) == 1


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": None}])
def test_missing_usage_is_estimated(usage):
    with serving(in_turn(Says(body=completion(GOOD, usage=usage)))) as server:
        answer = asker(server.url).ask(question())
    assert (answer.prompt_tokens, answer.completion_tokens, answer.estimated) == (8, 3, True)


def test_reasoning_that_only_the_total_counts_is_billed():
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 500}
    with serving(in_turn(Says(body=completion(GOOD, usage=usage)))) as server:
        assert asker(server.url).ask(question()).completion_tokens == 490


def test_an_old_azure_address_keeps_its_version():
    with serving(in_turn(GOOD)) as server:
        url = f"{server.url}/openai/deployments/m?api-version=2024-10-21"
        asker(url).ask(question())
    assert server.paths == ["/v1/openai/deployments/m/chat/completions?api-version=2024-10-21"]
