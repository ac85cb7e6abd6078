"""Directed inputs: what is changed, and what judging on them finds that the user's data does not."""

from __future__ import annotations

import csv
import re
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

from lester_duck.pipeline.model import Checkpoint, Column, Origin, Pipeline, Source, View
from lester_duck.rewrite.directed import early_stop, judge_directed
from lester_duck.rewrite.execute import execute
from lester_duck.rewrite.inputs import DirectedInput, directed
from lester_duck.rewrite.judge import judge
from lester_duck.rewrite.observe import observe, setting, workspace
from lester_duck.rewrite.rewrite import rewrite


def directed_of(folder, reads=("data/shops.csv", "data/orders.csv")):
    return directed(folder, reads, (folder / "script.py").read_text(encoding="utf-8"))


def test_the_inputs_are_deterministic_and_aim_at_the_constants(orders):
    inputs = directed_of(orders)
    assert inputs == directed_of(orders)
    shops, lines = (
        [line.split(",") for i in inputs if path in i.changed and "beside them" in i.name
         for line in i.changed[path].decode().splitlines()]
        for path in ("data/shops.csv", "data/orders.csv")
    )  # fmt: skip
    assert {"CLOSED", " closed ", "Big", ""} <= {fields[2] for fields in shops}
    assert {"9", "10", "11"} <= {fields[2] for fields in lines}


def test_added_lines_do_not_hide_one_another(orders):
    for item in directed_of(orders):
        if "beside them" in item.name and "data/orders.csv" in item.changed:
            added = item.changed["data/orders.csv"].decode().splitlines()[60:]
            assert len({line.split(",")[0] for line in added}) == len(added)


def test_a_shared_key_is_among_them(orders):
    name = "data/shops.csv: 4 lines added: duplicate keys"
    changed = next(i for i in directed_of(orders) if i.name == name)
    lines = changed.changed["data/shops.csv"].decode().splitlines()
    assert [line.split(",")[0] for line in lines].count("s6") == 3


def test_every_kind_of_damage_is_there(orders):
    names = [item.name for item in directed_of(orders)]
    kinds = ("blank", "without its last field", "with a field more", "reversed", "only the first line", "empty")
    assert [kind for kind in kinds if not any(kind in name for name in names)] == []
    empty = next(i for i in directed_of(orders) if i.name == "data/orders.csv: empty")
    assert empty.changed["data/orders.csv"] == b""


