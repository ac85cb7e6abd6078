"""Hostile answers: each a right pipeline with one part replaced by what a text file says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

from lester_duck.pipeline.model import (
    Check,
    Checkpoint,
    Column,
    Features,
    Featurizer,
    Function,
    Label,
    Model,
    Origin,
    Output,
    Pipeline,
    Source,
    Split,
    Step,
    View,
)

FOLDER = Path(__file__).with_name("hostile")
SEEN = SimpleNamespace(reads=("rows.csv",), writes=("out.csv",), rereads=())
"""What the original was seen to use."""
RIGHT = Pipeline(
    name="right",
    sources=(Source(name="rows", format="csv", path="rows.csv", columns=(Column(name="a"), Column(name="b"))),),
    views=(View(name="result", sql="SELECT r.a, f(r.b) AS b, length(r.a) AS n FROM rows AS r", comment="all rows"),),
    functions=(Function(name="f", arguments=(Column(name="x"),), returns="VARCHAR"),),
    code="import re\n\n\ndef f(x):\n    return re.sub('[0-9]+', '', x)\n",
    features=Features(
        view="result", featurizers=(Featurizer(name="n", columns=("n",), steps=(Step(kind="standard_scale"),)),)
    ),
    label=Label(column="a"),
    split=Split(kind="predicate", params=(("train", "n > 1"),)),
    model=Model(estimator="sklearn.linear_model.LogisticRegression"),
    checks=(Check(name="named", sql="SELECT a FROM rows WHERE a = ''"),),
    origin=Origin(
        script="script.py",
        sha256="",
        engine="llm",
        outputs=(Output(path="out.csv", view="result", columns=("a", "b")),),
        checkpoints=(Checkpoint(variable="rows", line=3, view="result", columns=(("item.a", "a"),)),),
    ),
)


@dataclass(frozen=True)
class Case:
    """A hostile text, the part of the pipeline it is put in, and what the reason for its refusal must say."""

    name: str
    part: str
    what: str
    reason: str
    text: str


def cases() -> list[Case]:
    """All hostile answers, by name."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        head, text = path.read_text(encoding="utf-8").split("====\n", 1)
        found.append(Case(name=path.stem, text=text.removesuffix("\n"), **tomllib.loads(head)))
    return found


def filled(text: str, canary: Path, out: Path, port: int) -> str:
    """The text with its places: a file to read, one to write, a port that listens."""
    deep = "(a || " * 200 + "a" + ")" * 200
    marks = {
        "CANARY": str(canary), "OUT": str(out), "PORT": str(port), "ESCAPE": "\x1b", "LONG": "x" * 40_000, "DEEP": deep,
    }  # fmt: skip
    return re.sub(rf"\b({'|'.join(marks)})\b", lambda found: marks[found[1]], text)


def pipeline(part: str, text: str) -> Pipeline:
    """The right pipeline with one part replaced."""
    return _PARTS[part](text)


def _source(**changes: str) -> Pipeline:
    return replace(RIGHT, sources=(replace(RIGHT.sources[0], **changes),))


def _origin(output: str = "out.csv", variable: str = "rows") -> Pipeline:
    outputs = (replace(RIGHT.origin.outputs[0], path=output),)
    checkpoints = (replace(RIGHT.origin.checkpoints[0], variable=variable),)
    return replace(RIGHT, origin=replace(RIGHT.origin, outputs=outputs, checkpoints=checkpoints))


_PARTS: dict[str, Callable[[str], Pipeline]] = {
    "view": lambda text: replace(RIGHT, views=(View(name="result", sql=text),)),
    "view.name": lambda text: replace(RIGHT, views=(*RIGHT.views, View(name=text, sql="SELECT a FROM rows"))),
    "check": lambda text: replace(RIGHT, checks=(Check(name="named", sql=text),)),
    "code": lambda text: replace(RIGHT, code=text + "\n"),
    "source.path": lambda text: _source(path=text),
    "source.type": lambda text: _source(columns=(Column(name="a", type=text),)),
    "source.encoding": lambda text: _source(encoding=text),
    "source.delimiter": lambda text: _source(delimiter=text.replace("\\n", "\n")),
    "output.path": lambda text: _origin(output=text),
    "checkpoint.variable": lambda text: _origin(variable=text),
    "model.estimator": lambda text: replace(RIGHT, model=Model(estimator=text)),
    "split.train": lambda text: replace(RIGHT, split=Split(kind="predicate", params=(("train", text),))),
    "step.kind": lambda text: replace(
        RIGHT,
        features=Features(view="result", featurizers=(Featurizer(name="n", columns=("n",), steps=(Step(kind=text),)),)),
    ),
    "function.name": lambda text: replace(RIGHT, functions=(replace(RIGHT.functions[0], name=text),)),
}
