"""Columns that nothing reads, through views and CTEs; whatever decides about a row is read."""

from __future__ import annotations

import pytest

from lester_duck.pipeline.model import Check, Origin, Output, Pipeline, Source, View
from lester_duck.rewrite.unread import unread

END = View(name="z", sql="SELECT k FROM m")


def pipeline(*views: str, checks: tuple[Check, ...] = ()) -> Pipeline:
    made = tuple(View(name=name, sql=sql) for name, sql in (v.split(": ", 1) for v in views))
    origin = Origin(script="s.py", sha256="", engine="hand", outputs=(Output(path="o", view="z", columns=("k",)),))
    return Pipeline(name="p", sources=(Source(name="t", format="csv"),), views=made, checks=checks, origin=origin)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        (("m: SELECT k, a FROM t", "z: SELECT k FROM m"), {("m", "a")}),
        (("l: SELECT k, a FROM t", "m: SELECT k, a AS b FROM l", "z: SELECT k FROM m"), {("l", "a"), ("m", "b")}),
        (("m: WITH c AS (SELECT k, a FROM t) SELECT k, a FROM c", "z: SELECT k FROM m"), {("m", "a"), ("m.c", "a")}),
        (("m: SELECT k, a FROM t", "z: SELECT k FROM m WHERE a > 1"), set()),
        (("m: SELECT k, a FROM t", "z: SELECT k FROM m ORDER BY a"), set()),
        (("m: SELECT k, a FROM t", "z: SELECT k FROM m JOIN u USING (a)", "u: SELECT a FROM t"), set()),
        (("m: SELECT k, a FROM t", "z: SELECT k FROM m QUALIFY row_number() OVER (PARTITION BY a) = 1"), set()),
        (("m: SELECT k, a FROM t", "z: SELECT DISTINCT k FROM m"), {("m", "a")}),
        (("l: SELECT k, a FROM t", "m: SELECT DISTINCT k, a FROM l", "z: SELECT k FROM m"), set()),
        (("l: SELECT k, a FROM t", "m: SELECT k, a, count(*) AS n FROM l GROUP BY k, a", "z: SELECT k FROM m"),
         {("m", "n")}),
        (("l: SELECT k, a FROM t", "m: SELECT k, CAST(a AS INT) AS b FROM l", "z: SELECT k FROM m"), set()),
        (("l: SELECT k, a FROM t", "m: SELECT k, a FROM l UNION ALL SELECT k, k FROM t", "z: SELECT k FROM m"),
         {("l", "a"), ("m", "a")}),
        (("l: SELECT k, a FROM t", "m: SELECT * FROM l", "z: SELECT k FROM m"), set()),
        (("l: SELECT k, a FROM t", "z: SELECT k FROM t WHERE EXISTS (SELECT 1 FROM l WHERE a = 1)"), {("l", "k")}),
        (("m: SELECT k, a AS b, b AS c FROM t", "z: SELECT k, max(c) OVER (ORDER BY k) AS c FROM m"), {("m", "b")}),
    ],
)  # fmt: skip
def test_unread(views, expected):
    assert unread(pipeline(*views)) == expected


def test_what_a_check_asks_for_is_read():
    checked = pipeline(
        "m: SELECT k, a FROM t", "z: SELECT k FROM m", checks=(Check(name="c", sql="SELECT a FROM m", message="-"),)
    )
    assert unread(checked) == frozenset()
