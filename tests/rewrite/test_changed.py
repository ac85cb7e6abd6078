"""A store updated by a difference against the original rerun on the changed data."""

from __future__ import annotations

import shutil
from dataclasses import replace
from random import Random

import pyarrow as pa
import pytest

from lester_duck.errors import InputError, UsageError
from lester_duck.rewrite.changed import Rerun, changed_files
from lester_duck.rewrite.difference import delta
from lester_duck.rewrite.edits import KINDS, random_edit
from lester_duck.rewrite.observe import setting, workspace
from lester_duck.rewrite.rewrite import verify_changed

from .conftest import QUICK


def held(*values: str) -> pa.Table:
    numbers = pa.array(range(1, len(values) + 1), pa.int64())
    return pa.table({"a": pa.array(values, pa.string()), "_rid": numbers, "_pos": numbers})


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        (["x", "y", "z"], None),
        (["x", "z"], [("y", "delete", 2)]),
        (["x", "y", "z", "w"], [("w", "insert", None)]),
        (["x", "Y", "z"], [("y", "update_preimage", 2), ("Y", "update_postimage", 2)]),
        ([], [("x", "delete", 1), ("y", "delete", 2), ("z", "delete", 3)]),
        (["x", "w", "y", "z"], [("w", "insert", None), ("y", "update_preimage", 2), ("y", "update_postimage", 2),
                                ("z", "update_preimage", 3), ("z", "update_postimage", 3)]),
    ],
)  # fmt: skip
def test_the_difference_of_two_tables(new, changes):
    found = delta(held("x", "y", "z"), pa.table({"a": pa.array(new, pa.string())}))
    shown = found and list(zip(*(found.column(n).to_pylist() for n in ("a", "_change_type", "_rid")), strict=True))
    assert shown == changes


def test_rows_with_a_key_keep_their_identity():
    found = delta(held("x", "y"), pa.table({"a": ["y", "x"]}), ["a"])
    after = {r["a"]: r for r in found.to_pylist() if r["_change_type"] == "update_postimage"}
    assert {a: r["_rid"] for a, r in after.items()}.items() <= {"x": 1, "y": 2}.items()


def test_places_rise():
    found = delta(held("x", "y", "z"), pa.table({"a": ["w", "x", "v", "z"]}))
    gone = {r["_rid"] for r in found.to_pylist() if r["_change_type"] in ("delete", "update_preimage")}
    rows = [(n, "xyz"[n - 1]) for n in (1, 2, 3) if n not in gone]
    rows += [(r["_pos"], r["a"]) for r in found.to_pylist() if r["_change_type"] in ("insert", "update_postimage")]
    assert [a for _, a in sorted(rows)] == ["w", "x", "v", "z"]
    assert len({p for p, _ in rows}) == 4


def test_every_kind_of_edit_is_made():
    files = {"a.csv": b"id,name,n\n1,x,5\n2,y,6\n3,z,7\n4,w,8\n", "b.bin": b"\xff\xfe\x00"}
    random, seen = Random(0), set()
    for _ in range(60):
        edit = random_edit(files, random)
        assert edit.path == "a.csv"
        assert edit.content.startswith(b"id,name,n\n")
        seen.add(next(k for k in KINDS if k in edit.name))
    assert seen == set(KINDS)
    assert random_edit(files, Random(3)) == random_edit(files, Random(3))


def test_nothing_to_edit():
    with pytest.raises(InputError, match="no file of the script can be edited"):
        random_edit({"a.csv": b"id\n"}, Random(0))


def rerun(prepared, pipeline, space) -> Rerun:
    how = setting(prepared[0] / "script.py", root=None, python=None, limits=QUICK)
    return Rerun(pipeline=pipeline, how=how, base=prepared[1], space=space, progress=str)


def test_random_edits_agree(prepared):
    with workspace() as space:
        again = rerun(prepared, prepared[2], space)
        found = again.randomly(6, seed=2)
        again.close()
    assert found.status == "agreed", str(found)
    assert len(found.steps) == 6
    assert any(sum(s.rows) for s in found.steps)
    found.raise_if_different()


def test_a_wrong_pipeline_is_found_on_changed_data(prepared):
    """Two rows of one shop tell first from last; the user's data hold each shop once."""
    views = tuple(replace(v, sql=v.sql.replace("last(city", "first(city")) for v in prepared[2].views)
    shops = (prepared[0] / "data" / "shops.csv").read_bytes()
    lines = shops.decode().splitlines()
    fields = lines[3].split(",")
    lines.append(",".join([*fields[:1], "elsewhere", *fields[2:]]))
    with workspace() as space:
        again = rerun(prepared, replace(prepared[2], views=views), space)
        found = again.to_data({"data/shops.csv": ("\n".join(lines) + "\n").encode()})
        again.close()
    assert found.status == "differs"
    assert "view shops" in found.differences[0]
    assert found.steps[0].rows == (1, 0, 0)


def test_changed_files_are_found_by_path_or_name(prepared, tmp_path):
    how = setting(prepared[0] / "script.py", root=None, python=None, limits=QUICK)
    reads = prepared[1].first.reads
    shutil.copy(prepared[0] / "data" / "shops.csv", tmp_path / "shops.csv")
    assert list(changed_files(how, reads, tmp_path)) == ["data/shops.csv"]
    (tmp_path / "shops.csv").unlink()
    with pytest.raises(InputError, match="holds none of the files"):
        changed_files(how, reads, tmp_path)


def test_one_of_the_two_is_asked_for(tmp_path):
    with pytest.raises(UsageError, match="either changed data or a number"):
        verify_changed(tmp_path)
