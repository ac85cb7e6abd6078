"""Loops whose rows depend on earlier rows, and loops inside loops: files against their pipelines'."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

VISITS = (
    "ann,2,x,10\nbob,5,y,7\nann,2,x,12\ncid,1,,3\nann,9,y,12\nbob,5,x,-4\ndan,0,z,0\nbob,1,y,7\ncid,8,x,3\nann,1,x,-1\n"
)
ZONES = "low,0,4\nhigh,5,9\nodd,1,1\n"
READ = """
rows = []
for line in open("visits.csv"):
    who, level, kind, points = line.strip().split(",")
    rows.append((who, int(level), kind, int(points)))
"""
WRITE = """
with open("out.txt", "w") as out:
    for k, x in d.items():
        out.write(f"{k},{x}\\n")
"""
PROGRAMS = {
    "first row per key by a seen-set, with a filter": """
        seen = set()
        out = open("out.txt", "w")
        for line in open("visits.csv"):
            who, level, kind, points = line.strip().split(",")
            if kind == "":
                continue
            if (who, kind) in seen:
                continue
            seen.add((who, kind))
            out.write(f"{who};{kind};{points}\\n")
        out.close()
        """,
    "repeats marked by a seen-set that does not take every row": """
        seen = set()
        out = open("out.txt", "w")
        for line in open("visits.csv"):
            who, level, kind, points = line.strip().split(",")
            again = "again" if who in seen else "new"
            if int(points) > 5:
                seen.add(who)
            out.write(who + "," + again + "\\n")
        out.close()
        """,
    "largest per key, the first of equals": READ + """
d = {}
for who, level, kind, points in rows:
    if who not in d or points > d[who][0]:
        d[who] = (points, level)
with open("out.txt", "w") as out:
    for k, (a, b) in d.items():
        out.write(f"{k},{a},{b}\\n")
""",
    "largest per key, the last of equals": READ + """
d = {}
for who, level, kind, points in rows:
    if who in d and points < d[who][0]:
        continue
    d[who] = (points, level)
with open("out.txt", "w") as out:
    for k, (a, b) in d.items():
        out.write(f"{k},{a},{b}\\n")
""",
    "smallest per key": READ + """
d = {}
for who, level, kind, points in rows:
    if who not in d or d[who] > points:
        d[who] = points
""" + WRITE,
    "first per key by setdefault": READ + """
d = {}
for who, level, kind, points in rows:
    d.setdefault(who, points)
""" + WRITE,
    "a counter by get": READ + """
d = {}
for who, level, kind, points in rows:
    d[kind] = d.get(kind, 0) + 1
""" + WRITE,
    "a sum by an entry made when it is missing": READ + """
d = {}
for who, level, kind, points in rows:
    if who not in d:
        d[who] = 0
    d[who] += points
""" + WRITE,
    "a counter in two branches": READ + """
d = {}
for who, level, kind, points in rows:
    if who in d:
        d[who] += 1
    else:
        d[who] = 1
""" + WRITE,
    "codes by order of appearance": READ + """
codes = {}
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        if who not in codes:
            codes[who] = len(codes)
        out.write(f"{who},{codes[who]}\\n")
""",
    "distinct kinds per key": READ + """
d = {}
for who, level, kind, points in rows:
    d.setdefault(who, [])
    if kind not in d[who]:
        d[who].append(kind)
with open("out.txt", "w") as out:
    for k in sorted(d):
        out.write(f"{k},{len(d[k])}\\n")
""",
    "each key once in a list": READ + """
order = []
for who, level, kind, points in rows:
    if who not in order:
        order.append(who)
with open("out.txt", "w") as out:
    for who in order:
        out.write(who + "\\n")
""",
    "two keys changed by one row": READ + """
from collections import defaultdict
d = {}
total = defaultdict(float)
met = defaultdict(set)
for who, level, kind, points in rows:
    for k in (who, kind):
        if k not in d:
            d[k] = points
    total[who] += points
    total[kind] += 0.1
    met[who].add(kind)
    met[kind].add(who)
with open("out.txt", "w") as out:
    for k, x in d.items():
        out.write(f"{k},{x},{total[k]},{len(met[k])}\\n")
""",
    "the row before": READ + """
last = None
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        change = "first" if last is None else str(points - last)
        out.write(who + "," + change + "\\n")
        last = points
""",
    "a number within each group of sorted rows": READ + """
table = [{"who": w, "points": p} for w, l, k, p in rows]
table.sort(key=lambda r: (r["who"], -r["points"]))
place = 0
current = None
for r in table:
    if r["who"] != current:
        place = 0
        current = r["who"]
    place += 1
    r["place"] = place
