"""What models are fitted on: matrices and labels of small programs against those of their pipelines."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

START = """
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer, KBinsDiscretizer, LabelEncoder, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler,
)

df = pd.read_csv("people.csv")
model = LogisticRegression(max_iter=50)
"""
PROGRAMS = {
    "columns": """
        df["bmi"] = df["weight"] / (df["height"] / 100) ** 2
        X = df[["age", "height", "bmi"]].fillna(0)
        y = (df["sick"] == "yes").astype(int)
        model.fit(X, y)
        expected, target = X, y
    """,
    "dummies": """
        X = pd.get_dummies(df[["height", "town", "sex"]], columns=["town", "sex"], drop_first=True, dtype=int)
        y = df["sick"].map({"yes": 1, "no": 0})
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1)
        model.fit(X_train, y_train)
        expected, target = X_train, y_train
    """,
    "transformer": """
        y = df["sick"] == "yes"
        train, test, y_train, y_test = train_test_split(df, y, test_size=0.25, random_state=3, stratify=y)
        prep = ColumnTransformer([
            ("num", Pipeline([("imp", SimpleImputer(strategy="mean")), ("sc", StandardScaler())]), ["age", "weight"]),
            ("cat", OneHotEncoder(handle_unknown="ignore"), ["town"]),
            ("ord", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["sex"]),
        ], remainder="drop")
        X_train = prep.fit_transform(train)
        model.fit(X_train, y_train.astype(int))
        expected, target = X_train, y_train
    """,
    "pipeline": """
        X, y = df[["age", "height", "town"]], LabelEncoder().fit_transform(df["sick"])
        prep = ColumnTransformer(transformers=[
            ("a", make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler()), ["age", "height"]),
            ("t", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["town"]),
        ])
        pipe = Pipeline([("prep", prep), ("lr", model)])
        pipe.fit(X, y)
        expected, target = prep.fit_transform(X), y
    """,
    "by_position": """
        n = int(len(df) * 0.8)
        X, y = df[["height", "weight"]], df["sick"].eq("yes").astype(int)
        scaler = StandardScaler()
        X_train = scaler.fit_transform(X[:n])
        model.fit(X_train, y[:n])
        expected, target = X_train, y[:n]
    """,
    "by_mask": """
        df["year"] = pd.to_datetime(df["seen"]).dt.year
        train = df[df["year"] < 2022]
        test = df[df["year"] >= 2022]
        scaler = StandardScaler().fit(train[["height"]])
        X_train, X_test = scaler.transform(train[["height"]]), scaler.transform(test[["height"]])
        y_train = (train["sick"] == "yes").astype(int)
        model.fit(X_train, y_train)
        expected, target = X_train, y_train
    """,
    "by_hand": """
        for c in ["height", "weight"]:
            df[c + "_z"] = (df[c] - df[c].mean()) / df[c].std()
        df["age"] = df["age"].fillna(df["age"].median())
        X = df[["height_z", "weight_z", "age"]].to_numpy()
        y = (df["sick"] == "yes").astype(int).values
        idx = np.arange(len(df))
        tr = idx % 4 != 0
        model.fit(X[tr], y[tr])
        expected, target = X[tr], y[tr]
        rest = X[~tr]
    """,
    "bins": """
        kb = KBinsDiscretizer(n_bins=3, encode="onehot-dense", strategy="quantile", quantile_method="linear")
        bins = kb.fit_transform(df[["height"]])
        X = np.hstack([bins, df[["weight"]].to_numpy()])
        y = (df["sick"] == "yes").astype(int)
        model.fit(X, y)
        expected, target = X, y
    """,
    "texts": """
        df["note"] = df["note"].fillna("")
        y = (df["sick"] == "yes").astype(int)
        train, test, y_train, y_test = train_test_split(df, y, test_size=0.25, random_state=0)
        prep = ColumnTransformer([
            ("words", TfidfVectorizer(ngram_range=(1, 2), min_df=2), "note"),
            ("town", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ])
        X_train = prep.fit_transform(train)
        model.fit(X_train, y_train)
        expected, target = X_train, y_train
    """,
    "counts": """
        vec = CountVectorizer(max_features=5)
        X = vec.fit_transform(df["note"].fillna("none"))
        y = (df["sick"] == "yes").astype(int)
        model.fit(X, y)
        expected, target = X, y
    """,
    "function": """
        prep = make_pipeline(FunctionTransformer(np.log1p), StandardScaler())
        X = prep.fit_transform(df[["height", "weight"]])
        y = (df["sick"] == "yes").astype(int)
        model.fit(X, y)
        expected, target = X, y
    """,
    "assigned": """
        X = df[["height", "weight"]].copy()
        X[["height", "weight"]] = StandardScaler().fit_transform(X[["height", "weight"]])
        X["tall"] = (df["height"] > 175).astype(int)
        y = (df["sick"] == "yes").astype(int)
        model.fit(X, y)
        expected, target = X, y
    """,
    "joined": """
        towns = pd.read_csv("towns.csv")
        df = df.merge(towns, on="town", how="left")
        df["people"] = df["people"].fillna(df["people"].mean())
        per = df.groupby("town")["height"].mean()
        df["mean_height"] = df["town"].map(per).fillna(0)
        df["above"] = df["height"] - df.groupby("sex")["height"].transform("mean")
        X, y = df[["people", "mean_height", "above"]], (df["sick"] == "yes").astype(int)
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=5)
        model.fit(X_train, y_train)
        expected, target = X_train, y_train
    """,
}


def people() -> str:
    """A table with blanks, repeated towns and a few texts."""
    draw = random.Random(4)
    lines = ["age,height,weight,town,sex,seen,note,sick"]
    for i in range(60):
        age = "" if draw.random() < 0.1 else str(draw.randint(18, 80))
        town = draw.choice(["Ulm", "Bonn", "Jena", ""])
        seen = f"20{draw.randint(20, 23)}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}"
        note = draw.choice(["", "fever and cough", "cough", "no fever", "old cough again"])
        sick = "yes" if (i * 7) % 3 == 0 else "no"
        height, weight = 150 + draw.randint(0, 50), 50 + draw.random() * 50
        lines.append(f"{age},{height},{weight:.1f},{town},{draw.choice('fm')},{seen},{note},{sick}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_matrix(name: str, both: Callable) -> None:
    """The model gets the same rows from the pipeline."""
    program = START + "\n".join(line[8:] for line in PROGRAMS[name].splitlines()) + "\n"
    ran = both(program, {"people.csv": people(), "towns.csv": "town,people\nUlm,120\nBonn,330\n"})
    assert not ran.lifted.refusals, [str(r) for r in ran.lifted.refusals]
    expected = ran.names["expected"]
    expected = expected.toarray() if sparse.issparse(expected) else np.asarray(expected, dtype=float)
    assert ran.matrix is not None
    np.testing.assert_allclose(ran.matrix, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.asarray(ran.labels, dtype=float), np.asarray(ran.names["target"], dtype=float))
