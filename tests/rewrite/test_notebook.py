"""Notebooks as originals: magics, the order of cells, and lines that map back."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from lester_duck.errors import InputError, Unsupported, UsageError
from lester_duck.rewrite.code import read_code
from lester_duck.rewrite.notebook import order_of
from lester_duck.rewrite.notebook_magics import NotPython, plain
from lester_duck.rewrite.observe import observe, setting, workspace
from lester_duck.rewrite.rewrite import rewrite, save, verify
from lester_duck.rewrite.sandbox import Limits

from .watching import variable

QUICK = Limits(wall=20.0, cpu=20)


def notebook(path: Path, *cells: str | tuple[Any, ...], **metadata: Any) -> Path:
    """Write a notebook; a cell is its source, or source, execution count, tags; None stands for a text."""
    out = []
    for number, cell in enumerate(cells, 1):
        source, count, tags = (*cell, None, ())[:3] if isinstance(cell, tuple) else (cell, number, ())
        if source is None:
            out.append({"cell_type": "markdown", "metadata": {}, "source": ["# words"]})
            continue
        made = {"cell_type": "code", "execution_count": count, "metadata": {"tags": list(tags or ())}, "outputs": []}
        out.append({**made, "source": source.splitlines(keepends=True)})
    text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": out})
    path.write_text(text, encoding="utf-8")
    return path


LEFT_OUT = """\
%matplotlib inline
%load_ext autoreload
  %pwd
!pip install pandas
!{sys.executable} -m pip install -q pandas==2
!ls data | head -3
!head -3 out/a.csv
%pip install numpy
?print
print?
df.head??
%timeit sum(range(10))
get_ipython().run_line_magic('matplotlib', 'inline')
get_ipython().system('pip install x')
!echo one \\
  two
