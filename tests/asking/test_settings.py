"""Where settings come from, which wins, and what is refused."""

from __future__ import annotations

import pytest

from lester_duck.errors import UsageError
from lester_duck.rewrite.asking.settings import KNOWN, Endpoint, budget, configured, resolve

from .asked import SECRET

LOCAL = "http://localhost:11434/v1"


@pytest.fixture
def files(tmp_path):
    """Writes the working folder's file and the user's own, and resolves from them."""
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    here = tmp_path / "here"
    here.mkdir()

    def resolved(near: str = "", far: str = "", variables: dict | None = None, **options) -> Endpoint:
        (here / "lester-duck.toml").write_text(near)
        (tmp_path / "config" / "lester-duck").mkdir(parents=True, exist_ok=True)
        (tmp_path / "config" / "lester-duck" / "config.toml").write_text(far)
        return resolve(options, {**environment, **(variables or {})}, here)

    return resolved


def test_options_win_over_the_environment_over_this_folder_over_the_users_file(files):
    far = f'[model]\nname = "far"\nbase_url = "{LOCAL}"\ntimeout = 10\nretries = 7\nanswer_tokens = 100\n'
    near = '[model]\nname = "near"\ntimeout = 20\nretries = 8\n'
    variables = {"LESTER_DUCK_MODEL": "variable"}
    assert files(far=far).model == "far"
    assert files(near, far).model == "near"
    assert files(near, far, variables).model == "variable"
    found = files(near, far, variables, model="option", timeout=30.0, base_url=None)
    assert (found.model, found.timeout, found.retries, found.answer_tokens) == ("option", 30.0, 8, 100)
    assert (found.base_url, found.form, found.temperature) == (LOCAL, "auto", None)


def test_our_variables_win_over_openais(files):
    variables = {"OPENAI_API_KEY": "theirs-0123", "OPENAI_BASE_URL": "https://api.example.org/v1"}
    assert files(variables=variables, model="m").key == "theirs-0123"
    ours = {"LESTER_DUCK_API_KEY": "ours-01234", "LESTER_DUCK_BASE_URL": LOCAL}
    found = files(variables={**variables, **ours}, model="m")
    assert (found.key, found.base_url) == ("ours-01234", LOCAL)
    assert files(variables={**variables, "LESTER_DUCK_API_KEY": ""}, model="m").key == "theirs-0123"


def test_what_is_missing_is_said(files):
    with pytest.raises(UsageError, match=r"no model to ask; give --model NAME .*LESTER_DUCK_MODEL.*\[model\]"):
        files()
    with pytest.raises(UsageError, match="no API key; set LESTER_DUCK_API_KEY in the environment, or give --base-url"):
        files(model="m")
    assert files(model="m", base_url=LOCAL).key is None


def test_whether_a_model_is_named(files, tmp_path):
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert not configured(environment, tmp_path / "here")
    assert configured({**environment, "LESTER_DUCK_MODEL": "m"}, tmp_path / "here")
    files('[model]\nname = "m"\n', base_url=LOCAL)
    assert configured(environment, tmp_path / "here")


@pytest.mark.parametrize("text", [
    f'[model]\napi_key = "{SECRET}"\n', f'[model]\nkey = "{SECRET}"\n', f'API_KEY = "{SECRET}"\n',
])  # fmt: skip
def test_a_key_in_a_file_is_refused_and_not_repeated(files, text):
    with pytest.raises(UsageError, match=r"stands in a file.*set LESTER_DUCK_API_KEY in the environment") as raised:
        files(text, model="m", base_url=LOCAL)
    assert "lester-duck.toml" in raised.value.where
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\ntimeuot = 3\n", r"no setting 'timeuot'; there are: .*\(did you mean 'timeout'\?\)"),
        ("[model]\ntimeout = 0\n", "timeout is 0; give a number from 0.1"),
        ("[model]\nretries = 1.5\n", "retries is 1.5; give a whole number from 0 to 20"),
        ("[model]\nretries = true\n", "retries is True"),
        ("[model]\ntemperature = nan\n", "temperature is nan"),
        ("[model]\nname = 3\n", "name is 3; give a text"),
        ('[model]\nform = "yaml"\n', "no form 'yaml'; there are: auto, json_schema, json_object, text"),
        ('[model]\nbase_url = "localhost:11434"\n', "'localhost:11434' is no address; give one like"),
        ('[model]\nbase_url = "https://me:secret@example.org/v1"\n', "holds a password"),
        ('[model]\nbase_url = "https://example.org/v1?key=abc"\n', "has a query"),
        ('model = "m"\n', r"'model' stands outside a table; put it under a line \[model\]"),
        ('timeout = 3\n', r"'timeout' stands outside a table"),
        ("[model\n", "not readable as TOML"),
    ],
)  # fmt: skip
def test_a_file_that_says_something_else_is_refused_by_name(files, text, message):
    with pytest.raises(UsageError, match=message) as raised:
        files(text, model="m", base_url=LOCAL)
    assert "lester-duck.toml" in str(raised.value)
    assert "secret" not in str(raised.value).lower()


