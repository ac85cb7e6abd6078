"""``import lester_duck as ld``: light, complete, and the same in every order of imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lester_duck as ld
from lester_duck import api


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)


def test_every_name_is_there():
    for name in set(ld.__all__) - {"rewrite"}:
        assert getattr(ld, name) is getattr(api, name)
    assert set(ld.__all__) <= set(dir(ld))
    with pytest.raises(AttributeError, match="has no attribute 'rune'"):
        ld.rune  # noqa: B018


@pytest.mark.parametrize(
    "imports",
    [
        "import lester_duck as ld",
        "import lester_duck.rewrite as package; import lester_duck as ld",
        "import lester_duck.rewrite.judge as judge; import lester_duck as ld; ld.load",
        "from lester_duck.rewrite import judge; import lester_duck as ld",
    ],
)
def test_rewrite_can_be_called_after_any_import(imports):
    call = "try:\n    ld.rewrite('no-such.py')\nexcept Exception as error:\n    print(type(error).__name__)"
    done = run(f"{imports}\n{call}")
    assert (done.stdout, done.stderr) == ("InputError\n", "")


def test_importing_is_light():
    done = run("import sys, lester_duck; print({'duckdb', 'pandas', 'sklearn', 'openai'} & set(sys.modules))")
    assert (done.stdout, done.stderr) == ("set()\n", "")
