"""Made-up product reviews: four files, drawn from one seeded generator, with the traps of real ones.

``reviews.csv`` and ``products.csv`` repeat some of their keys, so that joins fan out; ``ratings.csv``
rates some reviews twice and others never; titles are missing; a review may name a product that is in
no file. Whether a review came from a third party decides nothing, but goes along with its rating, so
that a model treats the two groups differently.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

CATEGORIES = ("Books", "Games", "Garden", "Kitchen", "Music", "Tools")
DAYS = 4 * 365
FIRST_DAY = np.datetime64("2012-01-01")
_WORDS = np.array(
    ["good", "bad", "broken", "lovely", "cheap", "dear", "quick", "slow", "again", "never", "gift", "returned"]
)


def write(folder: Path, reviews: int, seed: int) -> None:
    """Write the four files of ``reviews`` reviews into ``folder``."""
    rng = np.random.default_rng(seed)
    products = max(4, reviews // 20)
    for name, columns in {
        "reviews": _reviews(rng, reviews, products),
        "ratings": _ratings(rng, reviews),
        "products": _products(rng, products),
        "categories": {"category_id": np.arange(len(CATEGORIES)), "category": np.array(CATEGORIES)},
    }.items():
        csv.write_csv(pa.table(columns), folder / f"{name}.csv", csv.WriteOptions(quoting_style="none"))


def _texts(rng: np.random.Generator, rows: int, words: int) -> np.ndarray:
    texts = rng.choice(_WORDS, rows)
    for _ in range(words - 1):
        texts = np.char.add(np.char.add(texts, " "), rng.choice(_WORDS, rows))
    return texts


def _reviews(rng: np.random.Generator, rows: int, products: int) -> dict[str, np.ndarray]:
    ids = np.arange(rows)
    again = rng.random(rows) < 0.02
    ids[again] = rng.integers(0, rows, again.sum())
    titles = _texts(rng, rows, 2)
    titles[rng.random(rows) < 0.1] = ""
    return {
        "review_id": ids,
        "product_id": rng.integers(0, products + products // 50, rows),
        "review_date": FIRST_DAY + rng.integers(0, DAYS, rows),
        "third_party": np.where(ids % 3 == 0, "Y", "N"),
        "title": titles,
        "text": _texts(rng, rows, 6),
    }


def _ratings(rng: np.random.Generator, reviews: int) -> dict[str, np.ndarray]:
    ids = np.concatenate([np.flatnonzero(rng.random(reviews) < 0.97), rng.integers(0, reviews, reviews // 50)])
    third = ids % 3 == 0
    stars = np.clip(np.round(rng.normal(np.where(third, 2.6, 3.6), 1.2)), 1, 5).astype(int)
    votes = rng.poisson(4, len(ids))
    helpful = rng.binomial(votes, np.clip(stars / 6 + rng.normal(0, 0.15, len(ids)), 0.02, 0.98))
    return {"review_id": ids, "stars": stars, "helpful_votes": helpful, "total_votes": votes}


def _products(rng: np.random.Generator, products: int) -> dict[str, np.ndarray]:
    ids = np.concatenate([np.arange(products), rng.integers(0, products, products // 25)])
    names = _texts(rng, len(ids), 1)
    names[rng.random(len(ids)) < 0.15] = ""
    return {"product_id": ids, "category_id": rng.integers(0, len(CATEGORIES), len(ids)), "product_title": names}


T1 = """
SELECT max(false_negative_rate) - min(false_negative_rate) AS difference
FROM lester.group_fairness('reviews', 'third_party', positive := '1')
"""
"""Equal opportunity between reviews of third parties and others, a column that the first view drops."""

T2 = """
SELECT 'ratings' AS source, * FROM lester.trained_on('ratings')
UNION ALL SELECT 'products', * FROM lester.trained_on('products')
"""
"""For each record of ratings and products, whether a model was trained on it."""


def prepared(folder: Path) -> pd.DataFrame:
    """The rows of the feature view by pandas, in its order, each with the line numbers it comes from."""
    reviews, ratings, products, categories = (
        pd.read_csv(folder / f"{name}.csv") for name in ("reviews", "ratings", "products", "categories")
    )
    for name, frame in {"reviews": reviews, "ratings": ratings, "products": products}.items():
        frame[f"{name}_line"] = range(1, len(frame) + 1)
    recent = reviews[reviews["review_date"] >= "2013-01-01"]
    rated = recent.merge(ratings, on="review_id")
    rows = rated.merge(products, on="product_id").merge(categories, on="category_id")
    rows = rows[rows["category"].isin(["Books", "Games", "Kitchen", "Tools"])]
    return rows.assign(
        label=(~(rows["helpful_votes"] > rows["total_votes"] / 2)).astype(int),
        train=rows["review_date"] < "2015-01-01",
    ).reset_index(drop=True)


def difference(rows: pd.DataFrame, predicted: np.ndarray) -> float:
    """T1 by pandas, from the predictions for the test rows in their order."""
    test = rows[~rows["train"]].assign(missed=predicted != 1)
    rates = test[test["label"] == 1].groupby("third_party")["missed"].mean()
    return float(rates.max() - rates.min())


def trained(rows: pd.DataFrame, name: str) -> set[int]:
    """T2 by pandas: the lines of a file that a model was trained on."""
    return set(rows.loc[rows["train"], f"{name}_line"])
