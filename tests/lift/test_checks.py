"""What an original relied upon is checked: data on which it would end, or mean something else, are refused."""

from __future__ import annotations

import pytest

from lester_duck.errors import CheckFailed, InputError
from lester_duck.rewrite.execute import execute

TYPED = """
    import pandas as pd
    t = pd.read_csv("t.csv")
    t["m"] = t["n"] * 2
    t.to_csv("out.csv", index=False)
    """
READ = """
    sizes = {}
    with open("t.csv") as f:
        f.readline()
        for line in f:
            k, n = line.strip().split(",")
            sizes[k] = int(n)
    with open("out.csv", "w") as out:
        for k, n in sizes.items():
            out.write(f"{k} {n}\\n")
    """


@pytest.mark.parametrize("cell", ["", "x"])
def test_a_column_of_whole_numbers_takes_neither_blanks_nor_texts(both, tmp_path, cell) -> None:
    """Two conditions of one line are both checked, the one being part of the other's text."""
    made = both(TYPED, {"t.csv": "k,n\na,1\nb,2\n"})
    (tmp_path / "t.csv").write_text(f"k,n\na,1\nb,{cell}\n", encoding="utf-8")
    with pytest.raises(CheckFailed), execute(made.lifted.pipeline, tmp_path):
        pass


EMPTY = [(TYPED, True), (READ.replace("f.readline()", "next(f)"), True), (READ, False)]


@pytest.mark.parametrize(("program", "refused"), EMPTY)
def test_an_empty_file_ends_pandas_and_next_but_not_readline(both, tmp_path, program, refused) -> None:
    """``read_csv`` and ``next`` raise; a loop over the lines of an empty file has no turns."""
    made = both(program, {"t.csv": "k,n\na,1\nb,2\n"})
    (tmp_path / "t.csv").write_text("", encoding="utf-8")
    if refused:
        with pytest.raises(InputError, match="the file is empty"), execute(made.lifted.pipeline, tmp_path):
            pass
    else:
        with execute(made.lifted.pipeline, tmp_path) as ran:
            assert ran.view(made.lifted.pipeline.views[-1].name).num_rows == 0


CLEANED = """
    def clean(text) -> str:
        while text.endswith("!") and len(text) > 1:
            text = text[:-1].rstrip()
        return text

    sizes = {}
    for line in open("sizes.csv"):
        k, n = line.strip().split(",")
        sizes[k] = int(n)
    with open("out.csv", "w") as out:
        for line in open("t.csv"):
            k = clean(line.strip())
            out.write("%s %d\\n" % (k, sizes[k]))
    """


def test_what_a_declared_function_decides_is_not_checked_and_that_is_said(both) -> None:
    """A key that a function of the script makes may be missing: once per line, a suspicion says so."""
    made = both(CLEANED, {"t.csv": "a ! !\nb\n", "sizes.csv": "a,1\nb,2\n"})
    assert made.rendered == made.written and made.lifted.functions == 1
    said = "not checked, for a declared function decides about it: a key that sizes does not have"
    assert [(s.line, s.message) for s in made.lifted.suspicions] == [(14, said)]


DATED = """
    import pandas as pd
    t = pd.read_csv("t.csv")
    t["d"] = pd.to_datetime(t["d"])
    t["h"] = t["d"].dt.hour
    t[["k", "h"]].to_csv("out.csv", index=False)
    """


@pytest.mark.parametrize("day", ["2023-03-02 07:05 ", "2023-03-02", "2023-03-02 07:05:09", "2023-03-02T07:05"])
def test_dates_have_the_form_that_pandas_guesses_of_the_first(both, tmp_path, day) -> None:
    """A blank after a date, seconds or no time at all end ``pd.to_datetime`` where the first text has none of it."""
    made = both(DATED, {"t.csv": "k,d\na,2023-03-01 05:00\nb,2023-03-02 06:30\n"})
    (tmp_path / "t.csv").write_text(f"k,d\na,2023-03-01 05:00\nb,{day}\n", encoding="utf-8")
    with pytest.raises(CheckFailed), execute(made.lifted.pipeline, tmp_path):
        pass


LOGARITHM = """
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import Ridge
    t = pd.read_csv("t.csv")
    Ridge().fit(t[["a"]], np.log(t["n"]))
    """


def test_a_label_that_is_missing_ends_the_fit(both, tmp_path) -> None:
    """The logarithm of a negative number is NaN, which scikit-learn refuses."""
    made = both(LOGARITHM, {"t.csv": "a,n\n1,1\n2,2\n"})
    (tmp_path / "t.csv").write_text("a,n\n1,1\n2,-2\n", encoding="utf-8")
    refused = pytest.raises(CheckFailed, match="a missing label, which Ridge refuses")
    with refused, execute(made.lifted.pipeline, tmp_path):
        pass
