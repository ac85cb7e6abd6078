"""scikit-learn's transformers, pipelines of them, and train_test_split, as declared encodings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lester_duck.lift import concrete, models, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_shape as shape_rules
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Block, Frame, Rows, Series, options
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Estimator, FromModel, Poison, Refused, Sym, Value
from lester_duck.pipeline import model as ir

_TEXT = ("TfidfVectorizer", "CountVectorizer", "HashingVectorizer")


@dataclass(frozen=True, eq=False)
class Encoder(Library):
    """A transformer with its parameters; ``fitted`` are the rows it was fitted on."""

    name: str
    params: tuple[tuple[str, Value], ...]
    fitted: Rows | None = None
    what = "transformer"

    def get(self, name: str, default: Value = None) -> Value:
        """A parameter."""
        return dict(self.params).get(name, default)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``fit``, ``transform``, ``fit_transform``; of a pipeline with a model at its end, ``fit``."""
        if m.fit is not None and name not in ("fit", "transform", "fit_transform"):
            raise FromModel(f"{self.name}.{name}() after the model was fitted")
        if name not in ("fit", "transform", "fit_transform"):
            if name == "get_feature_names_out":
                return Poison("names of encoded columns", m.line)
            raise Refused(f"{self.name}.{name}()")
        given = [*args, *(kwargs[k] for k in ("X", "y", "raw_documents") if k in kwargs)]
        return _run(m, ref, self, name, given)


def _run(m: Machine, ref: Value, encoder: Encoder, name: str, given: list[Value]) -> Value:
    final = _final(m, encoder)
    if final is not None:
        if name != "fit" or m.fit is not None:
            raise FromModel("what a fitted model says")
        data = as_frame(m, given[0])
        made = encode(m, encoder, data, data.rows_)
        target = m.content(given[1]) if len(given) > 1 else None
        m.fit = models.Fitted(final, made, target, m.line)
        return ref
    if encoder.name == "LabelEncoder":
        return _labels(m, ref, encoder, name, given[0])
    data = as_frame(m, given[0])
    stateless = encoder.name == "HashingVectorizer"
    fitted = data.rows_ if name != "transform" or stateless else encoder.fitted
    if fitted is None:
        raise Refused(f"the script would fail here: {encoder.name} is not fitted")
    if name != "transform" and isinstance(ref, v.Ref):
        m.update(ref, replace(encoder, fitted=fitted))
    if name == "fit":
        return ref
    return m.new(encode(m, encoder, data, fitted))


def _final(m: Machine, encoder: Encoder) -> Estimator | None:
    if encoder.name not in ("Pipeline", "make_pipeline"):
        return None
    last = m.content(steps_of(m, encoder)[-1][1])
    return last if isinstance(last, Estimator) else _final(m, last) if isinstance(last, Encoder) else None


def as_frame(m: Machine, value: Value) -> Frame:
    """What a transformer gets, as a frame."""
    held = m.content(value)
    if isinstance(held, Frame):
        return held
    if isinstance(held, Series):
        return Frame(held.rows_, ((held.sym.name or "value", held.sym),))
    if isinstance(held, v.Matrix | v.Vector | v.ListOf):
        return shape_rules.as_frame(m, held)
    raise Refused(f"a transformer fitted on a {scalars.kind_name(held)}", "a DataFrame")


def steps_of(m: Machine, encoder: Encoder) -> list[tuple[str, Value]]:
    """The named steps of a pipeline or union."""
    if encoder.name in ("make_pipeline", "make_union"):
        return [(f"step_{i + 1}", x) for i, x in enumerate(encoder.get("steps"))]
    listed = m.content(encoder.get("steps", encoder.get("transformer_list")))
    return [m.content(x) for x in listed.items]


