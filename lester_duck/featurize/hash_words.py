"""Words hashed into a fixed number of buckets, on distinct texts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from lester_duck.errors import InputError
from lester_duck.featurize.base import Input, Slot, choice
from lester_duck.featurize.words import TOKEN_PATTERN, WordOptions, ngrams, stop_list

DENSE_LIMIT = 4096


@dataclass(frozen=True, kw_only=True)
class HashWords(WordOptions):
    """Counts of hashed words of one text column. Stateless, exact.

    ``hash="crc32"``: bucket ``zlib.crc32(word in UTF-8) % n_features``, counted with sign +1.
    ``hash="murmur3"``: scikit-learn's HashingVectorizer (signed 32-bit MurmurHash3, seed 0,
    ``abs(h) % n_features``), with its ``alternate_sign``, ``norm`` and options of words. Unless
    given, options are those of hand-written code for crc32 (``str.split()``, no lower case, no norm)
    and scikit-learn's defaults for murmur3; ``tokenizer="sklearn"`` asks for its token pattern. Up to
    4,096 buckets are stored dense, more as sparse lists.
    """

    n_features: int
    hash: str = "crc32"
    lowercase: bool | None = None
    alternate_sign: bool | None = None
    norm: str | None = "default"
    dtype: str = "float64"

    role: ClassVar[str] = "text_head"

    def __post_init__(self) -> None:
        self.check("hash_words")
        choice("hash_words", "hash", self.hash, ("crc32", "murmur3"))
        choice("hash_words", "norm", self.norm, ("default", None, "l1", "l2"))
        choice("hash_words", "dtype", self.dtype, ("float64", "float32"))
        if not isinstance(self.n_features, int) or self.n_features < 1:
            raise InputError(f"hash_words: n_features is {self.n_features!r}", hint="give a positive whole number")
        if self.hash == "crc32" and self.alternate_sign:
            raise InputError('hash_words: alternate_sign belongs to hash = "murmur3"', hint="leave it out")

    @property
    def width(self) -> int:
        """Columns of the block."""
        return self.n_features

    @property
    def is_sparse(self) -> bool:
        """Whether the block stores index and value lists."""
        return self.n_features > DENSE_LIMIT

    def compute(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Texts to a matrix texts x n_features, float64.

        >>> HashWords(n_features=4).compute(["a b a"]).toarray().tolist()
        [[0.0, 1.0, 0.0, 2.0]]
        """
        vectorizer = self._vectorizer()
        if not len(texts):  # scikit-learn's hasher ends with StopIteration on none
            return sparse.csr_matrix((0, self.n_features), dtype=vectorizer.dtype)
        if self.hash == "murmur3":
            return vectorizer.transform(texts).tocsr()
        return self._crc32(texts, vectorizer)

    def _vectorizer(self) -> HashingVectorizer:
        crc32 = self.hash == "crc32"
        by_hand = crc32 and self.tokenizer is None and self.token_pattern == TOKEN_PATTERN and self.analyzer == "word"
        words = self.analysis() | {"lowercase": not crc32 if self.lowercase is None else self.lowercase}
        return HashingVectorizer(
            n_features=self.n_features,
            ngram_range=ngrams(self.ngram_range),
            stop_words=stop_list(self),
            alternate_sign=True if self.alternate_sign is None else self.alternate_sign,
            norm=(None if crc32 else "l2") if self.norm == "default" else self.norm,
            binary=self.binary,
            dtype=np.float32 if self.dtype == "float32" else np.float64,
            **words | ({"tokenizer": str.split, "token_pattern": None} if by_hand else {}),
        )

    def _crc32(self, texts: Sequence[str], vectorizer: HashingVectorizer) -> sparse.csr_matrix:
        analyze = vectorizer.build_analyzer()
        buckets: dict[str, int] = {}
        indices: list[int] = []
        starts = [0]
        for text in texts:
            for word in analyze(text):
                bucket = buckets.get(word)
                if bucket is None:
                    bucket = buckets[word] = zlib.crc32(word.encode("utf-8")) % self.n_features
                indices.append(bucket)
            starts.append(len(indices))
        shape = (len(texts), self.n_features)
        counts = sparse.csr_matrix((np.ones(len(indices)), indices, starts), shape=shape)
        counts.sum_duplicates()
        if self.binary:
            counts.data[:] = 1.0
        return _normalized(counts, vectorizer.norm)

    def slots(self, featurizer: str, columns: Sequence[Input]) -> tuple[Slot, ...]:
        """``title[0]`` to ``title[n - 1]``."""
        inputs = tuple(column.name for column in columns)
        return tuple(Slot(f"{featurizer}[{i}]", inputs, i) for i in range(self.n_features))


def _normalized(matrix: sparse.csr_matrix, norm: str | None) -> sparse.csr_matrix:
    if norm is None:
        return matrix
    power = abs(matrix) if norm == "l1" else matrix.multiply(matrix)
    size = np.asarray(power.sum(axis=1)).ravel()
    size = size if norm == "l1" else np.sqrt(size)
    return (sparse.diags(1.0 / np.where(size == 0, 1.0, size)) @ matrix).tocsr()
