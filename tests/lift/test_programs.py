"""Small programs of one or two idioms each: their files and matrices against their pipelines'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

SALES = "a,x,3\nb,y,5\n c ,x,\na,z,7\nb,x,2\na,y,11\n"
PEOPLE = "id,name,team,age\n1,Ann,red,30\n2,Bob,,41\n3,Cid,blue,\n2,Bea,red,25\n"
TEAMS = "team;city\nred;Rome\nblue;Bern\nred;Riga\n"


@dataclass(frozen=True)
class Program:
    """A program, the files it reads, and what its views must be called."""

    name: str
    text: str
    files: dict[str, str]


PROGRAMS = [
    Program(
        "last value per key wins and stands where the key first came",
        """
        prices = {}
        for line in open("sales.csv"):
            key, kind, amount = line.strip().split(",")
            prices[key] = (kind, amount)
        with open("out.txt", "w") as out:
            for key, (kind, amount) in prices.items():
                out.write(key + ";" + kind + ";" + amount + "\\n")
        """,
        {"sales.csv": SALES},
    ),
    Program(
        "a count, a sum and a list per key",
        """
        from collections import Counter, defaultdict
        n = Counter()
        total = defaultdict(int)
        items = defaultdict(list)
        for line in open("sales.csv"):
            key, kind, amount = line.rstrip("\\n").split(",")
            n[key] += 1
            if amount == "":
                continue
            total[key] += int(amount)
            items[kind].append(int(amount))
        out = open("out.txt", "w")
        for key in sorted(n):
            out.write("%s\\t%d\\t%d\\n" % (key, n[key], total[key]))
        out.close()
        with open("kinds.txt", "w") as f:
            for kind in sorted(items):
                f.write(f"{kind},{len(items[kind])},{max(items[kind])},{sum(items[kind]) / len(items[kind]):.2f}\\n")
        """,
        {"sales.csv": SALES},
    ),
    Program(
        "inner join by 'in', left join by get, anti join by 'not in'",
        """
        import csv
        teams = {}
        for row in csv.DictReader(open("teams.csv", newline=""), delimiter=";"):
            teams[row["team"]] = row["city"]
        inner = open("inner.txt", "w")
        left = open("left.txt", "w")
        anti = open("anti.txt", "w")
        with open("people.csv", newline="") as f:
            for row in csv.DictReader(f):
                left.write(row["name"] + "|" + teams.get(row["team"], "nowhere") + "\\n")
                if row["team"] in teams:
                    inner.write(row["name"] + "|" + teams[row["team"]] + "\\n")
                else:
                    anti.write(row["name"] + "\\n")
        for out in (inner, left, anti):
            out.close()
        """,
        {"people.csv": PEOPLE, "teams.csv": TEAMS},
    ),
    Program(
        "a list of records, sorted with two keys, written with csv.writer",
        """
        import csv
        rows = []
        with open("people.csv", newline="") as f:
            for r in csv.DictReader(f):
                age = int(r["age"]) if r["age"] else 0
                rows.append({"name": r["name"].upper(), "age": age, "team": r["team"] or "-"})
        with open("out.csv", "w", newline="") as f:
            w = csv.writer(f)
            w.writerow(["team", "name", "age"])
            for r in sorted(rows, key=lambda r: (r["team"], -r["age"])):
                w.writerow([r["team"], r["name"], r["age"]])
        """,
        {"people.csv": PEOPLE},
    ),
    Program(
        "an intermediate file is written and read back",
        """
        tmp = open("tmp.tsv", "w")
        for line in open("sales.csv"):
            parts = [p.strip() for p in line.split(",")]
            if parts[2] == "":
                continue
            tmp.write("\\t".join([parts[0], str(int(parts[2]) * 2), str(int(parts[2]) > 4)]) + "\\n")
        tmp.close()
        with open("out.txt", "w") as out:
            for line in open("tmp.tsv"):
                key, double, large = line.rstrip("\\n").split("\\t")
                if large == "True":
                    out.write(f"{key} {int(double) + 1}\\n")
        """,
        {"sales.csv": SALES},
    ),
    Program(
        "branches, nested conditions and a function of the script",
        """
        LIMITS = {"x": 3, "y": 5}

        def grade(kind, amount):
            limit = LIMITS.get(kind, 10)
            if amount > limit:
                return "high"
            elif amount == limit:
                return "even"
            return "low"

        out = open("out.txt", "w")
        for line in open("sales.csv"):
            key, kind, amount = line.strip().split(",")
            value = 0
            if amount != "":
                value = int(amount)
            if kind == "x":
                label = "X"
                if value > 2:
                    label = label + "+"
            else:
                label = kind
            out.write(label + "," + grade(kind, value) + "\\n")
        out.close()
        """,
        {"sales.csv": SALES},
    ),
    Program(
        "what SQL cannot say becomes a function",
        """
        VOWELS = "aeiou"

        def vowels(text):
            n = 0
            for c in text.lower():
                if c in VOWELS:
                    n = n + 1
            return n

        def tidy(text):
            words = []
            for w in text.split():
                words.append(w.capitalize())
            return " ".join(words)

        with open("out.txt", "w") as out:
            for line in open("lines.txt"):
                text = line.strip()
                if not text:
                    continue
                out.write("%s=%d\\n" % (tidy(text), vowels(text)))
        """,
        {"lines.txt": "hello big world\n\n  Aunt  Emma \nxyz\n"},
    ),
    Program(
        "the lines of a file with comments, a header and lines of the wrong width",
        """
        f = open("data.txt")
        f.readline()
        lines = f.readlines()
        f.close()
        bad = 0
        out = open("out.txt", "w")
        for line in lines:
            if line.startswith("#"):
                continue
            parts = line.strip().split(";")
            if len(parts) != 3:
                bad += 1
                continue
            out.write(parts[2] + "-" + parts[0] + "\\n")
        out.close()
        """,
        {"data.txt": "h1;h2;h3\n1;2;3\n# remark\n4;5\n7;8;9\n"},
    ),
    Program(
        "values that do not parse are skipped by try",
        """
        from datetime import datetime
        out = open("out.txt", "w")
        for line in open("times.txt"):
            day, amount = line.strip().split(",")
            try:
                when = datetime.strptime(day, "%d.%m.%Y")
                value = float(amount)
            except ValueError:
                continue
            out.write("%s,%.1f,%d\\n" % (when.isoformat(), value, when.weekday()))
        out.close()
        """,
        {"times.txt": "01.02.2022,3\n31.02.2022,4\n1.3.2022,x\n05.12.2021, 2.55\nnever,1\n"},
    ),
    Program(
        "membership in a set read from a file; appends in both branches",
        """
        with open("names.txt") as f:
            names = {l.strip() for l in f if l.strip()}
        flags, keys = [], []
        for line in open("sales.csv"):
            parts = line.strip().split(",")
            keys.append(parts[0])
            if parts[0] in names:
                flags.append(1)
            else:
                flags.append(0)
        with open("out.txt", "w") as out:
            for k, f in zip(keys, flags):
                out.write(f"{k}:{f}\\n")
        with open("out2.txt", "w") as out:
            for i in range(len(keys)):
                if flags[i] == 1:
                    out.write(keys[i] + "\\n")
        """,
        {"sales.csv": SALES, "names.txt": "a\n\nc\na\n"},
    ),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_files_are_the_same(both: Callable, program: Program) -> None:
    ran = both(program.text, program.files)
    assert [str(r) for r in ran.lifted.refusals] == []
    assert ran.rendered and ran.rendered == ran.written


MATRIX = """
    import numpy as np
    from sklearn.linear_model import LinearRegression
    KINDS = ["x", "y", "z"]
    {prepare}
    model = LinearRegression()
    model.fit({x}, {y})