"""

REFUSED = [
    ("files = !ls", "files"),
    ("a = 1\n!wget http://x/data.csv", "may change files"),
    ("!head -3 a.csv > b.csv", "may change files"),
    ("!ls; rm -r data", "may change files"),
    ("%cd data", "changes the folder"),
    ("%run other.py", "not known"),
    ("x = %sql SELECT 1", "a magic gives 'x'"),
    ("%%bash\nls", "%%bash"),
    ("%%writefile a.py\nx = 1", "%%writefile"),
    ("x = 1\n%%time", "no Python"),
    ("get_ipython().system('rm -r data')", "may change files"),
]

KEPT = [
    ("%%time\nx = 1", {"x": 1}),
    ("%%capture out\n%%time\nx = 2", {"x": 2}),
    ("\n%%stage reading\n%time x = 3\n", {"x": 3}),
    ("x = %time 4", {"x": 4}),
    ("for n in range(3):\n    %time x = n", {"x": 2}),
    ("x = ('%d'\n  % 5)", {"x": "5"}),
    ('x = """\n%cd data\n!ls\n"""', {"x": "\n%cd data\n!ls\n"}),
    ("x = 7 \\\n% 4", {"x": 3}),
    ("x = [\n'a?',  # what's this (\n  'b',\n]\n%pwd", {"x": ["a?", "b"]}),
    ("if True:\n    !ls\n    x = 6", {"x": 6}),
    ("!echo it's (one\nx = 8", {"x": 8}),
    ("x = 'a' != 'b'", {"x": True}),
    ("%%html\n<b>no Python</b>\n", {}),
]


def test_lines_that_only_show_or_install_become_comments():
    cell = plain(LEFT_OUT)
    assert len(cell.lines) == len(LEFT_OUT.split("\n"))
    assert all(line.strip().startswith(("pass", "#")) for line in cell.lines if line.strip())
    assert [line for line, _ in cell.notes] == [4, 5, 8, 12, 14]


@pytest.mark.parametrize(("source", "reason"), REFUSED)
def test_what_acts_from_outside_python_is_refused_by_line(source, reason):
    with pytest.raises(NotPython, match=reason) as refused:
        plain(source)
    assert refused.value.hint


@pytest.mark.parametrize(("source", "bound"), KEPT)
def test_python_inside_magics_is_kept(source, bound):
    lines = plain(source).lines
    assert len(lines) == len(source.split("\n"))
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    assert {name: scope[name] for name in bound} == bound


def test_cells_are_joined_in_document_order_and_lines_map_back(tmp_path):
    path = notebook(tmp_path / "a.ipynb", (None,), "x = 1\ny = 2", "", "%%time\nz = x / 0\nz")
    code = read_code(path, "a.ipynb")
    line = next(n.lineno for n in code.tree().body if isinstance(n, ast.Assign) and "0" in ast.unparse(n))
    assert code.where(line) == "a.ipynb, cell 4, line 2"
    assert code.located(f"line {line}: no") == "cell 4, line 2: no"
    assert code.notes == ()


def test_the_order_of_execution_is_taken_when_asked_for(tmp_path):
    path = notebook(tmp_path / "a.ipynb", ("x = f(1)", 2), ("def f(n):\n    return n + 1", 1), ("x = 0", None))
    document, executed = read_code(path, "a.ipynb"), read_code(path, "a.ipynb", "executed")
    assert document.text.index("x = f") < document.text.index("def f")
    assert executed.text.index("def f") < executed.text.index("x = f")
    assert "x = 0" not in executed.text
    assert any("disagree" in note for note in document.notes)
    assert "cell 1, line 1 reads 'f', which cell 2 defines only afterwards" in document.notes
    assert any("left out: cell 3" in note for note in executed.notes)
    assert not any("reads" in note for note in executed.notes)


def test_a_name_of_a_deleted_cell_is_named(tmp_path):
    first = "import os as o\ndef g(a):\n    return a + gone + o.sep\nl = [i for i in range(3)]\n"
    path = notebook(tmp_path / "a.ipynb", first, "y = lost + 1\nfor k in l:\n    k2 = k\n", "total += 1")
    assert [note.split(",", 2)[0:2] for note in read_code(path, "a.ipynb").notes] == [
        ["cell 1", " line 2 reads 'gone'"],
        ["cell 2", " line 1 reads 'lost'"],
        ["cell 3", " line 1 reads 'total'"],
    ]


def test_parameters_and_displays(tmp_path):
    path = notebook(tmp_path / "a.ipynb", ("rate = 3", 1, ["parameters"]), "display(rate)\nx = [display]\nrate")
    code = read_code(path, "a.ipynb")
    assert code.notes == ("cell 1 holds parameters (tag of papermill): the values in it are taken",)
    assert "print  (rate)" in code.text
    assert "x = [display]" in code.text
    with workspace() as space:
        evidence = observe(setting(path, root=None, python=None, limits=QUICK), space)
        assert variable(evidence.first, "rate", 2) == 3
        assert evidence.first.output("stdout") == "3\n"


def test_a_failing_cell_is_named_with_the_order_to_try(tmp_path):
    path = notebook(tmp_path / "a.ipynb", ("y = 1\nx = f(1)", 2), ("def f(n):\n    return n", 1))
    failing = pytest.raises(InputError, match=r"a.ipynb, cell 1, line 2: .*NameError.*--order executed")
    with workspace() as space, failing:
        observe(setting(path, root=None, python=None, limits=QUICK), space)
    with workspace() as space:
        evidence = observe(setting(path, root=None, python=None, limits=QUICK, order="executed"), space)
        assert variable(evidence.first, "x", 7) == 1
        assert evidence.notes


BROKEN = [
    ("not json", "not a notebook", InputError),
    ("[]", "not a notebook", InputError),
    ('{"nbformat": 3, "worksheets": []}', "other than 4", InputError),
    ('{"nbformat": 4, "cells": []}', "no code", InputError),
    ('{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "notebook in R", Unsupported),
    ('{"nbformat": 4, "cells": [{"cell_type": "code", "source": "a = (1,"}]}', "cell 1, line 1: not valid", InputError),
    ('{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\n%cd x"}]}', "cell 1, line 2: .*%cd", Unsupported),
]


@pytest.mark.parametrize(("text", "message", "kind"), BROKEN)
def test_a_notebook_that_cannot_be_taken_is_refused(tmp_path, text, message, kind):
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(kind, match=message):
        read_code(tmp_path / "a.ipynb", "a.ipynb")


def test_an_unknown_order_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no order 'random'"):
        read_code(notebook(tmp_path / "a.ipynb", "x = 1"), "a.ipynb", "random")


READ = """\
rows = []
for line in open("in.csv"):
    name, count = line.rstrip("\\n").split(",")
    if count != "0":
        rows.append((name, int(count)))
"""
WRITE = """\
with open("out.txt", "w") as f:
    for name, count in rows:
        f.write("%s\\t%d\\n" % (name, count))
"""


def test_a_notebook_is_rewritten_and_verified_in_the_order_it_was_rewritten_in(tmp_path):
    path = notebook(tmp_path / "words.ipynb", (WRITE, 2), (READ, 1), ("!head out.txt\nlen(rows)", 3))
    (tmp_path / "in.csv").write_text("b,1\na,0\nb,12\n", encoding="utf-8")
    done = rewrite(path, engine="static", order="executed", limits=QUICK, directed=False)
    assert done.refusals == ()
    assert done.verdict.agreed, str(done.verdict)
    assert done.pipeline.origin.script == "words.ipynb"
    comments = " ".join(view.comment for view in done.pipeline.views)
    assert "cell 2, line" in comments or "cell 1, line" in comments
    assert "Notebook: the execution counts disagree" in done.report
    save(done, tmp_path / "pipeline")
    assert order_of(path, "words.ipynb", done.pipeline.origin.sha256) == "executed"
    assert verify(tmp_path / "pipeline", limits=QUICK, directed=False).verdict.agreed
