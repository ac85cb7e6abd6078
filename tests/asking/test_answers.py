"""The JSON object in texts as models write them."""

from __future__ import annotations

import pytest

from lester_duck.errors import InputError
from lester_duck.rewrite.asking.answers import json_object


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('\ufeff {"a": 1}\n', {"a": 1}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('{"a": "</think>"}', {"a": "</think>"}),
        ('{"a": "```json\\n{}\\n```"}', {"a": "```json\n{}\n```"}),
        ('```\n{"a": 1}\n```', {"a": 1}),
        ('~~~json\r\n{"a": 1}\r\n~~~', {"a": 1}),
        ('Old:\n```json\n{"a": 0}\n```\nNew:\n```json\n{"a": 1, "b": 2}\n```', {"a": 1, "b": 2}),
        ('```sql\nSELECT {x}\n```\n```json\n{"a": 1}\n```', {"a": 1}),
        ('<think>first {"a": 0}</think>{"a": 1}', {"a": 1}),
        ('reasoning without a start </think>\n\n{"a": 1}', {"a": 1}),
        ('<|channel|>analysis<|message|>{"a": 0}<|end|><|channel|>final<|message|>{"a": 1}', {"a": 1}),
        ('With {braces} and {} then {"a": {"b": "}{"}} and {"c": 1}', {}),
        ('The set {1, 2}: {"a": "say \\"hi\\" }"}.', {"a": 'say "hi" }'}),
        ('{"a": 1}\n{"a": 2}', {"a": 1}),
    ],
)
def test_found(text, found):
    assert json_object(text) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no JSON object"),
        ("[]", "a JSON array, not an object"),
        ('"text"', "a JSON string, not an object"),
        ("null", "a JSON literal, not an object"),
        ("12", "a JSON number, not an object"),
        ('{"a": {"b": 1}, "c": ', "ends before its JSON object does"),
        ('```json\n{"a": {"b": 1}, "c": "x\n```', "ends before its JSON object does"),
        ('{"a": [{"b": 1} {"b": 2}]}', r"not valid JSON: Expecting ',' delimiter \(line 1, column 17\)"),
        ("{'a': 1}", "not valid JSON: Expecting property name"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1, "a": 2}', "'a' stands twice in one object"),
        ('<think>{"a": 1}', "ends inside its reasoning"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "nested too deeply"),
        ("{" * 10_000, "ends before its JSON object does"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
    ],
)
def test_not_found(text, message):
    with pytest.raises(InputError, match=message):
        json_object(text)
