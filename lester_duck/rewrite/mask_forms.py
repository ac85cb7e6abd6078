"""What secrets and personal data look like in a text: forms with a fixed shape, checksums, and names that tell."""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A part of a text from ``start`` to ``end``, and what it looks like."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A pattern whose group ``part`` is masked when ``holds`` agrees to the text of it."""

    kind: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool
    part: int = 0


SECRET = "a secret"
ADDRESS = "an e-mail address"
NETWORK = "an IP address"
_CARDS = re.compile(
    r"4\d{15}(\d{3})?|5[1-5]\d{14}|2(22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(0[0-5]|[68]\d)\d{11}|6(011|5\d\d|4[4-9]\d)\d{12}|35\d{14}|62\d{14,17}|(50|5[6-9]|6\d)\d{14,17}"
)
_STRONG = re.compile(r"pass(word|wd|phrase|code)s?|pwd|secrets?|credentials?")
_WEAK = re.compile(r"tokens?|auth|authorization|bearer|dsn|signature")
_KEYS = frozenset({"api", "access", "secret", "private", "auth", "account", "encryption", "signing", "master"})
# fmt: off
_ABOUT = frozenset({
    "column", "columns", "col", "cols", "field", "fields", "pattern", "regex", "re", "name", "names", "len",
    "length", "count", "counts", "min", "max", "file", "files", "path", "header", "headers", "label", "labels",
    "type", "types", "id", "ids", "index", "url", "score", "mask", "rows", "hash", "fn", "func", "cache",
})
# fmt: on
_NOTHING = frozenset({"", "none", "null", "unknown", "missing", "n/a"})


def luhn(text: str) -> bool:
    """Whether the digits are a payment card's: a known prefix and length, and the Luhn checksum.

    >>> luhn("4111 1111 1111 1111"), luhn("4111 1111 1111 1112"), luhn("1700000000000000")
    (True, False, False)
    """
    digits = re.sub(r"\D", "", text)
    if not _CARDS.fullmatch(digits):
        return False
    twice = [sum(divmod(2 * int(d), 10)) for d in digits[-2::-2]]
    return (sum(twice) + sum(int(d) for d in digits[::-2])) % 10 == 0


def iban(text: str) -> bool:
    """Whether the checksum of an IBAN holds.

    >>> iban("GB82 WEST 1234 5698 7654 32"), iban("GB83 WEST 1234 5698 7654 32")
    (True, False)
    """
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def network(text: str) -> bool:
    """Whether a text is an address of a machine; the local and the unspecified ones tell nothing.

    >>> network("10.1.2.3"), network("127.0.0.1"), network("300.1.1.1"), network("12:30:45")
    (True, False, False, False)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or text.startswith("255."))


def phone(text: str) -> bool:
    """Whether a text in a telephone number's form has as many digits as one."""
    return 9 <= len(re.sub(r"\D", "", text)) <= 15


def random_looking(text: str) -> bool:
    """Whether a text without blanks looks drawn by a machine: many kinds of characters, well mixed.

    >>> random_looking("q8Zt3LmX0vRb7YkP2sWd9NfH"), random_looking("customer_id_of_the_year_2024")
    (True, False)
    >>> random_looking("abcdefghijklmnopqrstuvwxyzABC0123456789")
    False
    """
    size = len(text)
    if size < 24:
        return False
    entropy = -sum(n / size * math.log2(n / size) for n in Counter(text).values())
    groups = len(re.findall(r"\d+", text))
    follows = sum(ord(b) - ord(a) == 1 for a, b in pairwise(text))
    if follows * 3 > size or groups < 3:
        return False
    if re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", text):
        return size >= 32 and entropy >= 3 and not text.isdigit()
    mixed = bool(re.search(r"[a-z]", text)) and bool(re.search(r"[A-Z]", text))
    return mixed and entropy >= 3.8


def token_like(text: str) -> bool:
    """Whether a text may be a key and not a word: eight characters, letters and digits, no blanks.

    >>> token_like("a1b2c3d4"), token_like("unknown_word"), token_like("x 1 y 2 z")
    (True, False, False)
    """
    return bool(re.fullmatch(r"(?=.*\d)(?=.*[A-Za-z])[\x21-\x7e]{8,}", text))