def test_json_lines_lose_keys(tmp_path):
    (tmp_path / "script.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"id": 1, "b": 2}\n{"id": 2, "b": 3}\n{"id": 3}\n', encoding="utf-8")
    changed = {i.name: i.changed["a.jsonl"].decode() for i in directed_of(tmp_path, ("a.jsonl",))}
    assert '{"b": 3}' in changed["a.jsonl: line 2 without id"]
    assert '{"id": 2, "b": null}' in changed["a.jsonl: line 2 with b null"]


def test_binary_and_missing_files_are_left_alone(tmp_path):
    (tmp_path / "script.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe\x00" * 9)
    assert directed_of(tmp_path, ("a.bin", "missing.csv")) == ()


def judged_on(prepared, pipeline: Pipeline, wanted: str):
    folder, evidence, _ = prepared
    how = setting(folder / "script.py", root=None, python=None)
    inputs = [item for item in directed_of(folder) if wanted in item.name]
    assert inputs
    base = judge(pipeline, evidence, execute, folder)
    with workspace() as space:
        return judge_directed(
            pipeline, evidence, base, inputs, how=how, execute=execute, space=space, seconds=30, progress=str
        )


def test_the_right_pipeline_agrees_on_changed_data(prepared):
    verdict = judged_on(prepared, prepared[2], "orders.csv: ")
    assert verdict.status == "agreed"
    assert verdict.inputs >= 12


def test_a_difference_the_data_do_not_show_is_found(prepared):
    """No shop line of the user's data is padded, so a lenient comparison goes unnoticed there."""
    views = tuple(replace(v, sql=v.sql.replace("kind <>", "trim(kind) <>")) for v in prepared[2].views)
    lenient = replace(prepared[2], views=views)
    assert judge(lenient, prepared[1], execute, prepared[0]).status == "agreed"
    verdict = judged_on(prepared, lenient, "texts of the script")
    assert verdict.status == "differs"
    assert verdict.first.view == "shops"
    assert verdict.first.input.startswith("data/shops.csv: ")


def test_duplicate_keys_tell_first_from_last(prepared):
    views = tuple(replace(v, sql=v.sql.replace("last(city", "first(city")) for v in prepared[2].views)
    verdict = judged_on(prepared, replace(prepared[2], views=views), "shops.csv: 4 lines added: duplicate keys")
    assert [d.view for d in verdict.differences if d.input.endswith("duplicate keys")] == ["shops"]


def test_both_refusing_is_agreement(prepared):
    both = judged_on(prepared, prepared[2], "shops.csv: line 7 with a field more")
    assert both.status == "agreed"
    assert "1 directed inputs are refused by the original and the pipeline alike" in both.not_checked
    casts = judged_on(prepared, prepared[2], "orders.csv: field 3 of line 31 blank")
    assert casts.status == "agreed"


def test_one_sided_acceptance_is_a_difference(prepared):
    views = tuple(replace(v, sql=v.sql.replace("CAST(", "TRY_CAST(")) for v in prepared[2].views)
    verdict = judged_on(prepared, replace(prepared[2], views=views), "orders.csv: field 3 of line 31 blank")
    assert verdict.status == "differs"
    assert "the original raises ValueError at line 21" in verdict.first.mismatch.text


def test_a_run_ends_at_the_fit_when_nothing_later_is_compared(observed, pipeline):
    assert early_stop(pipeline, observed[1].first) == "LogisticRegression"
    later = replace(pipeline.origin.checkpoints[0], variable="model", line=39)
    changed = replace(pipeline, origin=replace(pipeline.origin, checkpoints=(later,)))
    assert early_stop(changed, observed[1].first) is None


def test_a_malformed_row_only_the_pipeline_refuses_is_listed_apart(tmp_path):
    """The original takes the first two fields of a line; the source says that there are two."""
    (tmp_path / "data.csv").write_text("a,1\nb,2\nc,3\n", encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text("names = [line.split(',')[0] for line in open('data.csv')]\n", encoding="utf-8")
    source = Source(name="lines", format="csv", path="data.csv", header=False, quoting=False,
                    columns=(Column(name="name"), Column(name="n")))  # fmt: skip
    claim = Checkpoint(variable="names", line=1, view="names", columns=(("item", "name"),))
    made = Pipeline(
        name="p",
        sources=(source,),
        views=(View(name="names", sql="SELECT name FROM lines"),),
        origin=Origin(script="script.py", sha256="", engine="hand", checkpoints=(claim,)),
    )
    how = setting(script, root=None, python=None)
    with workspace() as space:
        evidence = observe(how, space)
        base = judge(made, evidence, execute, tmp_path)
        assert base.status == "agreed"
        inputs = [i for i in directed_of(tmp_path, ("data.csv",)) if "field more" in i.name]
        verdict = judge_directed(
            made, evidence, base, inputs, how=how, execute=execute, space=space, seconds=30, progress=str
        )
    assert str(verdict) == "agreed (1 observation points, 1 inputs, 1 of them refused as malformed)"
    assert "data.csv:2" in verdict.stricter[0]


ONE_CLASS = """
from sklearn.linear_model import LogisticRegression

X, y, lines = [], [], []
for line in open("data.csv"):
    a, b = line.strip().split(",")
    X.append([float(a)])
    y.append(int(b))
    lines.append(a)
LogisticRegression().fit(X, y)
with open("out.csv", "w") as out:
    for a in lines:
        out.write(a + "\\n")
"""


def test_data_that_only_the_estimator_refuses_is_no_difference(tmp_path):
    """X and y agree; the fit then ends the original, and what it writes later is not reached."""
    (tmp_path / "data.csv").write_text("1,0\n2,1\n3,1\n", encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(ONE_CLASS, encoding="utf-8")
    result = rewrite(script, engine="static", directed=False, mutants="none")
    assert result.verdict.status == "agreed", str(result.verdict)
    assert "file out.csv" in result.verdict.compared
    how = setting(script, root=None, python=None)
    with workspace() as space, closing(how):
        evidence = observe(how, space)
        base = judge(result.pipeline, evidence, execute, tmp_path)
        inputs = [DirectedInput(name="one class", changed={"data.csv": b"1,1\n2,1\n3,1\n"})]
        verdict = judge_directed(
            result.pipeline, evidence, base, inputs, how=how, execute=execute, space=space, seconds=30, progress=str
        )
    assert verdict.status == "agreed", str(verdict)
    assert verdict.inputs == 1
    assert any("the estimator refuses X and y, which agree" in note for note in verdict.not_checked)


def test_data_that_the_fitted_estimator_refuses_is_no_difference(tmp_path):
    """The fit takes fewer rows than neighbours are wanted; predict does not."""
    (tmp_path / "data.csv").write_text("1,0\n2,1\n3,1\n4,0\n", encoding="utf-8")
    script = tmp_path / "script.py"
    fit = "model = KNeighborsClassifier(3).fit(X, y)\nmodel.predict(X)"
    text = ONE_CLASS.replace("LogisticRegression().fit(X, y)", fit)
    script.write_text(text.replace("linear_model import LogisticRegression", "neighbors import KNeighborsClassifier"))
    result = rewrite(script, engine="static", directed=False, mutants="none")
    assert result.verdict.status == "agreed", str(result.verdict)
    how = setting(script, root=None, python=None)
    with workspace() as space, closing(how):
        evidence = observe(how, space)
        base = judge(result.pipeline, evidence, execute, tmp_path)
        inputs = [DirectedInput(name="two rows", changed={"data.csv": b"1,1\n2,0\n"})]
        verdict = judge_directed(
            result.pipeline, evidence, base, inputs, how=how, execute=execute, space=space, seconds=30, progress=str
        )
    assert verdict.status == "agreed", str(verdict)
    assert any("the estimator refuses" in note for note in verdict.not_checked)


def test_quoted_fields_are_left_alone(tmp_path):
    rows = ["id,name,n", *(f'{n},"a, b",{n}' for n in range(5)), "5,c,5", *(f'{n},"d, e",{n}' for n in range(6, 9))]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "script.py").write_text("keep = n > 3\n", encoding="utf-8")
    for item in directed_of(tmp_path, ("a.csv",)):
        if "field 2" in item.name or "added" in item.name:
            for fields in csv.reader(item.changed["a.csv"].decode().splitlines()):
                assert len(fields) == 3, item.name


def test_keys_get_lines_apart_by_the_script_and_as_many_as_it_says(tmp_path):
    days = [f"2023-03-{1 + n % 28:02d} 0{n % 9}:00:00" for n in range(360)]
    lines = [f"k{n // 3},{day},{n * 1.5}" for n, day in enumerate(days)]
    (tmp_path / "t.csv").write_text("\n".join(["key,day,size", *lines]) + "\n")
    found = directed(tmp_path, ["t.csv"], "if hours < 24 or size > 7 or share > 0.5: pass\n", rounds=2)
    pairs = [f.changed["t.csv"].decode().splitlines() for f in found if "two lines per key" in f.name]
    made = [[line.split(",") for line in text[1:]] for text in pairs]
    both = [(a, b) for rows in made for a, b in zip(rows[::2], rows[1::2], strict=True)]
    assert all(a[0] == b[0] for a, b in both)
    apart = {datetime.fromisoformat(b[1]) - datetime.fromisoformat(a[1]) for a, b in both}
    sizes = {float(b[2]) - float(a[2]) for a, b in both}
    assert apart & {timedelta(hours=24), timedelta(hours=24, minutes=1), timedelta(hours=24, minutes=-1)}
    assert sizes & {6.0, 7.0, 8.0}
    counted = [f.changed["t.csv"].decode().splitlines() for f in found if "as many lines per key" in f.name]
    keys = Counter(line.split(",")[0] for line in counted[0][1:])
    assert {6, 7, 8} <= set(keys.values())
    odd = next(f.changed["t.csv"].decode() for f in found if "dates that do not exist" in f.name)
    assert "2023-02-30" in odd


def test_each_key_gets_one_line_with_a_number_in_another_form(tmp_path):
    script = "size = float(text.lower().replace('kg', '').replace('.', ''))\nif text.endswith('t'): size *= 1000\n"
    sizes = ("1.200", "800 kg", "3t", "45")
    lines = [f"K{n // 3},{sizes[n % 4]},{'paid' if n % 3 else 'open'}" for n in range(900)]
    (tmp_path / "a.csv").write_text("\n".join(["key,size,state", *lines]) + "\n", encoding="utf-8")
    found = directed(tmp_path, ["a.csv"], script)
    rows = {f.name.split(": ")[1]: list(csv.reader(f.changed["a.csv"].decode().splitlines()))[1:] for f in found}
    dressed = rows["one line per key, numbers with units"]
    keys = [row[0] for row in dressed]
    assert len(keys) == len(set(keys))
    forms = {re.sub(r"\d+(\.\d+)*", "9", row[1]) for row in dressed}
    assert {"9 kg", "9 KG", "9kg", "9T", "kg9", "9t kg", "9T KG"} <= forms
    assert {row[2] for row in dressed} == {"paid", "open"}  # a column without units is left as it is
    pairs = rows["two lines per key, numbers with units"]
    assert all(a[0] == b[0] and a[1] != b[1] for a, b in zip(pairs[::2], pairs[1::2], strict=True))
    plain = rows["one line per key, texts in another case and padded"]
    assert {"PAID", " open", "3T"} <= {cell for row in plain for cell in row}


def test_dates_lie_as_many_days_from_the_script_s_as_it_says(tmp_path):
    lines = [f"{n},2022-01-{n % 28 + 1:02d}" for n in range(100)]
    (tmp_path / "a.csv").write_text("\n".join(["id,day", *lines]) + "\n", encoding="utf-8")
    found = directed(tmp_path, ["a.csv"], "late = 0 <= (day - datetime(2022, 7, 1)).days < 60\n")
    added = next(f.changed["a.csv"].decode() for f in found if "dates of the script" in f.name)
    assert "2022-08-30" in added


def test_a_longer_line_does_not_hide_the_keys_of_the_others(tmp_path):
    lines = [f"K{n // 3},{n},{'paid' if n % 3 else 'open'}" + (",late" if n == 5 else "") for n in range(90)]
    (tmp_path / "a.csv").write_text("\n".join(["key,size,state", *lines]) + "\n", encoding="utf-8")
    found = directed(tmp_path, ["a.csv"], "if state == 'open': n += 1\n", rounds=2)
    (rows,) = {f.changed["a.csv"] for f in found[:3] if "one line per key" in f.name}
    made = list(csv.reader(rows.decode().splitlines()))[1:]
    assert len(made) > 5 and {len(row) for row in made} == {3}