def encode(m: Machine, encoder: Encoder, frame: Frame, fitted: Rows) -> Frame:
    """The columns that a transformer makes of a frame's."""
    if encoder.name in ("Pipeline", "make_pipeline"):
        for _, step in steps_of(m, encoder):
            held = m.content(step)
            if isinstance(held, Encoder):
                frame = encode(m, held, frame, fitted)
            elif not isinstance(held, Estimator) and held != "passthrough":
                raise Refused("a pipeline with this step")
        return frame
    if encoder.name in ("FeatureUnion", "make_union"):
        parts = [encode(m, m.content(step), frame, fitted) for _, step in steps_of(m, encoder)]
        return Frame(parts[0].rows_, tuple(c for p in parts for c in p.columns))
    if encoder.name in ("ColumnTransformer", "make_column_transformer"):
        return _by_column(m, encoder, frame, fitted)
    if encoder.name == "FunctionTransformer":
        return _by_function(m, encoder, frame)
    steps = declared(m, encoder)
    if any(s.get("add_indicator") for s in steps):
        return _indicated(frame, steps, fitted)
    if any(isinstance(x, Block) and x.prefix is not None and not _same(x.fit, fitted) for _, x in frame.columns):
        frame = frames.FRAME_RULES["expanded"](m, frame)
    made = []
    for name, value in frame.columns:
        block = value if isinstance(value, Block) else Block((value,), (), fitted)
        if block.steps and block.fit is not fitted and not _same(block.fit, fitted):
            raise Refused("two encodings of one column fitted on different rows")
        made.append((name, replace(block, steps=(*block.steps, *steps), fit=fitted)))
    return replace(frame, columns=tuple(made))


def _indicated(frame: Frame, steps: tuple[ir.Step, ...], fitted: Rows) -> Frame:
    """An imputation with indicators stays one block: they stand behind all of its columns."""
    blocks = [x if isinstance(x, Block) else Block((x,), (), fitted) for _, x in frame.columns]
    if any(b.steps != blocks[0].steps for b in blocks):
        raise Refused("add_indicator after different transformers of the columns", "one ColumnTransformer entry each")
    inputs = tuple(s for b in blocks for s in b.inputs)
    together = replace(blocks[0], inputs=inputs, steps=(*blocks[0].steps, *steps), fit=fitted)
    return replace(frame, columns=((frame.names[0], together),))


def _same(a: Rows | None, b: Rows) -> bool:
    return a is not None and a.rel is b.rel and a.part == b.part and [sqlx.text(c) for c in a.where] == [
        sqlx.text(c) for c in b.where
    ]  # fmt: skip


def _by_column(m: Machine, encoder: Encoder, frame: Frame, fitted: Rows) -> Frame:
    listed = encoder.get("transformers")
    entries = [m.content(x) for x in (listed if isinstance(listed, tuple) else m.content(listed).items)]
    made: list[tuple[str, Value]] = []
    used: list[str] = []
    for entry in entries:
        label, step, columns = entry if len(entry) == 3 else ("", *entry)
        wanted = frames.constant(m, columns)
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        if any(type(n) is int for n in names) and not all(n in frame.names for n in names):
            names = [frame.names[n] for n in names]
        used += names
        known = dict(frame.columns)
        missing = [n for n in names if n not in known]
        if missing:
            raise Refused(f"the script would fail here: no column {missing[0]!r}")
        part = replace(frame, columns=tuple((n, known[n]) for n in names))
        held = m.content(step)
        if isinstance(held, Encoder):
            part = encode(m, held, part, fitted)
            part = replace(
                part,
                columns=tuple(
                    (n, replace(x, label=x.label or label) if isinstance(x, Block) else x) for n, x in part.columns
                ),
            )
        elif held == "drop":
            continue
        elif held != "passthrough":
            raise Refused("a ColumnTransformer with this step")
        made += part.columns
    if encoder.get("remainder", "drop") == "passthrough":
        made += [(n, x) for n, x in frame.columns if n not in used]
    return replace(frame, columns=tuple(made))


def _by_function(m: Machine, encoder: Encoder, frame: Frame) -> Frame:
    function = encoder.get("func")
    if set(dict(encoder.params)) - {"func", "validate", "feature_names_out"}:
        raise Refused("FunctionTransformer with these parameters")
    if function is None:
        return frame
    if any(isinstance(x, Block) and x.steps for _, x in frame.columns):
        return _by_element(frame, function)
    made = []
    for name, sym in zip(frame.names, frames.syms(frame, frame.names), strict=True):
        from lester_duck.lift import calls

        series = m.content(calls.call(m, function, [Series(frame.rows_, sym)], {}))
        if not isinstance(series, Series):
            raise Refused("FunctionTransformer with a function of the whole matrix")
        made.append((name, series.sym))
    return replace(frame, columns=tuple(made))


def _by_element(frame: Frame, function: Value) -> Frame:
    """NumPy's function of each number, after other transformers."""
    name = function.name.rsplit(".", 1)[-1] if isinstance(function, v.Lib) else None
    if name not in _ELEMENTWISE or not all(isinstance(x, Block) for _, x in frame.columns):
        raise Refused("FunctionTransformer with this function after another transformer", "np.log1p, np.sqrt, np.exp")
    step = ir.Step(kind="elementwise", params=(("function", _ELEMENTWISE[name]),))
    return replace(frame, columns=tuple((n, replace(x, steps=(*x.steps, step))) for n, x in frame.columns))