_NOT_WORD = r"(?![A-Za-z0-9_])"
_KEYED = r"(?i:pass(?:word|wd|phrase)|pwd|secret|(?:api|access|secret|account)[_-]?key)"
FORMS = (
    Form(
        kind="a private key",
        pattern=re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.+?)(?:-----END|\Z)", re.DOTALL),
        part=1,
    ),
    Form(kind="a web token", pattern=re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")),
    Form(
        kind="an access key",
        pattern=re.compile(
            r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}"
            r"|[sr]k[-_][\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|hf_[A-Za-z0-9]{30,})" + _NOT_WORD
        ),
        holds=lambda text: bool(re.search(r"\d|[A-Z]", text)),
    ),
    Form(kind="an access key", pattern=re.compile(r"hooks\.slack\.com/services/([\w/]{20,})"), part=1),
    Form(kind=SECRET, pattern=re.compile(r"\b[Bb]earer\s+([\w.~+/-]{8,}=*)"), holds=token_like, part=1),
    Form(kind="a user of a connection", pattern=re.compile(r"\b[a-z][a-z0-9+.-]*://([^\s:/@{}]+):[^\s/@]+@"), part=1),
    Form(kind="a password of a connection", pattern=re.compile(r"://[^\s:/@]+:([^\s/@{}]+)@"), part=1),
    Form(kind=SECRET, pattern=re.compile(r"\b" + _KEYED + r"=([^\s;&,<>{}%()\[\]=]{3,})"), part=1),
    Form(
        kind=SECRET,
        pattern=re.compile(r"(?i:\b(?:token|auth|sig|signature)=)([^\s;&,<>{}%()\[\]=]{8,})"),
        holds=token_like,
        part=1,
    ),
    Form(kind=ADDRESS, pattern=re.compile(r"[^\W_](?:[\w.+-]*[\w+-])?@(?:[\w-]+\.)+[^\W\d_]{2,}(?![\w-])")),
    Form(
        kind="a bank account",
        pattern=re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])"),
        holds=iban,
    ),
    Form(kind="a payment card", pattern=re.compile(r"(?<![\w.])\d(?:[ -]?\d){13,18}(?![\w])"), holds=luhn),
    Form(kind=NETWORK, pattern=re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"), holds=network),
    Form(
        kind=NETWORK,
        pattern=re.compile(r"(?<![\w:])(?=[0-9a-fA-F:]*:[0-9a-fA-F:]*:)[0-9a-fA-F:]{7,39}(?![\w:])"),
        holds=lambda text: network(text) and len(re.findall(r"[0-9a-fA-F]+", text)) >= 3,
    ),
    Form(
        kind="a social security number",
        pattern=re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\w-])"),
    ),
    Form(
        kind="a social security number",
        pattern=re.compile(r"(?<!\w)[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)"),
    ),
    Form(
        kind="a telephone number",
        pattern=re.compile(
            r"(?<![\w.+])(?:\+|00(?=[1-9]\d{0,2}[ -]))[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,5}\)?){2,6}(?![\w.]?\d)"
            r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])"
            r"|(?<![\w.-])\(?0[1-9]\d{1,3}\)?[ /-]\d{3,8}(?:[ -]\d{2,5})?(?![\w-])"
        ),
        holds=phone,
    ),
    Form(
        kind=SECRET,
        pattern=re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/_-]{24,}={0,2}(?![\w+/=-])"),
        holds=lambda text: random_looking(text.rstrip("=")) and not _IDENTITY.fullmatch(text),
    ),
)
_IDENTITY = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
IN_COMMENTS = Form(
    kind=SECRET, pattern=re.compile(r"\b" + _KEYED + r"s?(?: is)?\s*[:=]\s*['\"`]?([^\s'\"`,;{}()]{4,})"), part=1
)


def find(text: str, *, comment: bool = False) -> Iterator[Found]:
    """The parts of a text that look like secrets or personal data; they may overlap, the first counts."""
    for form in (*FORMS, IN_COMMENTS) if comment else FORMS:
        for match in form.pattern.finditer(text):
            if form.holds(match[form.part]):
                yield Found(start=match.start(form.part), end=match.end(form.part), kind=form.kind)


def secret_name(name: str, value: str) -> bool:
    """Whether a variable, key or argument of that name keeps a secret when its value is that text.

    >>> [secret_name(*p) for p in [("DB_PASSWORD", "x"), ("apiKey", "k"), ("token", "word"), ("authToken", "a1b2c3d4")]]
    [True, True, False, True]
    >>> [secret_name(*p) for p in [("password_column", "pw"), ("author", "a1b2c3d4"), ("key", "a1b2c3d4")]]
    [False, False, False]
    """
    parts = re.findall(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*", name)
    words = [word.lower() for word in parts]
    if not words or words[-1] in _ABOUT or value.strip().lower() in _NOTHING | {name.lower()}:
        return False
    pairs = pairwise(words)
    if any(_STRONG.fullmatch(w) or w in {"apikey", "accesskey"} for w in words):
        return True
    if any(first in _KEYS and second == "key" for first, second in pairs):
        return True
    if words[-2:] in (["conn", "str"], ["connection", "string"]):
        return True
    return bool(_WEAK.fullmatch(words[-1])) and token_like(value)
