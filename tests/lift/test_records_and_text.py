"""JSON lines, regular expressions and expressions that become declared functions, run both ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PLAYS = (
    '{"id": 1, "user": "ann", "sec": 30, "rate": 1.5, "ok": true, "at": {"city": "Rome"}}\n'
    "not json\n"
    '{"id": 2, "user": null, "sec": 4, "rate": 2, "ok": false, "at": {"city": "Bern"}}\n'
    '{"id": 3, "user": "b\\u00e9a", "sec": 12, "rate": 0.25, "ok": true, "at": null}\n'
    "[1, 2]\n"
    '{"id": 4, "sec": 7, "rate": 3, "ok": true}\n'
    '{"id": 5, "user": "cid", "sec": 99, "rate": 1e3, "ok": true, "at": {"city": "Oslo"},}\n'
)
NOTES = (
    "AB-1234 printer v2.3 down\nno code here\n ZQ-77 v10.1.7 x  ab-123\nmail ann@home.org or bob@x y\n\t\n"
    "profile 3,5mm and PROFILE 2 mm\nWORD LOUD quiet SHOUTING\n"
)

VISITS = (
    '{"user": "a", "sec": 10, "device": "car"}\n{"user": "b", "sec": 3}\n\n{"user": "b", "sec": 30}\n'
    '{"user": "a"}\n{"user": "a", "sec": 7, "device": null}\n'
)
TRIPS = "truck,date,km\nA,05/06/2022,10\nB,28/02/2021,7\nA,28/02/2021,30\nC,01/01/2023,\nA,01/03/2020,2\n"

PROGRAMS = {
    "sessions by gap, numbered within the user": (
        '''
        import csv
        last, no, out = {}, {}, []
        with open("plays.csv", newline="") as f:
            for row in csv.DictReader(f):
                u = row["user"]
                t = int(row["t"])
                gap = t - last[u] if u in last else -1
                if u not in last or t - last[u] > 30:
                    no[u] = no.get(u, 0) + 1
                last[u] = t
                out.append((u, no[u], gap))
        with open("out.txt", "w") as f:
            for u, n, gap in out:
                f.write("%s %d %d\\n" % (u, n, gap))
        ''',
        {"plays.csv": "user,t\na,1\nb,5\na,20\na,60\nb,90\na,61\n"},
    ),
    "classes, data classes and named tuples as records": (
        '''
        import csv
        from collections import namedtuple
        from dataclasses import dataclass, field
        Point = namedtuple("Point", "truck km")


        class Trip:
            """One line of the file."""

            def __init__(self, row, factor=2):
                self.truck = row["truck"].lower()
                self.km = int(row["km"]) if row["km"] else 0
                self.factor = factor
                if self.km > 8:
                    self.size = "long"
                else:
                    self.size = "short"

            @property
            def cost(self):
                return self.km * self.factor

            def label(self, sep="-"):
                return self.truck + sep + self.size


        @dataclass
        class Total:
            name: str
            value: int = 0


        trips = []
        points = []
        for row in csv.DictReader(open("trips.csv", newline="")):
            t = Trip(row)
            if t.cost == 4:
                continue
            t.extra = len(row["date"])
            trips.append(t)
            points.append(Point(t.truck, t.km))
        trips.sort(key=lambda t: -t.km)
        with open("out.txt", "w") as out:
            for t in trips:
                total = Total(t.label("+"), t.cost)
                out.write("%s %d %d %s\\n" % (total.name, total.value, t.extra, t.size))
        with open("points.txt", "w") as out:
            for p in points:
                truck, km = p
                out.write("%s %d %s\\n" % (truck, p[1] + p.km, p.truck))
        ''',
        {"trips.csv": TRIPS},
    ),
    "a generator of JSON records, changed, kept whole and per key": (
        """
        import json
        from collections import defaultdict
        def read(path):
            n = 0
            for line in open(path, encoding="utf-8"):
                line = line.strip()
                if not line:
                    continue
                p = json.loads(line)
                if p.get("sec", 0) < 5:
                    n += 1
                    continue
                p["mins"] = p["sec"] / 60
                yield p
            print(n)

        by = defaultdict(list)
        kept = []
        for play in read("plays.jsonl"):
            by[play["user"]].append(play)
            kept.append(play)
        with open("out.txt", "w") as out:
            for p in kept:
                out.write("%s %.3f %s %s\\n" % (p["user"], p["mins"], p.get("device", "none"), "device" in p))
        with open("users.txt", "w") as out:
            for u in sorted(by):
                out.write("%s %d %d\\n" % (u, len(by[u]), sum(p["sec"] for p in by[u])))
        """,
        {"plays.jsonl": VISITS},
    ),
    "the list of one key filtered and changed": (
        """
        import csv
        from datetime import datetime
        LIMIT = datetime(2022, 1, 1)
        trips = {}
        for row in csv.DictReader(open("trips.csv", newline="")):
            trips.setdefault(row["truck"], []).append(datetime.strptime(row["date"], "%d/%m/%Y"))
        with open("out.txt", "w") as out:
            for row in csv.DictReader(open("trips.csv", newline="")):
                past = [d for d in trips.get(row["truck"], []) if d < LIMIT]
                near = [d for d in trips.get(row["truck"], []) if -400 <= (d - LIMIT).days < 400]
                since = (LIMIT - max(past)).days if past else 999
                out.write("%s %d %d %d\\n" % (row["truck"], len(past), since, 1 if near else 0))
        """,
        {"trips.csv": TRIPS},
    ),
    "a hash of the id splits, a checksum is a function": (
        """
        import csv
        import hashlib
        import zlib
        def in_train(key):
            return int(hashlib.md5(key.encode("utf-8")).hexdigest()[:8], 16) % 10 < 5
        with open("out.txt", "w") as out:
            for row in csv.DictReader(open("trips.csv", newline="")):
                bucket = zlib.crc32(row["date"].encode()) % 5
                out.write(f"{row['truck']} {in_train(row['truck'] + row['km'])} {bucket}\\n")
        """,
        {"trips.csv": TRIPS},
    ),
    "rows that raise in try are dropped, with what was done before": (
        """
        import json
        bad = 0
        with open("out.txt", "w") as out:
            for line in open("plays.jsonl", encoding="utf-8"):
                try:
                    t = json.loads(line)
                    label = t["user"] + "/" + t["at"]["city"]
                except (ValueError, KeyError, TypeError):
                    bad += 1
                    continue
                out.write("%d,%s,%d\\n" % (t["id"], label, t["sec"] + 1))
        """,
        {"plays.jsonl": PLAYS},
    ),
    "get with and without a default": (
        """
        import json
        with open("out.txt", "w") as out:
            for line in open("plays.jsonl", encoding="utf-8"):
                try:
                    t = json.loads(line)
                    n = t["id"]
                except (ValueError, TypeError):
                    continue
                user = (t.get("user") or "nobody").upper()
                kind = "ok" if t.get("ok", False) else "bad"
                out.write(f"{user};{kind};{t.get('tag', 'none')};{'user' in t}\\n")
        """,
        {"plays.jsonl": PLAYS},
    ),
    "groups of a search, by name and number": (
        r"""
        import re
        CODE = re.compile(r"\b([A-Z]{2,4})-(\d{2,5})\b")
        with open("out.txt", "w") as out:
            for line in open("notes.txt"):
                text = line.strip()
                m = CODE.search(text)
                family = m.group(1) if m else "none"
                number = int(m.group(2)) if m else -1
                v = re.search(r"v(?P<major>\d+)\.(\d+)", text)
                major = v.group("major") if v is not None else "0"
                if re.match("[a-z ]+$", text):
                    major = "lower"
                out.write("%s|%d|%s\n" % (family, number // 10, major))
        """,
        {"notes.txt": NOTES},
    ),
    "substitutions and a helper of several": (
        r"""
        import re
        MAIL = re.compile(r"\S+@\S+")
        def clean(text):
            text = MAIL.sub(" _mail_ ", text)
            text = re.sub(r"(?<!\w)\d+", "#", text)
            return " ".join(text.lower().split())
        with open("out.txt", "w") as out:
            for line in open("notes.txt"):
                text = line.rstrip("\n")
                out.write(clean(text) + "|" + re.sub(r"[^A-Za-z]+", " ", text).strip() + "\n")
        """,
        {"notes.txt": NOTES},
    ),
    "counting words that satisfy a condition, and the smallest of what a pattern finds": (
        r"""
        import re
        PROFILE = re.compile(r"profile\s*(\d+(?:[.,]\d)?)\s*mm", re.I)
        def smallest(note):
            found = PROFILE.findall(note)
            if not found:
                return None
            return min(float(x.replace(",", ".")) for x in found)
        with open("out.txt", "w") as out:
            for line in open("notes.txt"):
                text = line.strip()
                loud = sum(1 for w in text.split() if w.isupper() and len(w) > 3)
                mm = smallest(text)
                if mm is None:
                    mm = 8.0
                out.write("%d %.1f %s\n" % (loud, mm, text.title()))
        """,
        {"notes.txt": NOTES},
    ),
    "an expression that raises inside try drops the row": (
        """
        with open("out.txt", "w") as out:
            for line in open("notes.txt"):
                text = line.strip()
                try:
                    at = text.index("o", 2)
                except ValueError:
                    continue
                out.write("%d\\n" % at)
        """,
        {"notes.txt": NOTES},
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_files_are_the_same(both: Callable, name: str) -> None:
    program, files = PROGRAMS[name]
    ran = both(program, files)
    assert ran.lifted.refusals == ()
    assert ran.rendered == ran.written
    assert ran.rendered


def test_what_sql_cannot_say_is_counted(both: Callable) -> None:
    program, files = PROGRAMS["groups of a search, by name and number"]
    ran = both(program, files)
    assert sorted(f.name for f in ran.lifted.pipeline.functions) == ["m_of", "text_of"]


def test_dates_compared_as_text_are_pointed_out(both: Callable) -> None:
    program = """
    import csv
    from datetime import datetime
    latest = {}
    for row in csv.DictReader(open("trips.csv", newline="")):
        when = datetime.strptime(row["date"], "%d/%m/%Y")
        if row["truck"] not in latest or row["date"] > latest[row["truck"]]:
            latest[row["truck"]] = row["date"]
    with open("out.txt", "w") as out:
        for truck, date in latest.items():
            out.write(truck + " " + date + "\\n")
    """
    ran = both(program, {"trips.csv": TRIPS})
    assert ran.rendered == ran.written
    assert [(s.line, "as text" in s.message) for s in ran.lifted.suspicions] == [(7, True)]