_ELEMENTWISE = {n: n for n in ("log1p", "log", "log2", "log10", "exp", "expm1", "sqrt", "cbrt", "square", "abs", "sin",
                               "cos", "tan", "tanh", "sign", "reciprocal")} | {"absolute": "abs"}  # fmt: skip


# -- one transformer as a step ------------------------------------------------------------------------------


def declared(m: Machine, encoder: Encoder) -> tuple[ir.Step, ...]:
    """A transformer as declared steps; raises Refused where there is no such kind."""
    rule = STEPS.get(encoder.name)
    if rule is None:
        raise Refused(f"the transformer {encoder.name}", "StandardScaler, OneHotEncoder, SimpleImputer ...")
    params = {k: concrete.plain_value(m, x) if not isinstance(x, v.Lib) else x for k, x in encoder.params}
    kind, renamed, ignored, fixed = rule
    said: dict[str, ir.Value] = dict(fixed)
    for name, value in params.items():
        if name in ignored:
            continue
        if name not in renamed:
            raise Refused(f"{encoder.name} with {name}=")
        target = renamed[name]
        said[target] = _plain(_translated(encoder.name, name, value))
    if encoder.name == "OrdinalEncoder" and params.get("handle_unknown") == "error":
        said.pop("unknown", None)
    return (ir.Step(kind=kind, params=tuple(said.items())),)


def _translated(encoder: str, name: str, value: Value) -> Value:
    if name == "encode":
        return {"onehot-dense": "onehot"}.get(value, value)
    if name == "categories" and value == "auto":
        return "sorted"
    if name == "tokenizer" and value == v.Lib("builtins.str.split"):
        return "split"
    if name == "drop" and isinstance(value, list):
        raise Refused("OneHotEncoder that drops named categories")
    if isinstance(value, v.Lib):
        raise Refused(f"{encoder} with a function as {name}")
    return value


def _plain(value: Value) -> ir.Value:
    if isinstance(value, list | tuple):
        return tuple(_plain(x) for x in value)
    if isinstance(value, set):
        return tuple(sorted(value))
    if value is None or isinstance(value, str | int | float | bool):
        if isinstance(value, float) and value != value:
            raise Refused("NaN as a parameter")
        return value
    raise Refused(f"a parameter that is a {type(value).__name__}")


def _same_names(*names: str) -> dict[str, str]:
    return {n: n for n in names}


_WORDS = _same_names("lowercase", "token_pattern", "ngram_range", "stop_words", "strip_accents", "analyzer", "binary",
                     "tokenizer")  # fmt: skip
_TERMS = _WORDS | _same_names("min_df", "max_df", "max_features", "vocabulary")
STEPS: dict[str, tuple[str, dict[str, str], tuple[str, ...], dict[str, ir.Value]]] = {
    "StandardScaler": ("standard_scale", _same_names("with_mean", "with_std"), ("copy",), {}),
    "MinMaxScaler": ("min_max", _same_names("feature_range", "clip"), ("copy",), {}),
    "MaxAbsScaler": ("max_abs", {}, ("copy",), {}),
    "RobustScaler": ("robust_scale", _same_names("with_centering", "with_scaling", "quantile_range", "unit_variance"),
                     ("copy",), {}),
    "SimpleImputer": ("impute", _same_names("strategy", "fill_value", "add_indicator"), ("copy", "missing_values"), {}),
    "OneHotEncoder": ("one_hot", _same_names("categories", "handle_unknown", "drop", "min_frequency", "max_categories"),
                      ("sparse_output", "sparse", "dtype"), {}),
    "OrdinalEncoder": ("ordinal", {"categories": "categories", "unknown_value": "unknown"},
                       ("handle_unknown", "dtype"), {}),
    "KBinsDiscretizer": ("bins", _same_names("n_bins", "encode", "strategy", "quantile_method"),
                         ("subsample", "random_state", "dtype"), {"encode": "onehot"}),
    "TfidfVectorizer": ("tfidf", _TERMS | _same_names("use_idf", "smooth_idf", "sublinear_tf", "norm"), ("dtype",), {}),
    "CountVectorizer": ("count_words", _TERMS, ("dtype",), {}),
    "HashingVectorizer": ("hash_words", _WORDS | _same_names("n_features", "alternate_sign", "norm"), ("dtype",),
                          {"n_features": 1048576, "hash": "murmur3"}),
}  # fmt: skip
_POSITIONAL = {
    "Pipeline": ("steps",), "FeatureUnion": ("transformer_list",), "ColumnTransformer": ("transformers",),
    "FunctionTransformer": ("func",), "KBinsDiscretizer": ("n_bins",),
}  # fmt: skip
_QUIET = ("memory", "verbose", "n_jobs", "verbose_feature_names_out", "sparse_threshold", "force_int_remainder_cols")