with open("out.txt", "w") as out:
    for r in table:
        out.write("%s %d %d\\n" % (r["who"], r["points"], r["place"]))
""",
    "a number within runs of equal rows": READ + """
n = 0
current = None
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        if kind != current:
            n = 0
            current = kind
        n += 1
        out.write(f"{kind},{n}\\n")
""",
    "running numbers": READ + """
n = 0
total = 0
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        n += 1
        if points > 0:
            total += points
        out.write(f"{n},{who},{total}\\n")
""",
    "an inner loop with break, and one without": READ + """
zones = []
for line in open("zones.csv"):
    name, low, high = line.strip().split(",")
    zones.append({"name": name, "low": int(low), "high": int(high)})
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        first = "none"
        for z in zones:
            if z["low"] <= level <= z["high"]:
                first = z["name"]
                break
        last = "none"
        for z in zones:
            if z["low"] <= level <= z["high"]:
                last = z["name"]
        fits = 0
        for z in zones:
            if z["high"] > level:
                fits += 1
        out.write(f"{who},{level},{first},{last},{fits}\\n")
""",
    "what an inner loop does not find stays as it was": READ + """
zones = []
for line in open("zones.csv"):
    name, low, high = line.strip().split(",")
    zones.append({"name": name, "low": int(low), "high": int(high)})
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        if points < 0:
            continue
        for z in zones:
            if z["high"] == level + 2 or z["low"] == level - 2:
                hit = z
                break
        for z in zones:
            if z["low"] == level:
                found = z
                break
        out.write(f"{who},{level}\\n")
""",
    "two lists put together, records changed in place": READ + """
a = [{"who": w, "n": p, "src": "a"} for w, l, k, p in rows if l > 1]
b = [{"who": w.upper(), "n": p, "src": "b"} for w, l, k, p in rows if l <= 1]
both = a + b
for r in both:
    r["kind"] = "small" if r["n"] < 5 else "large"
with open("out.txt", "w") as out:
    for r in both:
        out.write(",".join([r["who"], str(r["n"]), r["src"], r["kind"]]) + "\\n")
""",
    "lists of split lines": """
        lines = [l.strip() for l in open("visits.csv") if l.strip()]
        games = [l.split(",") for l in lines]
        games = [[x.strip() for x in g] for g in games]
        games = [g for g in games if len(g) == 4 and g[2] != ""]
        games.sort(key=lambda g: g[1])
        with open("out.txt", "w") as out:
            for who, level, kind, points in games:
                out.write(level + ";" + who + ";" + kind + "\\n")
        """,
    "pairs of rows": READ + """
pairs = [(a[0], b[0], b[3]) for a in rows for b in rows if a[2] == b[2] and b[3] > a[3]]
with open("out.txt", "w") as out:
    for x, y, n in sorted(pairs):
        out.write(f"{x},{y},{n}\\n")
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_files_are_the_same(both: Callable, name: str) -> None:
    ran = both(textwrap.dedent(PROGRAMS[name]), {"visits.csv": VISITS, "zones.csv": ZONES})
    assert [str(r) for r in ran.lifted.refusals] == []
    assert ran.rendered and ran.rendered == ran.written


def test_a_name_an_inner_loop_leaves_is_suspicious(both: Callable) -> None:
    program = READ + """
zones = []
for line in open("zones.csv"):
    name, low, high = line.strip().split(",")
    zones.append({"name": name, "low": low})
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        if points < 3:
            continue
        for z in zones:
            if int(z["low"]) == 5 and kind == "x" or z["low"] == str(level):
                zone = z["name"]
        out.write("a\\n")
"""
    ran = both(program, {"visits.csv": VISITS, "zones.csv": ZONES})
    assert ran.rendered == ran.written


STALE = READ + """
zones = []
for line in open("zones.csv"):
    name, low, high = line.strip().split(",")
    zones.append({"name": name, "low": int(low)})
rows = rows[1:] if False else rows
with open("out.txt", "w") as out:
    for who, level, kind, points in rows:
        if level == 2:
            continue
        for z in zones:
            if z["low"] == level:
                zone = z
                break
        out.write(f"{who},{zone['name']}\\n")
"""


def test_a_stale_record_is_the_last_one_found(both: Callable) -> None:
    ran = both(STALE, {"visits.csv": VISITS, "zones.csv": ZONES})
    assert ran.lifted.refusals == ()
    assert ran.rendered == ran.written
    assert [s.line for s in ran.lifted.suspicions] == [16]
