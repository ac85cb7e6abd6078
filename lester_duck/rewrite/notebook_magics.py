"""What stands in a notebook's cell and is no Python: magics, shell lines and questions.

A line that only shows, installs or measures becomes a comment; a magic around Python code leaves
the code; whatever changes files, the folder or variables from outside Python is refused by line.
Every line keeps its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SHOWN = _words(
    "matplotlib load_ext reload_ext unload_ext autoreload aimport config pwd who whos who_ls lsmagic ls ll cat head "
    "less more man pinfo pinfo2 pdoc pdef psource pfile precision pprint xmode colors history hist notebook logstart "
    "logstop logoff logon logstate doctest_mode watermark quickref magic alias automagic tb debug pdb pycat"
)
_INSTALLS = _words("pip conda mamba micromamba uv")
_MEASURES = _words("timeit prun memit mprun lprun")
_SHOWN_CELLS = _words("html HTML javascript js latex markdown svg SVG")
_AROUND = _words("time capture stage")
_SHELL_SHOWS = _words(
    "ls dir head tail cat wc file du df pwd echo which whoami date uname nvidia-smi free lscpu nproc tree grep stat "
    "less more hostname md5sum sha256sum"
)
_SHELL_INSTALLS = _words("pip pip3 conda mamba micromamba uv apt apt-get brew")

_MAGIC = re.compile(r"(\s*)%(?!%)\s*([A-Za-z_]\w*)\s*(.*)")
_SHELL = re.compile(r"(\s*)!!?\s*(.*)")
_ASSIGNED = re.compile(r"(\s*[A-Za-z_][\w., \[\]'\"]*?\s*=)\s*([!%])\s*(.*)")
_QUESTION = re.compile(r"\s*(\?{1,2}\s*[%\w.*]+|[%\w.*]+\?{1,2})\s*;?\s*\Z")
_CALLED = re.compile(r"(\s*)get_ipython\(\)\.(run_line_magic|magic|system)\((.*)\)\s*;?\s*\Z")
_QUOTED = re.compile(r"""(['"])(.*?)\1""")


class NotPython(Exception):
    """A line that cannot be left out and is no Python; ``line`` counts from one in its cell."""

    def __init__(self, line: int, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.hint = hint


@dataclass(slots=True)
class Cell:
    """The Python of a cell, as many lines as it had, and what was left out: (line, note)."""

    lines: list[str]
    notes: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Scanner:
    """Whether the next line begins a statement: no bracket, string or backslash is open."""

    depth: int = 0
    quote: str = ""
    continued: bool = False

    @property
    def at_start(self) -> bool:
        return not (self.depth or self.quote or self.continued)

    def feed(self, line: str) -> None:
        self.continued = False
        at = 0
        while at < len(line):
            char = line[at]
            if char == "\\":
                self.continued = at == len(line) - 1 and not self.quote
                at += 2
            elif self.quote:
                at = self._in_string(line, at)
            elif char == "#":
                break
            elif char in "'\"":
                self.quote = char * 3 if line.startswith(char * 3, at) else char
                at += len(self.quote)
            else:
                self.depth = max(0, self.depth + (char in "([{") - (char in ")]}"))
                at += 1
        if len(self.quote) == 1 and not line.endswith("\\"):
            self.quote = ""  # not closed: the parser will say so

    def _in_string(self, line: str, at: int) -> int:
        if line.startswith(self.quote, at):
            at += len(self.quote)
            self.quote = ""
            return at
        return at + 1


def plain(source: str) -> Cell:
    """The Python of a cell's text. Raises NotPython.

    >>> plain("%matplotlib inline\\nx = 1").lines
    ['pass  # %matplotlib inline', 'x = 1']
    >>> plain("%%time\\nx = ('%d'\\n  % 3)").lines
    ['pass  # %%time', "x = ('%d'", '  % 3)']
    >>> plain("files = !ls").lines
    Traceback (most recent call last):
    lester_duck.rewrite.notebook_magics.NotPython: a shell command gives 'files' its value: '!ls'
    """
    lines = source.replace("\r\n", "\n").split("\n")
    cell = Cell(lines=[])
    while len(cell.lines) < len(lines) and _header(lines, cell):
        pass
    scanner = _Scanner()
    number = len(cell.lines)
    while number < len(lines):
        line = lines[number]
        special = _special(line) if scanner.at_start else None
        if special is None:
            scanner.feed(line)
            cell.lines.append(line)
            number += 1
            continue
        last = number
        while lines[last].endswith("\\") and last + 1 < len(lines):
            last += 1
        whole = " ".join(part.rstrip("\\").strip() for part in lines[number : last + 1])
        indent = line[: len(line) - len(line.lstrip())]
        cell.lines.append(indent + _replaced(indent + whole, number + 1, cell))
        cell.lines.extend(f"{indent}# {text.strip()}" for text in lines[number + 1 : last + 1])
        number = last + 1
    return cell


def _header(lines: list[str], cell: Cell) -> bool:
    """Take one line that stands before the cell's body: blank, or a cell magic. False at the body."""
    number = len(cell.lines)
    line = lines[number].strip()
    if not line:
        cell.lines.append("")
        return True
    if not line.startswith("%%"):
        return False
    name = (re.match(r"%%\s*(\S*)", line) or [line, ""])[1]
    if name in _AROUND:
        cell.lines.append(f"pass  # {line}")
        return True
    if name in _SHOWN_CELLS or name in _MEASURES:
        if name in _MEASURES:
            cell.notes.append((number + 1, f"%%{name} only measures: the cell was left out"))
        cell.lines.extend(f"# {text}" for text in lines[number:])
        return True
    if name in ("bash", "sh", "script", "cmd", "writefile", "file"):
        raise NotPython(number + 1, f"'%%{name}' is no Python", "do that before, and take the cell out")
    raise NotPython(number + 1, f"'%%{name}' is not known", "write the cell in Python")


def _special(line: str) -> bool | None:
    """True for a line that is no Python, else None."""
    text = line.strip()
    if text.startswith(("%", "!", "?")) or _ASSIGNED.match(line) or _QUESTION.match(line) or _CALLED.match(line):
        return True
    return None


def _replaced(line: str, number: int, cell: Cell) -> str:
    """What takes the place of a line, without its indentation."""
    called = _CALLED.match(line)
    if called:
        parts = [text for _, text in _QUOTED.findall(called[3])]
        line = ("!" if called[2] == "system" else "%") + " ".join(parts)
    text = line.strip()
    assigned = _ASSIGNED.match(line)
    if assigned:
        return _assigned(assigned, text, number)
    if _QUESTION.match(line):
        return f"pass  # {text}"
    shell = _SHELL.match(line)
    if shell:
        return _shell(shell[2], number, cell)
    magic = _MAGIC.match(line)
    if not magic:
        raise NotPython(number, f"'{text}' is no Python", "a cell magic stands on the first line of its cell")
    return _magic(magic[2], magic[3].strip(), number, cell)


def _assigned(found: re.Match[str], text: str, number: int) -> str:
    target = found[1].strip().rstrip("=").strip()
    if found[2] == "!":
        raise NotPython(
            number,
            f"a shell command gives '{target}' its value: '!{found[3]}'",
            "say it in Python, for instance with glob.glob or open",
        )
    name, _, rest = found[3].partition(" ")
    if name != "time":
        raise NotPython(number, f"a magic gives '{target}' its value: '%{found[3]}'", "say it in Python")
    return f"{found[1].strip()} {rest.strip()}"


def _magic(name: str, rest: str, number: int, cell: Cell) -> str:
    if name == "time" and rest:
        return rest
    if name in ("env", "set_env") and "=" in rest:
        key, _, value = rest.partition("=")
        return f"__import__('os').environ[{key.strip()!r}] = {value.strip()!r}"
    if name in _MEASURES:
        cell.notes.append((number, f"%{name} only measures: it was left out"))
    elif name in _INSTALLS:
        cell.notes.append((number, f"'%{name} {rest}' was left out: the interpreter must have the packages"))
    elif name in ("cd", "pushd", "popd"):
        raise NotPython(number, f"'%{name}' changes the folder", "write the paths from the notebook's own folder")
    elif name not in _SHOWN and name not in ("time", "env"):
        raise NotPython(number, f"'%{name}' is not known, and may change variables or files", "say it in Python")
    return f"pass  # %{name} {rest}".rstrip()


def _shell(command: str, number: int, cell: Cell) -> str:
    words = list(_programs(command))
    if any(word in _SHELL_INSTALLS for word in words):
        cell.notes.append((number, f"'!{command}' was left out: the interpreter must have the packages"))
    elif ">" in command or not all(word in _SHELL_SHOWS for word in words):
        raise NotPython(
            number, f"a shell command that may change files: '!{command}'", "run it before, and take the line out"
        )
    return f"pass  # !{command}"


def _programs(command: str) -> Iterator[str]:
    """The first word of each part of a shell line; for ``python -m pip`` that is ``pip``.

    >>> list(_programs("ls data | head -3")), list(_programs("python -m pip install x"))
    (['ls', 'head'], ['pip'])
    """
    for part in re.split(r"\|\|?|;|&&?", command):
        words = part.split()
        if words[:1] in (["python"], ["python3"], ["{sys.executable}"]) and words[1:2] == ["-m"]:
            words = words[2:]
        yield words[0].rsplit("/", 1)[-1] if words else ""
