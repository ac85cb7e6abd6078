"""How a text is divided into terms: the options that every encoding of words shares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lester_duck.errors import InputError
from lester_duck.featurize.base import choice

TOKEN_PATTERN = r"(?u)\b\w\w+\b"
"""scikit-learn's words: two or more word characters."""


@dataclass(frozen=True, kw_only=True)
class WordOptions:
    """Options of scikit-learn's text vectorizers, by their names there.

    ``tokenizer``: None (``token_pattern`` decides) or "split" (``str.split()``). ``analyzer``:
    "word", "char" or "char_wb". ``stop_words``: None, "english" or a list of words.
    """

    lowercase: bool = True
    token_pattern: str = TOKEN_PATTERN
    tokenizer: str | None = None
    ngram_range: tuple[int, int] = (1, 1)
    stop_words: str | tuple[str, ...] | None = None
    strip_accents: str | None = None
    analyzer: str = "word"
    binary: bool = False

    def check(self, kind: str) -> None:
        """Raise InputError for an option that scikit-learn would not take."""
        choice(kind, "tokenizer", self.tokenizer, (None, "split", "sklearn"))
        choice(kind, "analyzer", self.analyzer, ("word", "char", "char_wb"))
        choice(kind, "strip_accents", self.strip_accents, (None, "ascii", "unicode"))
        check_words(kind, self.token_pattern, self.ngram_range, self.stop_words)

    def analysis(self) -> dict[str, Any]:
        """Keyword arguments of a vectorizer that divides texts this way (n-grams and stop words apart)."""
        words = {"tokenizer": str.split, "token_pattern": None} if self.tokenizer == "split" else {}
        return {
            "lowercase": self.lowercase, "token_pattern": self.token_pattern, "analyzer": self.analyzer,
            "strip_accents": self.strip_accents, **words,
        }  # fmt: skip


def check_words(kind: str, pattern: str, range_: Any, stop_words: Any) -> None:
    """Raise InputError unless pattern, n-gram range and stop words can be used.

    >>> check_words("tfidf", TOKEN_PATTERN, (1, 2), ("the", "a"))
    """
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise InputError(f"{kind}: token_pattern {pattern!r} is no pattern: {error}") from error
    if groups > 1:
        raise InputError(f"{kind}: token_pattern {pattern!r} has {groups} groups", hint="use (?:...) but for one")
    ngrams(range_, kind)
    if isinstance(stop_words, str):
        choice(kind, "stop_words", stop_words, ("english",))


def ngrams(given: Any, kind: str = "words") -> tuple[int, int]:
    """A range of n-gram lengths; raises InputError for anything but two numbers that do not fall.

    >>> ngrams([1, 2])
    (1, 2)
    """
    pair = tuple(given) if isinstance(given, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair) or pair[0] > pair[1]:
        raise InputError(f"{kind}: ngram_range is {given!r}", hint="give two whole numbers such as [1, 2]")
    return pair[0], pair[1]


def stop_list(options: WordOptions) -> str | list[str] | None:
    """Stop words as a vectorizer takes them."""
    return list(options.stop_words) if isinstance(options.stop_words, tuple) else options.stop_words