"""


def test_rows_of_lists_become_featurizers(both: Callable) -> None:
    prepare = """
    amounts, kinds, labels = [], [], []
    for line in open("sales.csv"):
        key, kind, amount = line.strip().split(",")
        if amount == "":
            continue
        amounts.append(float(amount))
        kinds.append(kind)
        labels.append(1 if key == "a" else 0)
    low, high = min(amounts), max(amounts)
    X = []
    for i in range(len(amounts)):
        row = [(amounts[i] - low) / (high - low)]
        for k in KINDS:
            if kinds[i] == k:
                row.append(1)
            else:
                row.append(0)
        X.append(row)
    n = int(len(X) * 0.6)
    """
    ran = both(MATRIX.format(prepare=prepare, x="X[:n]", y="labels[:n]"), {"sales.csv": SALES})
    n = ran.names["n"]
    assert ran.lifted.refusals == ()
    np.testing.assert_allclose(ran.matrix, np.array(ran.names["X"][:n]))
    np.testing.assert_array_equal(ran.labels, ran.names["labels"][:n])
    kinds = [f.steps[-1].kind for f in ran.lifted.pipeline.features.featurizers]
    assert kinds == ["min_max", "one_hot"]
    assert ran.lifted.pipeline.split.kind == "position"


def test_numpy_blocks_become_featurizers(both: Callable) -> None:
    prepare = """
    import zlib
    texts, kinds, y = [], [], []
    for line in open("sales.csv"):
        key, kind, amount = line.rstrip("\\n").split(",")
        texts.append(key + " " + kind + " shop")
        kinds.append(kind)
        y.append(len(amount))

    def words(s):
        v = np.zeros(8)
        for w in s.split():
            v[zlib.crc32(w.encode()) % 8] += 1
        return v

    bag = np.array([words(t) for t in texts])
    lengths = np.array([len(t) for t in texts], dtype=float)
    lengths = (lengths - lengths.mean()) / lengths.std()
    hot = np.zeros((len(kinds), len(KINDS)))
    for i, k in enumerate(kinds):
        hot[i, KINDS.index(k)] = 1.0
    X = np.hstack([bag, lengths.reshape(-1, 1), hot])
    """
    ran = both(MATRIX.format(prepare=prepare, x="X", y="np.array(y)"), {"sales.csv": SALES})
    assert ran.lifted.refusals == ()
    np.testing.assert_allclose(ran.matrix, ran.names["X"])
    np.testing.assert_array_equal(ran.labels, ran.names["y"])
    kinds = [f.steps[-1].kind for f in ran.lifted.pipeline.features.featurizers]
    assert kinds == ["hash_words", "standard_scale", "one_hot"]


@pytest.mark.parametrize(
    ("statement", "line", "word"),
    [
        ("names = {line.strip() for line in open('sales.csv')}\nfor n in names:\n    rows.append(n)", 4, "set"),
        ("for line in open('sales.csv'):\n    while len(line) > 3:\n        line = line[2:]", 4, "while"),
    ],
    ids=["set order", "loop of unknown length"],
)
def test_refusals_name_line_and_reason(both: Callable, statement: str, line: int, word: str) -> None:
    program = f"""
rows = []
{statement}
kept = open("kept.txt", "w")
for l in open("sales.csv"):
    kept.write(l.strip().split(",")[0] + "\\n")
kept.close()
out = open("out.txt", "w")
for r in rows:
    out.write(str(r) + "\\n")
out.close()
"""
    ran = both(program, {"sales.csv": SALES})
    assert ran.rendered == {"kept.txt": ran.written["kept.txt"]}
    first = ran.lifted.refusals[0]
    assert (first.line, word in first.reason) == (line, True), str(first)
