"""Errors become one line and an exit code, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import click
import pytest

from lester_duck.cli import main as entry
from lester_duck.errors import Disagreement, InputError, InternalError, Unsupported, UsageError

from program import lester_duck


def test_without_a_command_the_help_is_shown():
    said = lester_duck()
    assert said.code == 2
    assert "lester-duck demo" in said.out + said.err


def test_an_unknown_command_is_answered_with_those_that_exist():
    said = lester_duck("statu", "x.duckdb")
    assert said.code == 2
    assert said.out == ""
    assert said.err.splitlines() == [said.err.strip()]
    assert "no command 'statu'; there are: rewrite, verify, init" in said.err
    assert "did you mean 'status'?" in said.err


def test_an_unknown_option_is_answered_with_those_that_exist():
    said = lester_duck("export", "x.duckdb", "--waht", "features", "-o", "x.csv")
    assert said.code == 2
    assert "no option '--waht'; there are: --what, --split, --output, --namespace, --force, --wait, --json" in said.err
    assert "did you mean '--what'?" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_missing_argument_is_one_line():
    said = lester_duck("sql")
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert "lester-duck sql --help" in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("a"), 1),
        (UsageError("a"), 2),
        (Disagreement("a"), 3),
        (Unsupported("a"), 4),
        (InternalError("a"), 5),
        (ZeroDivisionError("two\nlines"), 5),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
)
def test_every_kind_of_error_has_its_exit_code(monkeypatch, capfd, error, code):
    @click.command()
    @click.option("--json", is_flag=True)
    def failing(json):
        raise error

    monkeypatch.setattr(entry, "program", failing)
    assert entry.main([]) == code
    assert len(capfd.readouterr().err.strip().splitlines()) == (0 if code == 141 else 1)


def test_with_json_an_error_is_one_object_on_stderr():
    said = lester_duck("init", "x", "--source", "mails=no-such-file.csv", "--json")
    assert (said.code, said.out) == (1, "")
    assert said.error["kind"] == "input"
    assert said.error["exit_code"] == 1
    assert "no-such-file.csv" in said.error["message"]


def test_ctrl_c_exits_with_130_and_one_line(tmp_path):
    code = (
        "import time, lester_duck.cli.main as entry\n"
        "import click\n"
        "@click.command()\n"
        "def waiting():\n"
        "    click.echo('ready')\n"
        "    time.sleep(60)\n"
        "entry.program = waiting\n"
        "raise SystemExit(entry.main([]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.split("\n") == ["", "interrupted: the store is intact, nothing of the unfinished work was kept", ""]


def test_the_reader_of_the_output_may_go_away():
    command = f"{sys.executable} -m lester_duck --help | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 141)
    assert done.stderr == ""


def test_the_version_is_the_package_version():
    said = lester_duck("--version")
    assert said.code == 0
    assert said.out.startswith("lester-duck, version 0.")


def test_the_help_needs_none_of_the_heavy_libraries():
    code = (
        "import sys\n"
        "from lester_duck.cli.main import main\n"
        "main(['--help']); main(['run', '--help'])\n"
        "heavy = {'sklearn', 'pandas', 'openai', 'duckdb'} & set(sys.modules)\n"
        "raise SystemExit(', '.join(sorted(heavy)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
