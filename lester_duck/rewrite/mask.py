"""Secrets and personal data of a script, replaced before a model sees it and put back in what it answers.

What is looked for: values of names that tell (``password``, ``api_key``), keys of known services, private keys,
connection strings, long random texts; e-mail addresses, telephone numbers, bank accounts and payment cards (by
checksum), IP addresses, social security numbers. In texts, f-strings, bytes, comments and long numbers.
What cannot be known: names of persons, addresses of houses, and secrets that look like words under names that tell
nothing. They go out as they stand.

A masked part never holds a quote, a backslash, a brace or a line end: a text is masked piece by piece between them.
So its original can be put back as it is, into Python, SQL or JSON.
"""

from __future__ import annotations

import ast
import io
import re
import token
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate, count

from lester_duck.rewrite.mask_forms import ADDRESS, NETWORK, SECRET, find, luhn, secret_name

_ESCAPE = re.compile(r"\\(?:N\{[^}]*\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|\r\n|.)", re.DOTALL)
_CUT = re.compile(r"[\"'\\{}\x00-\x1f\x7f\x85\u2028\u2029]+")
_QUOTES = re.compile(r"(?i)^([rbfut]*)('''|\"\"\"|'|\")")
_LONG_NUMBER = re.compile(r"\d{6,}")
_START = {getattr(token, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
_END = {getattr(token, name, -1) for name in ("FSTRING_END", "TSTRING_END")}
_GET = frozenset({"get", "getenv", "pop", "setdefault"})
SHORTEST = 6
"""A secret of that many characters, not all letters, is masked wherever it stands; others only where a name tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """A script without secrets: ``pairs`` are placeholders and what they stand for, ``notes`` lines and kinds."""

    text: str
    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def also(self, pairs: Iterable[tuple[str, str]]) -> Masked:
        """With more placeholders and originals, such as paths that the script does not spell."""
        safe = tuple((p, o) for p, o in pairs if not _CUT.search(o) and p not in self.text)
        return replace(self, pairs=(*self.pairs, *safe))

    def restore(self, text: str) -> str:
        """Put the originals back, in any text: a script, SQL, or the JSON text of an answer."""
        originals = dict(self.pairs)
        if not originals:
            return text
        longest = sorted(originals, key=len, reverse=True)
        pattern = "|".join(_guarded(placeholder) for placeholder in longest)
        return re.sub(pattern, lambda match: originals[match[0].replace("\\/", "/")], text)

    def hide(self, text: str) -> str:
        """The same placeholders in another text that goes out; other personal data in it is named by kind."""
        known = {original: placeholder for placeholder, original in self.pairs if _telling(original)}
        if known:
            longest = sorted(known, key=len, reverse=True)
            pattern = "|".join(rf"(?<!\w){re.escape(original)}(?!\w)" for original in longest)
            text = re.sub(pattern, lambda match: known[match[0]], text)
        mine = [match.span() for p, _ in self.pairs for match in re.finditer(_guarded(p), text)]
        found = [f for f in find(text) if all(f.end <= start or end <= f.start for start, end in mine)]
        spans = _disjoint((f.start, f.end, f.kind) for f in found)
        for start, end, kind in reversed(spans):
            text = f"{text[:start]}<{kind}>{text[end:]}"
        return text


def mask(script: str) -> Masked:
    """Replace what must not go out. The masked script parses as the script does, with as many lines."""
    regions = tuple(_regions(script))
    spans = list(_named(script, regions))
    compared = tuple(_compared(script))
    for region in regions:
        spans += [s for s in region.found(script) if not _is_digest(script, s, compared)]
    spans += _repeated(script, regions, spans)
    chosen = _disjoint(spans)
    names = _Names(script)
    pieces: list[str] = []
    at = 0
    for start, end, kind in chosen:
        number = any(r.start == start and r.number for r in regions)
        if script[start - 1 : start].isdigit() and not number:
            kind = SECRET  # a placeholder of digits would run into the escape before it
        pieces += [script[at:start], names.give(script[start:end], kind, number=number)]
        at = end
    notes = dict.fromkeys(f"line {script.count(chr(10), 0, start) + 1}: {kind}" for start, _, kind in chosen)
    pairs = tuple((placeholder, original) for (original, _), placeholder in names.given.items())
    return Masked(text="".join(pieces) + script[at:], pairs=pairs, notes=tuple(notes))


Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """A text, comment or number of the script, from ``start`` to ``end``; the quotes are not part of it."""

    start: int
    end: int
    comment: bool = False
    number: bool = False
    formatted: bool = False

    def found(self, script: str) -> Iterator[Span]:
        """What in it looks like a secret or personal data."""
        body = script[self.start : self.end]
        if self.number:
            if luhn(body):
                yield self.start, self.end, "a payment card"
            return
        plain = body if self.comment else _ESCAPE.sub(lambda m: "\n" * len(m[0]), body)
        for part in find(plain, comment=self.comment):
            for start, end in _runs(plain, part.start, part.end):
                yield self.start + start, self.start + end, part.kind

    def whole(self, script: str) -> Iterator[Span]:
        """All of it, as a secret: the pieces between escapes, and between the fields of an f-string."""
        if self.number:
            yield self.start, self.end, SECRET
            return
        plain = _ESCAPE.sub(lambda m: "\n" * len(m[0]), script[self.start : self.end])
        if self.formatted:
            plain = _without_fields(plain)
        for start, end in _runs(plain, 0, len(plain)):
            if plain[start:end].strip():
                yield self.start + start, self.start + end, SECRET


def _runs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The pieces of a part that hold no quote, backslash, brace or line end."""
    at = start
    for cut in _CUT.finditer(text, start, end):
        if cut.start() > at:
            yield at, cut.start()
        at = cut.end()
    if at < end:
        yield at, end


def _without_fields(text: str) -> str:
    """An f-string's text with its fields blanked.

    >>> _without_fields("ab{x['k']}c{{d}}").split()
    ['ab', 'c', 'd']
    """
    kept, depth = [], 0
    doubled = text.replace("{{", "\n\n").replace("}}", "\n\n") if "{{" in text else text
    for char in doubled:
        depth += char == "{"
        kept.append("\n" if depth else char)
        depth -= char == "}" and depth > 0
    return "".join(kept)


def _offsets(script: str) -> list[int]:
    return [0, *accumulate(len(line) for line in io.StringIO(script, newline=""))]


def _regions(script: str) -> Iterator[_Region]:
    """The texts, comments and long numbers of a script; an f-string is one text."""
    lines = _offsets(script)
    depth, begin = 0, 0
    for part in tokenize.generate_tokens(io.StringIO(script, newline="").readline):
        start, end = lines[part.start[0] - 1] + part.start[1], lines[part.end[0] - 1] + part.end[1]
        if part.type in _START:
            begin = begin if depth else start
            depth += 1
        elif part.type in _END:
            depth -= 1
            if not depth:
                yield _text(script, begin, end)
        elif depth:
            continue
        elif part.type == token.STRING:
            yield _text(script, start, end)
        elif part.type == token.COMMENT:
            yield _Region(start=start, end=end, comment=True)
        elif part.type == token.NUMBER and _LONG_NUMBER.fullmatch(part.string):
            yield _Region(start=start, end=end, number=True)


def _text(script: str, start: int, end: int) -> _Region:
    opening = _QUOTES.match(script[start:end])
    assert opening is not None
    formatted = bool(set("ft") & set(opening[1].lower()))
    return _Region(start=start + opening.end(), end=end - len(opening[2]), formatted=formatted)


def _place(node: ast.expr, lines: list[int], raw: list[bytes]) -> tuple[int, int]:
    """Where a node stands: the tree counts bytes, we count characters."""

    def at(line: int, column: int) -> int:
        return lines[line - 1] + len(raw[line - 1][:column].decode("utf-8", errors="surrogatepass"))

    return at(node.lineno, node.col_offset), at(node.end_lineno or node.lineno, node.end_col_offset or 0)


def _placed(script: str, nodes: Iterable[ast.expr]) -> Iterator[tuple[int, int]]:
    lines = _offsets(script)
    raw = [line.encode("utf-8", errors="surrogatepass") for line in io.StringIO(script, newline="")]
    for node in nodes:
        yield _place(node, lines, raw)


def _named(script: str, regions: tuple[_Region, ...]) -> Iterator[Span]:
    """The values of names that tell."""
    values = [
        text
        for node in ast.walk(ast.parse(script))
        for name, value in _given(node)
        for text in _texts(value)
        if secret_name(name, _value(text))
    ]
    for start, end in _placed(script, values):
        for region in regions:
            if start <= region.start and region.end <= end and not region.comment:
                yield from region.whole(script)


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names, keys and arguments with the expression each gets or is compared with."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                yield from ((name, value) for one, value in pairs for name in _name(one))
            yield from ((name, node.value) for name in _name(target))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield from ((name, node.value) for name in _name(node.target))
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    elif isinstance(node, ast.arguments):
        ordered = [*node.posonlyargs, *node.args]
        given = node.defaults
        yield from zip([a.arg for a in ordered[len(ordered) - len(given) :]], given, strict=True)
        yield from ((a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None)
    elif isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        named = [(name, one) for one in sides for name in _name(one) if secret_name(name, "?")]  # a token may be a word
        yield from ((name, value) for name, one in named for value in sides if value is not one)
    elif isinstance(node, ast.Call) and len(node.args) == 2 and _called(node) in _GET:
        key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value, node.args[1]


def _name(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        yield node.slice.value


def _called(node: ast.Call) -> str:
    return next(_name(node.func), "")


def _texts(value: ast.expr) -> Iterator[ast.expr]:
    """The literals an expression passes on."""
    if isinstance(value, ast.Constant | ast.JoinedStr):
        yield value
    elif isinstance(value, ast.BinOp):
        yield from (*_texts(value.left), *_texts(value.right))
    elif isinstance(value, ast.BoolOp):
        yield from (text for part in value.values for text in _texts(part))
    elif isinstance(value, ast.IfExp):
        yield from (*_texts(value.body), *_texts(value.orelse))
    elif isinstance(value, ast.List | ast.Tuple | ast.Set):
        yield from (text for part in value.elts for text in _texts(part))
    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr in {"encode", "decode", "strip"}:
            yield from _texts(value.func.value)
        elif value.func.attr in {"b64decode", "fromhex", "unhexlify"}:
            yield from (text for part in value.args for text in _texts(part))


def _value(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) for v in node.values if isinstance(v, ast.Constant))
    assert isinstance(node, ast.Constant)
    known = isinstance(node.value, str | bytes) or (isinstance(node.value, int) and abs(node.value) >= 10**5)
    return (node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value)) if known else ""


def _compared(script: str) -> Iterator[tuple[int, int]]:
    """Where the sides of comparisons stand: a digest there is a value of the data, not a key."""
    nodes = [
        side
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
    ]
    yield from _placed(script, nodes)


def _is_digest(script: str, span: Span, compared: tuple[tuple[int, int], ...]) -> bool:
    start, end, kind = span
    if kind != SECRET or not re.fullmatch(r"[0-9a-fA-F]+", script[start:end]):
        return False
    return any(first <= start and end <= last for first, last in compared)


def _repeated(script: str, regions: tuple[_Region, ...], spans: list[Span]) -> Iterator[Span]:
    """Where else what was found stands in a text or comment."""
    known = {script[start:end]: kind for start, end, kind in spans if _telling(script[start:end])}
    if not known:
        return
    longest = sorted(known, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<![^\W_]){re.escape(text)}(?!\w)" for text in longest))
    for region in regions:
        if not region.number:
            for match in pattern.finditer(script, region.start, region.end):
                if not _splits_escape(script, region, match.start()):
                    yield match.start(), match.end(), known[match[0]]


def _telling(original: str) -> bool:
    """Whether a secret is no common word, which would stand in other places for other reasons."""
    return len(original) >= SHORTEST and not re.fullmatch(r"[^\W\d]+", original)


def _splits_escape(script: str, region: _Region, at: int) -> bool:
    body = script[region.start : region.end]
    return any(m.start() < at - region.start < m.end() for m in _ESCAPE.finditer(body))


def _disjoint(spans: Iterable[Span]) -> list[Span]:
    """Spans in order of the text; of those that overlap, the one that was found first."""
    chosen: list[Span] = []
    for span in spans:
        if all(span[1] <= start or end <= span[0] for start, end, _ in chosen):
            chosen.append(span)
    return sorted(chosen)


class _Names:
    """Placeholders: one per value, of the value's form, none of which the script holds."""

    def __init__(self, script: str) -> None:
        self.given: dict[tuple[str, str], str] = {}
        self._script = script.lower()
        self._used: set[str] = set()
        self._next = count(1)

    def give(self, original: str, kind: str, *, number: bool) -> str:
        """The placeholder of a value."""
        shape = "number" if number else "word" if kind == SECRET else "form"
        if (original, shape) not in self.given:
            self.given[original, shape] = self._new(original, kind, number)
        return self.given[original, shape]

    def _new(self, original: str, kind: str, number: bool) -> str:
        while True:
            made = _placeholder(original, kind, number, next(self._next))
            if made.lower() not in self._script and made not in self._used:
                self._used.add(made)
                return made


def _placeholder(original: str, kind: str, number: bool, n: int) -> str:
    """A value of the same form.

    >>> _placeholder("a@b.org", ADDRESS, False, 3), _placeholder("+49 30 1234567", "a telephone number", False, 12)
    ('masked-3@example.invalid', '+00 00 0000012')
    """
    if number:
        return "9" + str(n).zfill(len(original) - 1)
    if kind == ADDRESS:
        return f"masked-{n}@example.invalid"
    if kind == NETWORK:
        return f"2001:db8::{n:x}" if ":" in original else f"192.0.{2 + n // 250}.{n % 250 + 1}"
    digits = sum(c.isdigit() for c in original)
    if kind.startswith(("a telephone", "a payment", "a bank", "a social")) and len(str(n)) < digits:
        left = list(str(n).zfill(digits))
        shape = "".join("0" if c.isdigit() else "X" if c.isalpha() else c for c in original)
        return "".join(left.pop(0) if c == "0" else c for c in shape)
    return f"MASKED_{n}"


def _guarded(placeholder: str) -> str:
    """A pattern of a placeholder where it is not part of a longer number."""
    before = r"(?<!\d)" if placeholder[0].isdigit() else ""
    body = re.escape(placeholder).replace("/", r"\\?/")  # JSON may write a slash with a backslash
    return before + body + (r"(?![0-9a-f])" if ":" in placeholder else r"(?!\d)")
