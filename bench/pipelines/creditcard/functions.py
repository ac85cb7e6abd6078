"""Functions of the benchmark's pipeline: a word-list sentiment and a deterministic text vector."""

import zlib

import numpy as np

BAD = {"angry", "disappointed", "unacceptable", "terrible", "broken", "lost", "rude", "blocked", "wrong", "useless"}
GOOD = {"thank", "thanks", "great", "friendly", "excellent", "happy", "quick", "helpful", "perfect", "solved"}
WIDTH = 768


def get_sentiment(text):
    """Word list; ties are neutral."""
    words = [word.strip(".!?;:") for word in text.lower().split()]
    score = sum(word in GOOD for word in words) - sum(word in BAD for word in words)
    return "negative" if score < 0 else "positive" if score > 0 else "neutral"


def text_vector(texts):
    """A vector of 768 numbers in [-1, 1) per text: splitmix64 of the text's crc32 and the position."""
    seeds = np.array([zlib.crc32(text.encode("utf-8")) for text in texts], dtype=np.uint64)
    places = np.arange(WIDTH, dtype=np.uint64)
    z = seeds[:, None] * np.uint64(0x9E3779B97F4A7C15) + places[None, :] * np.uint64(0xD1342543DE82EF95)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    return ((z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)).astype(np.float32)
