"""Words counted under their own names: scikit-learn's CountVectorizer and TfidfVectorizer.

A block holds for each text the ids of its terms with their counts, the state how many fit rows
hold each term. Which terms are columns, their order and their weight are decided on read, so that
a term that appears, vanishes or becomes more common rewrites no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from lester_duck.errors import InputError
from lester_duck.featurize.base import Input, Slot, choice
from lester_duck.featurize.words import WordOptions, ngrams, stop_list


@dataclass(frozen=True, slots=True, eq=False)
class TermState:
    """The terms of a text column: parallel arrays, and the number of fit rows.

    ``ids`` (int64) stand for the terms in the block; ``n`` (int64) counts the fit rows that hold a
    term, ``occurrences`` (int64) how often they do. A term with ``n`` 0 is in other rows only.
    """

    ids: np.ndarray
    terms: tuple[str, ...]
    n: np.ndarray
    occurrences: np.ndarray
    rows: int


@dataclass(frozen=True, eq=False)
class FittedTerms:
    """Term ids with counts (rows x ids) to matrix columns (rows x terms), sparse or dense."""

    column: str
    featurizer: str
    ids: np.ndarray
    terms: tuple[str, ...]
    idf: np.ndarray | None
    sublinear: bool
    norm: str | None
    is_sparse: bool

    @cached_property
    def _places(self) -> np.ndarray:
        places = np.full(int(self.ids.max(initial=-1)) + 1, -1, dtype=np.int64)
        known = self.ids >= 0
        places[self.ids[known]] = np.flatnonzero(known)
        return places

    def apply(self, counts: sparse.csr_matrix) -> sparse.csr_matrix | np.ndarray:
        """Weigh the counts of known terms; terms that are no column are left out."""
        inside = counts.indices < len(self._places)
        places = np.full(len(counts.indices), -1, dtype=np.int64)
        places[inside] = self._places[counts.indices[inside]]
        kept = places >= 0
        starts = np.concatenate([[0], np.cumsum(kept)])[counts.indptr]
        shape = (counts.shape[0], len(self.terms))
        own = sparse.csr_matrix((counts.data[kept].astype(float), places[kept], starts), shape=shape)
        own.sort_indices()
        if self.sublinear:
            own.data = np.log(own.data) + 1.0
        if self.idf is not None:
            own.data *= self.idf[own.indices]
        if self.norm is not None and own.shape[1]:
            own = normalize(own, norm=self.norm, copy=False)
        return own if self.is_sparse else own.toarray()

    def slots(self) -> tuple[Slot, ...]:
        """``text=word`` and so on, the term being the word."""
        return tuple(Slot(f"{self.featurizer}={term}", (self.column,), term) for term in self.terms)


@dataclass(frozen=True, kw_only=True)
class CountWords(WordOptions):
    """How often each term occurs, one column per term, as scikit-learn's CountVectorizer.

    Columns are the terms of the fit rows in the order of their code points, without those in fewer
    than ``min_df`` or more than ``max_df`` fit rows (a whole number counts rows, a fraction is a
    share), of these the ``max_features`` most frequent; or those of ``vocabulary``, in its order.
    ``binary`` counts every term once. The matrix is sparse unless ``sparse_output`` is false.
    State: rows per term, exact; a term that loses its last row disappears.
    """

    min_df: int | float = 1
    max_df: int | float = 1.0
    max_features: int | None = None
    vocabulary: tuple[str, ...] | None = None
    sparse_output: bool = True

    role: ClassVar[str] = "term_head"
    kind: ClassVar[str] = "count_words"

    def __post_init__(self) -> None:
        self.check(self.kind)
        for name, value in (("min_df", self.min_df), ("max_df", self.max_df)):
            usable = isinstance(value, int | float) and not isinstance(value, bool)
            if not usable or value < 0 or (isinstance(value, float) and value > 1):
                hint = "give a number of rows such as 2, or a share such as 0.5"
                raise InputError(f"{self.kind}: {name} is {value!r}", hint=hint)
        if self.max_features is not None and (not isinstance(self.max_features, int) or self.max_features < 1):
            raise InputError(f"{self.kind}: max_features is {self.max_features!r}", hint="give a positive whole number")
        if self.vocabulary is not None and len(set(self.vocabulary)) != len(self.vocabulary):
            raise InputError(f"{self.kind}: the vocabulary holds a term twice", hint="name each term once")

    @property
    def is_sparse(self) -> bool:
        """Whether the matrix of this featurizer is read sparse."""
        return self.sparse_output

    def count(self, texts: Sequence[str]) -> list[dict[str, int]]:
        """For each text its terms with their counts.

        >>> CountWords().count(["To be or not to be"])
        [{'to': 2, 'be': 2, 'or': 1, 'not': 1}]
        """
        analyze = self._vectorizer().build_analyzer()
        if self.binary:
            return [dict.fromkeys(analyze(text), 1) for text in texts]
        return [dict(Counter(analyze(text))) for text in texts]

    def _vectorizer(self) -> CountVectorizer:
        return CountVectorizer(**self.analysis(), ngram_range=ngrams(self.ngram_range), stop_words=stop_list(self))

    def fit(self, state: TermState, featurizer: str, column: Input) -> FittedTerms:
        """Choose, order and weigh the terms; raises InputError where none remains, as scikit-learn does."""
        chosen = self._of_vocabulary(state) if self.vocabulary is not None else self._learned(state)
        idf = self._idf(state, chosen)
        known = np.append(state.ids, -1)
        terms = self.vocabulary if self.vocabulary is not None else tuple(state.terms[i] for i in chosen)
        return FittedTerms(
            column.name, featurizer, known[chosen], terms, idf, self._sublinear(), self._norm(), self.sparse_output
        )

    def _of_vocabulary(self, state: TermState) -> np.ndarray:
        """The place in the state of each term of the vocabulary, -1 where no row holds it."""
        place = {term: i for i, term in enumerate(state.terms)}
        return np.array([place.get(term, -1) for term in self.vocabulary], dtype=np.int64)

    def _learned(self, state: TermState) -> np.ndarray:
        """The places in the state of the chosen terms, by the order of the terms."""
        seen = [i for i in range(len(state.terms)) if state.n[i] > 0]
        order = np.array(sorted(seen, key=state.terms.__getitem__), dtype=np.int64)
        if not state.rows:
            return order
        if not len(order):
            raise InputError(
                f"{self.kind}: the texts of the fit rows hold no term", hint="check token_pattern and stop_words"
            )
        high = self.max_df if isinstance(self.max_df, int) else self.max_df * state.rows
        low = self.min_df if isinstance(self.min_df, int) else self.min_df * state.rows
        if high < low:
            raise InputError(f"{self.kind}: max_df leaves fewer rows than min_df", hint="lower min_df or raise max_df")
        kept = order[(state.n[order] <= high) & (state.n[order] >= low)]
        if self.max_features is not None and len(kept) > self.max_features:
            # the same sort of the same numbers as scikit-learn's, for terms that are equally frequent
            most = (-state.occurrences[kept].astype(np.int64)).argsort()[: self.max_features]
            kept = kept[np.sort(most)]
        if not len(kept):
            raise InputError(f"{self.kind}: no term remains", hint="lower min_df or raise max_df")
        return kept

    def _idf(self, state: TermState, chosen: np.ndarray) -> np.ndarray | None:
        del state, chosen
        return None

    def _sublinear(self) -> bool:
        return False

    def _norm(self) -> str | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Tfidf(CountWords):
    """Terms weighed by how rare they are, as scikit-learn's TfidfVectorizer.

    ``count * (ln((1 + rows) / (1 + df)) + 1)`` with ``smooth_idf``, without it
    ``ln(rows / df) + 1``; ``sublinear_tf`` takes ``1 + ln(count)``; then each row is divided by its
    ``norm`` ("l2", "l1" or None). Everything else as count_words. Exact: document frequencies
    are kept, weights are made from them on read.
    """

    use_idf: bool = True
    smooth_idf: bool = True
    sublinear_tf: bool = False
    norm: str | None = "l2"

    kind: ClassVar[str] = "tfidf"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.kind, "norm", self.norm, (None, "l1", "l2"))

    def _idf(self, state: TermState, chosen: np.ndarray) -> np.ndarray | None:
        if not self.use_idf:
            return None
        smooth = int(self.smooth_idf)
        frequency = np.append(state.n, 0)[chosen].astype(float) + smooth
        with np.errstate(divide="ignore"):
            return np.log((state.rows + smooth) / frequency) + 1.0

    def _sublinear(self) -> bool:
        return self.sublinear_tf

    def _norm(self) -> str | None:
        return self.norm