def _constructor(name: str) -> frames.SeriesRule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        names = _POSITIONAL.get(name, ())
        if len(args) > len(names):
            raise Refused(f"{name}() with positional parameters", "name the parameters")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        return m.new(Encoder(name, tuple((k, x) for k, x in given.items() if k not in _QUIET)))

    return rule


def _made(name: str, parameter: str) -> frames.SeriesRule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        rest = tuple((k, x) for k, x in kwargs.items() if k not in _QUIET)
        return m.new(Encoder(name, ((parameter, tuple(args)), *rest)))

    return rule


# -- labels -------------------------------------------------------------------------------------------------


def _labels(m: Machine, ref: Value, encoder: Encoder, name: str, given: Value) -> Value:
    """``LabelEncoder``: places of the sorted values of all rows it was fitted on."""
    held = m.content(given)
    if isinstance(held, v.ListOf | v.Vector):
        frame = shape_rules.as_frame(m, held)
        held = Series(frame.rows_, frame.columns[0][1])
    if not isinstance(held, Series) or held.rows_.part is not None:
        raise Refused("LabelEncoder fitted on this", "a column, before the split")
    if held.sym.null:
        frames.owe(m, held.rows_, sql("_1 IS NULL", held.sym.sql), "a missing value given to LabelEncoder")
    if name == "fit":
        m.update(ref, replace(encoder, fitted=held.rows_))
        return ref
    closed = frames.close_series(m, held)
    if name == "transform" and (encoder.fitted is None or encoder.fitted.labels != closed.rows_.labels):
        raise Refused("LabelEncoder applied to other rows than it was fitted on", "fit_transform")
    from lester_duck.lift.pandas_windows import window

    tree = sql("_1 - 1", window(sql("dense_rank()"), [], [closed.sym.sql]))
    return Series(closed.rows_, Sym(tree, "int", name=closed.sym.name))


def label_binarize(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``label_binarize(y, classes=[a, b])`` with two classes: 1 for the second."""
    chosen = options(kwargs, args, ("y", "classes"), "label_binarize", neg_label=0, pos_label=1, sparse_output=False)
    frames.only(chosen, "label_binarize", neg_label=(0,), pos_label=(1,), sparse_output=(False,))
    classes = frames.constant(m, chosen["classes"]) if "classes" in chosen else None
    held = m.content(chosen["y"])
    if not isinstance(held, Series) or not classes or len(classes) != 2:
        raise Refused("label_binarize of this", "two classes")
    tree = sqlx.case(sql("_1 = _2", held.sym.sql, sqlx.literal(classes[1])), sqlx.literal(1), sqlx.literal(0))
    return Series(held.rows_, Sym(tree, "int", name=held.sym.name))


def column_of(frame: Frame) -> Series:
    return Series(frame.rows_, frames.syms(frame, frame.names)[0])


def data_of(m: Machine, held: Value) -> Frame | Series:
    if isinstance(held, v.Vector) or (isinstance(held, v.ListOf) and isinstance(held.element, Sym)):
        return column_of(shape_rules.as_frame(m, held))
    return as_frame(m, held)


RULES: dict[str, frames.SeriesRule] = {
    "sklearn.preprocessing.label_binarize": label_binarize,
    "sklearn.pipeline.make_pipeline": _made("make_pipeline", "steps"),
    "sklearn.pipeline.make_union": _made("make_union", "steps"),
    "sklearn.compose.make_column_transformer": _made("make_column_transformer", "transformers"),
}
_MODULES = {
    "preprocessing": ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "OneHotEncoder",
                      "OrdinalEncoder", "KBinsDiscretizer", "FunctionTransformer", "LabelEncoder"),
    "impute": ("SimpleImputer",), "feature_extraction.text": _TEXT, "pipeline": ("Pipeline", "FeatureUnion"),
    "compose": ("ColumnTransformer",),
}  # fmt: skip
RULES |= {f"sklearn.{module}.{name}": _constructor(name) for module, names in _MODULES.items() for name in names}
