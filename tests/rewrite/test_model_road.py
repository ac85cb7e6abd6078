"""The model road and the files road, against a server on the loopback interface and a folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lester_duck.errors import InputError, InternalError, UsageError
from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import llm, prompts
from lester_duck.rewrite.engines import conversation
from lester_duck.rewrite.profile import profile
from lester_duck.rewrite.proposal import Task
from lester_duck.rewrite.rewrite import rewrite, save, verify

from .endpoint import serving

SECRET = "key-of-a-test"


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    for name in ("LESTER_DUCK_MODEL", "LESTER_DUCK_BASE_URL", *llm.KEY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def as_json(pipeline: Pipeline) -> str:
    return codec.adapter().dump_json(pipeline).decode()


def broken(pipeline: Pipeline) -> Pipeline:
    views = tuple(replace(v, sql=v.sql.replace(">= 10", "> 10")) for v in pipeline.views)
    return replace(pipeline, views=views)


def ask_for(folder: Path, url: str, **options):
    return rewrite(
        folder / "script.py", engine="llm", model="m", base_url=url, api_key=SECRET, directed=False, **options
    )


def test_a_right_answer_agrees_and_is_kept(preparation, tmp_path):
    orders, pipeline = preparation
    with serving(lambda request: as_json(pipeline)) as endpoint:
        result = ask_for(orders, endpoint.url, keys={"order_lines": ("order_id",)})
    assert result.verdict.status == "agreed"
    assert result.pipeline.origin.engine == "llm:m"
    assert result.pipeline.origin.script == "script.py"
    assert len(result.pipeline.origin.sha256) == 64
    assert {s.name: s.key for s in result.pipeline.sources} == {"shop_lines": (), "order_lines": ("order_id",)}
    request = endpoint.requests[0]
    assert request["path"] == "/v1/chat/completions"
    assert request["response_format"]["json_schema"]["schema"]["title"] == "Pipeline"
    assert [m["role"] for m in request["messages"]] == ["system", "user"]
    assert endpoint.keys == [f"Bearer {SECRET}"]
    save(result, tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "answers" / "1.json").read_text(encoding="utf-8"))
    assert kept["model"] == "m"
    assert kept["form"] == "json_schema"
    assert json.loads(kept["raw"])["name"] == "orders"
    assert kept["prompt_sha256"][:12] in result.report
    everything = "".join(p.read_text(encoding="utf-8") for p in tmp_path.rglob("*") if p.is_file())
    assert SECRET not in everything
    assert codec.load(tmp_path / "out") == result.pipeline


def test_a_wrong_answer_is_repaired_with_the_first_difference(preparation):
    orders, pipeline = preparation
    answers = [as_json(broken(pipeline)), as_json(pipeline)]
    with serving(lambda request: answers[min(len(request["messages"]) // 2 - 1, 1)]) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert len(endpoint.requests) == 2
    again = endpoint.requests[1]["messages"]
    assert [m["role"] for m in again] == ["system", "user", "assistant", "user"]
    assert "view rows: file out/orders.tsv" in again[3]["content"]
    assert "- variable shops after line 15" in again[3]["content"]
    assert "1: prompt rewrite/v1" in result.report
    assert "2: prompt repair/v1" in result.report


def test_repair_ends_after_its_rounds_with_the_best_attempt(preparation):
    orders, pipeline = preparation
    worse = replace(broken(pipeline), views=broken(pipeline).views[:1])
    answers = iter([as_json(broken(pipeline)), as_json(worse), as_json(replace(worse, name="other"))])
    with serving(lambda request: next(answers)) as endpoint:
        result = ask_for(orders, endpoint.url, rounds=2)
    assert len(endpoint.requests) == 3
    assert result.verdict.status == "differs"
    assert len(result.pipeline.views) == 2


def test_the_same_answer_again_ends_the_repair(preparation):
    orders, pipeline = preparation
    with serving(lambda request: as_json(broken(pipeline))) as endpoint:
        ask_for(orders, endpoint.url, rounds=5)
    assert len(endpoint.requests) == 2


def test_an_answer_that_is_no_pipeline_is_explained_to_the_model(preparation):
    orders, pipeline = preparation
    answers = iter(['{"name": 1}', "I cannot do this.", as_json(pipeline)])
    with serving(lambda request: next(answers)) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert "the answer is not a pipeline: name" in endpoint.requests[1]["messages"][-1]["content"]
    assert "holds no JSON object" in endpoint.requests[2]["messages"][-1]["content"]


def test_no_pipeline_at_all_has_no_verdict(preparation):
    orders, _ = preparation
    with serving(lambda request: "no") as endpoint:
        result = ask_for(orders, endpoint.url, rounds=0)
    assert (result.pipeline, result.verdict) == (None, None)
    assert "No verdict" in result.report


def test_endpoints_that_know_no_schema_are_asked_in_weaker_ways(preparation):
    orders, pipeline = preparation

    def answer(request):
        form = request.get("response_format", {}).get("type")
        return (400, f"{form} is not supported") if form else f"Sure:\n```json\n{as_json(pipeline)}\n```\nDone."

    with serving(answer) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert [r.get("response_format", {}).get("type") for r in endpoint.requests] == ["json_schema", "json_object", None]
    assert result.exchanges[0].form == "text"


def test_the_same_question_is_answered_from_the_cache(tmp_path):
    where = llm.Endpoint(model="m", key="k", cache=tmp_path / "cache")
    messages = [{"role": "user", "content": "a"}]
    with serving(lambda request: '{"a": 1}') as endpoint:
        where = replace(where, base_url=endpoint.url)
        first = llm.ask(where, messages, {"title": "x"})
        second = llm.ask(where, messages, {"title": "x"})
        llm.ask(where, messages, {"title": "y"})
        llm.forget(where, messages, {"title": "x"})
        assert not llm.ask(where, messages, {"title": "x"}).cached
    assert (first.cached, second.cached, first.text) == (False, True, second.text)
    assert len(endpoint.requests) == 3
    assert "'k'" not in repr(where)


@pytest.mark.parametrize(
    ("answer", "message"),
    [((401, "no"), "refuses the API key"), ((403, "not yours"), "answers with an error"), ("", "gave no answer")],
)
def test_faults_of_the_endpoint_are_input_errors(answer, message):
    with serving(lambda request: answer) as endpoint, pytest.raises(InputError, match=message):
        llm.ask(llm.Endpoint(model="m", base_url=endpoint.url), [{"role": "user", "content": "a"}], {})


def test_an_endpoint_that_is_not_there(monkeypatch):
    with serving(lambda request: "") as endpoint:
        gone = endpoint.url
    with pytest.raises(InputError, match=r"cannot reach .*; check --base-url"):
        llm.ask(llm.Endpoint(model="m", base_url=gone), [{"role": "user", "content": "a"}], {})


def test_a_model_and_a_key_are_needed(monkeypatch):
    with pytest.raises(UsageError, match="no model"):
        llm.endpoint(None, None, None)
    with pytest.raises(UsageError, match="no API key"):
        llm.endpoint("m", None, None)
    monkeypatch.setenv(llm.KEY_VARIABLES[0], SECRET)
    assert llm.endpoint("m", None, None).key == SECRET
    assert SECRET not in repr(llm.endpoint("m", None, None))


def test_no_row_is_sent_unless_asked(observed):
    folder, evidence = observed
    script = (folder / "script.py").read_text(encoding="utf-8")
    text = profile(evidence.first, script)
    assert "data/orders.csv: 60 lines (end LF), delimiter ','" in text
    assert "field 2: decimals of" in text
    assert "LogisticRegression.fit(X (" in text
    assert "- line 15: shops: dict of 10: text -> {city: text, big: bool}" in text
    for value in ("o101", "s13", "9.99"):
        assert value not in text
    assert "o101" in profile(evidence.first, script, rows=3)


def test_a_variable_of_a_prompt_that_is_missing_is_an_error():
    with pytest.raises(InternalError, match=r"missing variables \['agreed', 'difference'\]"):
        prompts.render("repair", outcome="a")
    with pytest.raises(InternalError, match=r"unknown variables \['other'\]"):
        prompts.render("repair", outcome="a", agreed="b", difference="c", other="d")


def test_the_prompt_names_what_a_pipeline_may_use(prepared):
    folder, evidence, _ = prepared
    text = (folder / "script.py").read_text(encoding="utf-8")
    task = Task(script=folder / "script.py", name="script.py", text=text, evidence=evidence)
    asked, messages = conversation(task, (), 0)
    kinds = next(line for line in messages[0]["content"].splitlines() if "`hash_words`(" in line)
    assert "n_features, hash = 'crc32'" in kinds
    assert "`py_mod(a, b)`" in messages[0]["content"]
    assert (asked.task, asked.version) == ("rewrite", "v1")
    assert "{{" not in messages[0]["content"] + messages[1]["content"]


def test_the_files_road_writes_the_request_and_reads_the_answer(preparation, tmp_path):
    orders, pipeline = preparation
    folder = tmp_path / "request"
    options = {"engine": "files", "exchange": folder, "directed": False}
    with pytest.raises(InputError, match=r"no answer in .* yet; answer prompt.md"):
        rewrite(orders / "script.py", **options)
    assert json.loads((folder / "schema.json").read_text(encoding="utf-8"))["title"] == "Pipeline"
    assert json.loads((folder / "request.json").read_text(encoding="utf-8"))["messages"][0]["role"] == "system"
    assert "SHOPS = [" in (folder / "prompt.md").read_text(encoding="utf-8")
    (folder / "answer.json").write_text(as_json(broken(pipeline)), encoding="utf-8")
    assert rewrite(orders / "script.py", **options).verdict.status == "differs"
    assert "First difference" in (folder / "prompt.md").read_text(encoding="utf-8")
    (folder / "answer.json").write_text(as_json(pipeline), encoding="utf-8")
    assert rewrite(orders / "script.py", **options).verdict.status == "agreed"


def test_the_answer_may_be_a_pipeline_folder(preparation, tmp_path):
    orders, pipeline = preparation
    codec.dump(pipeline, tmp_path / "request" / "answer")
    result = rewrite(orders / "script.py", engine="files", exchange=tmp_path / "request", directed=False)
    assert result.verdict.status == "agreed"
    assert result.exchanges == ()


def test_the_report_says_what_was_done_and_is_the_same_again(preparation, tmp_path):
    orders, pipeline = preparation
    codec.dump(pipeline, tmp_path / "request" / "answer")
    options = {"engine": "files", "exchange": tmp_path / "request", "directed": False}
    report = rewrite(orders / "script.py", **options).report
    assert report == rewrite(orders / "script.py", **options).report
    assert "**agreed** (2 observation points, 0 directed inputs)" in report
    assert "| view `shops` | open shops, the last line of a shop wins (lines 10 to 15) |" in report
    assert "2 sources, 2 views, 0 functions, 0 folds, 0 featurizers." in report
    assert "- file out/orders.tsv: agrees" in report
    assert "Sandbox: scratch copy, empty environment, limits" in report
    assert str(tmp_path) not in report


def test_verify_judges_again_what_was_edited(preparation):
    orders, _ = preparation
    folder = orders / "pipeline"
    assert verify(folder, directed=False).verdict.status == "agreed"
    view = folder / "views" / "rows.sql"
    view.write_text(view.read_text(encoding="utf-8").replace(">= 10", "> 10"), encoding="utf-8")
    result = verify(folder, script=orders / "script.py", directed=False)
    assert result.verdict.first.view == "rows"


def test_verify_without_its_original(orders, tmp_path):
    (orders / "script.py").rename(tmp_path / "moved.py")
    with pytest.raises(InputError, match=r"'script.py' was not found; give the original with --script PATH"):
        verify(orders / "pipeline")


def test_a_key_of_an_unknown_column_is_refused(preparation, tmp_path):
    orders, pipeline = preparation
    codec.dump(pipeline, tmp_path / "request" / "answer")
    options = {"engine": "files", "exchange": tmp_path / "request", "directed": False}
    with pytest.raises(InputError, match="no column 'id'"):
        rewrite(orders / "script.py", keys={"order_lines": ("id",)}, **options)
    with pytest.raises(InputError, match="no source 'orders'"):
        rewrite(orders / "script.py", keys={"orders": ("id",)}, **options)
