"""Question, candidate, judgement, repair: against a server on the loopback interface, and a folder."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from lester_duck import api, assets
from lester_duck.errors import InputError, InternalError, UsageError
from lester_duck.featurize.registry import KINDS
from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Label, Pipeline, Split
from lester_duck.rewrite import prompts
from lester_duck.rewrite.rewrite import save, verify

from .answers import SECRET, answering, as_json, ask_for, asked, broken
from .endpoint import serving

pytestmark = pytest.mark.usefixtures("no_model")


def test_a_right_answer_agrees_and_is_kept(preparation, tmp_path):
    orders, pipeline = preparation
    with serving(answering(pipeline)) as endpoint:
        result = ask_for(
            orders, endpoint.url, keys={"order_lines": ("order_id",)}, log=tmp_path / "out" / "answers"
        )  # fmt: skip
    assert result.verdict.status == "agreed"
    assert result.pipeline.origin.engine == "llm:m"
    assert result.pipeline.origin.script == "script.py"
    assert len(result.pipeline.origin.sha256) == 64
    assert {s.name: s.key for s in result.pipeline.sources} == {"shop_lines": (), "order_lines": ("order_id",)}
    request = endpoint.requests[0]
    assert endpoint.paths == ["/v1/chat/completions"]
    assert [m["role"] for m in request["messages"]] == ["system", "user"]
    assert [h["authorization"] for h in endpoint.headers] == [f"Bearer {SECRET}"]
    save(result, tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "answers" / "001-preparation.json").read_text(encoding="utf-8"))
    assert (kept["model"], kept["form"]) == ("m", "json_schema")
    assert {view["name"] for view in json.loads(kept["raw"])["views"]} == {"rows", "shops"}
    assert kept["prompt_sha256"][:12] in result.report
    everything = "".join(p.read_text(encoding="utf-8") for p in tmp_path.rglob("*") if p.is_file())
    assert SECRET not in everything
    assert codec.load(tmp_path / "out") == result.pipeline


def test_preparation_then_label_and_split_then_the_matrix(orders, pipeline):
    with serving(answering(pipeline)) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert [asked(request) for request in endpoint.requests] == ["preparation", "target", "features"]
    last = endpoint.requests[2]["messages"][1]["content"]
    assert "prepared(" in last
    assert "LogisticRegression.fit(X" in last
    system = endpoint.requests[2]["messages"][0]["content"]
    assert "`hash_words`(" in system
    everything = json.dumps([request["messages"] for request in endpoint.requests])
    assert "{{" not in everything


def test_what_agreed_is_not_asked_again(orders, pipeline):
    wrong = replace(pipeline, label=Label(column=pipeline.features.featurizers[0].columns[0]))
    answers = {"target": iter([as_json(wrong, "target"), as_json(pipeline, "target")])}

    def answer(request):
        name = asked(request)
        return next(answers[name]) if name in answers else as_json(pipeline, name)

    with serving(answer) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert [asked(request) for request in endpoint.requests] == ["preparation", "target", "features", "target"]


def test_a_wrong_split_is_the_target_s_fault_and_a_wrong_encoding_the_matrix_s(orders, pipeline):
    first = pipeline.features.featurizers[0]
    swapped = replace(pipeline.features, featurizers=(*pipeline.features.featurizers[1:], first))
    wrong = replace(pipeline, split=Split(kind="position", params=(("rows", "3"),)), features=swapped)
    seen: list[str] = []

    def answer(request):
        name = asked(request)
        seen.append(name)
        return as_json(wrong if seen.count(name) == 1 else pipeline, name)

    with serving(answer) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert seen == ["preparation", "target", "features", "target", "features"]
    assert "expected" in endpoint.requests[3]["messages"][-1]["content"]


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
    assert "1: prompt preparation/v001" in result.report
    assert "2: prompt repair of preparation/v001" in result.report


def test_no_value_of_the_data_is_sent_unless_asked(preparation):
    orders, pipeline = preparation
    values = {value for line in (orders / "data" / "orders.csv").read_text(encoding="utf-8").splitlines()
              for value in line.split(",") if len(value) > 3}  # fmt: skip
    for rows in (0, 2):
        answers = iter([as_json(broken(pipeline)), as_json(pipeline)])
        with serving(lambda request, answers=answers: next(answers)) as endpoint:
            ask_for(orders, endpoint.url, share_rows=rows)
        told = json.dumps([request["messages"] for request in endpoint.requests])
        script = (orders / "script.py").read_text(encoding="utf-8")
        leaked = [value for value in values if value in told and value not in script and value not in as_json(pipeline)]
        assert bool(leaked) == bool(rows), leaked


def test_repair_ends_after_its_rounds_with_the_best_attempt(preparation):
    orders, pipeline = preparation
    worse = replace(broken(pipeline), views=broken(pipeline).views[:1])
    other = replace(worse, views=(replace(worse.views[0], comment="other"),))
    answers = iter([as_json(broken(pipeline)), as_json(worse), as_json(other)])
    with serving(lambda request: next(answers)) as endpoint:
        result = ask_for(orders, endpoint.url, rounds=2)
    assert len(endpoint.requests) == 3
    assert result.verdict.status == "differs"
    assert len(result.pipeline.views) == 2


def test_the_same_answer_again_ends_its_sample(preparation):
    orders, pipeline = preparation
    with serving(lambda request: as_json(broken(pipeline))) as endpoint:
        ask_for(orders, endpoint.url, rounds=5, samples=2)
    assert len(endpoint.requests) == 3  # two of the first sample, one of the second


def test_a_fresh_sample_follows_when_repairs_are_used_up(preparation):
    orders, pipeline = preparation
    answers = iter([as_json(broken(pipeline)), as_json(pipeline)])
    with serving(lambda request: next(answers)) as endpoint:
        result = ask_for(orders, endpoint.url, rounds=0, samples=2)
    assert result.verdict.status == "agreed"
    assert endpoint.requests[0]["messages"] == endpoint.requests[1]["messages"]


def test_an_answer_of_another_form_is_explained_to_the_model(preparation):
    orders, pipeline = preparation
    answers = iter(['{"views": 1}', "I cannot do this.", as_json(pipeline)])
    with serving(lambda request: next(answers)) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert "sources: Field required" in endpoint.requests[1]["messages"][-1]["content"]
    assert "holds no JSON object" in endpoint.requests[2]["messages"][-1]["content"]


def test_what_is_not_admitted_is_explained_and_never_run(preparation, tmp_path):
    orders, pipeline = preparation
    canary = tmp_path / "canary.csv"
    canary.write_text("a\n1\n", encoding="utf-8")
    hostile = replace(pipeline.views[0], sql=f"SELECT * FROM read_csv('{canary}')")
    answers = iter([as_json(replace(pipeline, views=(hostile, *pipeline.views[1:]))), as_json(pipeline)])
    with serving(lambda request: next(answers)) as endpoint:
        result = ask_for(orders, endpoint.url)
    assert result.verdict.status == "agreed"
    assert "read_csv" in endpoint.requests[1]["messages"][-1]["content"]
    assert "It could not be used." in endpoint.requests[1]["messages"][-1]["content"]


def test_no_pipeline_at_all_has_no_verdict(preparation):
    orders, _ = preparation
    with serving(lambda request: "no") as endpoint:
        result = ask_for(orders, endpoint.url, rounds=0)
    assert (result.pipeline, result.verdict) == (None, None)
    assert "No verdict" in result.report


def test_a_budget_ends_it_with_what_was_answered_and_resume_goes_on(orders, pipeline, tmp_path):
    log = tmp_path / "answers"
    with serving(answering(pipeline)) as endpoint:
        first = ask_for(orders, endpoint.url, log=log, max_tokens=5000, cache=False)
        assert "tokens are spent" in first.stopped
        assert [asked(request) for request in endpoint.requests] == ["preparation"]
        assert first.verdict.points
        again = ask_for(orders, endpoint.url, log=log, max_tokens=90000, cache=False, resume=True)
    assert again.verdict.status == "agreed"
    assert [asked(request) for request in endpoint.requests] == ["preparation", "target", "features"]


def test_a_server_that_is_gone_ends_it_clearly(preparation):
    orders, pipeline = preparation
    with serving(answering(pipeline)) as endpoint:
        gone = endpoint.url
    result = ask_for(orders, gone)
    assert "cannot reach" in result.stopped or "no connection" in result.stopped
    assert result.pipeline is None


def test_a_model_and_a_key_are_needed(preparation):
    orders, _ = preparation
    with pytest.raises(UsageError, match="no model"):
        api.rewrite(orders / "script.py", engine="llm")
    with pytest.raises(UsageError, match="no API key"):
        api.rewrite(orders / "script.py", engine="llm", model="m")
    with pytest.raises(UsageError, match="no engine 'magic'"):
        api.rewrite(orders / "script.py", engine="magic")


def test_a_variable_of_a_prompt_that_is_missing_is_an_error():
    with pytest.raises(InternalError, match=r"missing variables \['agreed', 'difference', 'remarks'\]"):
        prompts.render("repair", outcome="a")
    with pytest.raises(InternalError, match=r"unknown variables \['other'\]"):
        prompts.render("repair", outcome="a", agreed="b", difference="c", remarks="", other="d")


def test_the_macros_a_prompt_names_are_there():
    named = set(re.findall(r"`(py_\w+\([^)]+\))`", assets.text("prompts/sql/v001.md")))
    there = {
        macro
        for path in assets.folder("sql/macros").glob("*.sql")
        for macro in re.findall(r"CREATE OR REPLACE MACRO (py_\w+\([^)]+\))", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert named <= there


def test_the_featurizers_a_prompt_names_are_those_there_are():
    text = assets.text("prompts/features/v001.md")
    named = {m[1]: m[2] for m in re.finditer(r"^- `(\w+)`\(([^)]*)\):", text, re.MULTILINE)}
    kinds = {kind: {f.name for f in fields(cls)} for kind, cls in KINDS.items()}
    assert named.keys() == kinds.keys()
    for kind, given in named.items():
        told = set(re.findall(r"\b([a-z_]+)(?= =|,|$)", given)) - {"null", "true", "false"}
        if "and all of" in given:
            told = (told | kinds["count_words"]) - {"count_words"}
        assert told == kinds[kind], kind


def test_the_files_road_writes_questions_and_reads_answers(preparation, tmp_path):
    orders, pipeline = preparation
    folder = tmp_path / "request"
    options = {"engine": "files", "request": folder, "directed": False, "rounds": 1, "samples": 1}
    first = api.rewrite(orders / "script.py", **options)
    assert "no answer" in first.stopped
    question = folder / "001-preparation"
    assert json.loads((question / "schema.json").read_text(encoding="utf-8"))["title"] == "Preparation"
    assert "SHOPS = [" in (question / "prompt.md").read_text(encoding="utf-8")
    (question / "answer.json").write_text(as_json(broken(pipeline)), encoding="utf-8")
    second = api.rewrite(orders / "script.py", **options)
    assert second.verdict.status == "differs"
    repair = folder / "002-repair"
    assert "first differences" in (repair / "prompt.md").read_text(encoding="utf-8")
    (repair / "answer.json").write_text(f"```json\n{as_json(pipeline)}\n```", encoding="utf-8")
    assert api.rewrite(orders / "script.py", **options).verdict.status == "agreed"


def answered(pipeline: Pipeline, folder: Path, script: Path, **options):
    """A rewrite by the files road, its one question answered."""
    options = {"engine": "files", "request": folder, "directed": False, **options}
    api.rewrite(script, **options)
    (folder / "001-preparation" / "answer.json").write_text(as_json(pipeline), encoding="utf-8")
    return api.rewrite(script, **options)


def test_the_report_says_what_was_done_and_is_the_same_again(preparation, tmp_path):
    orders, pipeline = preparation
    report = answered(pipeline, tmp_path / "request", orders / "script.py").report
    assert report == answered(pipeline, tmp_path / "request", orders / "script.py").report
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


def test_a_key_of_an_unknown_column_is_told(preparation, tmp_path):
    orders, pipeline = preparation
    result = answered(
        pipeline, tmp_path / "request", orders / "script.py", keys={"order_lines": ("id",)}, rounds=0, samples=1
    )
    assert "no column 'id'" in result.problem


def test_the_example_of_the_prompt_agrees_with_its_script(tmp_path):
    folder = tmp_path / "example"
    (folder / "data").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "script.py").write_text(assets.text("prompts/preparation/example.txt"), encoding="utf-8")
    (folder / "data" / "shops.txt").write_text("1;Bath\n2;Ulm\n 1;Rom \n", encoding="utf-8")
    sales = "id,shop,kind,amount\na,1,x,60\nb,2,y,70.125\nc,1,test,1\nd,2,x,5\ne,1,z,99\n"
    (folder / "data" / "sales.csv").write_text(sales, encoding="utf-8")
    with serving(lambda request: assets.text("prompts/preparation/example.json")) as endpoint:
        result = ask_for(folder, endpoint.url)
    assert result.verdict.status == "agreed", result.verdict
    assert result.verdict.points == 3