def test_other_tables_of_a_file_are_not_ours(files):
    assert files('[other]\nname = "x"\n[model]\nname = "m"\n', base_url=LOCAL).model == "m"


def test_every_setting_of_a_file_reaches_the_endpoint(files):
    said = {"name": '"m"', "base_url": f'"{LOCAL}"', "timeout": "5", "retries": "1", "answer_tokens": "9",
            "temperature": "0.5", "price_in": "1", "price_out": "2.5", "form": '"text"'}  # fmt: skip
    assert set(said) == set(KNOWN)
    found = files("[model]\n" + "".join(f"{name} = {value}\n" for name, value in said.items()))
    assert found == Endpoint(model="m", base_url=LOCAL, timeout=5, retries=1, answer_tokens=9, temperature=0.5,
                             price_in=1, price_out=2.5, form="text")  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example.org/v1/", "https://api.example.org/v1"),
        ("http://localhost:1234/v1/chat/completions", "http://localhost:1234/v1"),
        ("https://x.openai.azure.com/openai/v1/", "https://x.openai.azure.com/openai/v1"),
        ("https://x.org/d?api-version=2024-10-21", "https://x.org/d?api-version=2024-10-21"),
    ],
)
def test_addresses_as_they_are_pasted(files, given, kept):
    assert files(model="m", base_url=given).base_url == kept


@pytest.mark.parametrize("given", ["ftp://x/v1", "http://", "http://a..b/v1", "http://a b/v1", "http://x/v1\0", "http://[::1/v1",
                                   "http://x:99999/v1"])  # fmt: skip
def test_what_is_no_address(files, given):
    with pytest.raises(UsageError, match="is no address; give one like http://localhost:11434/v1"):
        files(model="m", base_url=given)


def test_the_key_does_not_go_where_only_this_folders_file_says(files):
    near = '[model]\nname = "m"\nbase_url = "https://models.example.org/v1"\n'
    variables = {"LESTER_DUCK_API_KEY": SECRET}
    with pytest.raises(UsageError, match=r"the key is not sent there unasked; if it is yours, give --base-url"):
        files(near, variables=variables)
    assert files(near).base_url == "https://models.example.org/v1"
    assert files(near, variables=variables, base_url="https://models.example.org/v1").key == SECRET
    assert files(far=near, variables=variables).key == SECRET
    assert files(near.replace("https://models.example.org", "http://127.0.0.1:8000"), variables=variables).key == SECRET


def test_the_key_is_in_no_repr_and_hidden_in_texts():
    endpoint = Endpoint(model="m", key=SECRET)
    assert SECRET not in repr(endpoint)
    assert endpoint.hide(f"a {SECRET} b") == "a (key) b"
    assert Endpoint(model="m", key="none").hide("there is none") == "there is none"


def test_a_budget_that_cannot_be_kept_is_refused():
    endpoint = Endpoint(model="m")
    with pytest.raises(UsageError, match="a limit of cost needs the prices of 'm'; give price_in and price_out"):
        budget(endpoint, max_cost=1.0)
    with pytest.raises(UsageError, match="a limit of cost needs the prices"):
        budget(Endpoint(model="m", price_in=1.0), max_cost=1.0)
    with pytest.raises(UsageError, match="--max-tokens is 0; give a number above 0"):
        budget(endpoint, max_tokens=0)
    assert budget(Endpoint(model="m", price_in=0.0, price_out=0.0), max_cost=1.0).max_cost == 1.0
