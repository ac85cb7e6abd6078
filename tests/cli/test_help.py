"""Every command has help, examples, --json, and a place in the documentation."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from lester_duck.cli.main import COMMANDS, program

from program import lester_duck

ROOT = Path(__file__).resolve().parents[2]
WRITING = ("run", "update", "audit")
WITHOUT_JSON = ("completion",)


def command(name: str) -> click.Command:
    return program.get_command(click.Context(program), name)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples(name):
    said = lester_duck(name, "--help")
    assert said.code == 0
    assert "Examples:" in said.out
    assert command(name).help


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse(name):
    for example in command(name).examples:
        words = shlex.split(example.split(" > ")[0].split(" < ")[0])
        if words[0] == "eval":
            words = shlex.split(words[1].removeprefix("$(").removesuffix(")"))
        assert words[:2] == ["lester-duck", name]
        command(name).make_context(name, words[2:])


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in WITHOUT_JSON])
def test_every_command_has_json(name):
    assert "--json" in {option for parameter in command(name).params for option in parameter.opts}


@pytest.mark.parametrize("name", WRITING)
def test_writing_commands_show_their_sql_and_wait(name):
    options = {option for parameter in command(name).params for option in parameter.opts}
    assert {"--sql", "--wait"} <= options


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    assert [p.name for p in command(name).params if isinstance(p, click.Option) and not p.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_used_in_a_page_written_by_hand(name):
    pages = [*(ROOT / "docs" / "how-to").glob("*.md"), ROOT / "docs" / "tutorial.md", ROOT / "README.md"]
    assert any(f"lester-duck {name}" in page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell):
    said = lester_duck("completion", shell)
    assert said.code == 0
    assert "_LESTER_DUCK_COMPLETE" in said.out


def test_completion_knows_the_commands(monkeypatch, capfd):
    monkeypatch.setenv("_LESTER_DUCK_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "lester-duck st")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        program.main([], prog_name="lester-duck", standalone_mode=False)
    assert capfd.readouterr().out == "plain,status\n"
