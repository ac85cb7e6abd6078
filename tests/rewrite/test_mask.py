"""What of a script does not go out, and that all of it comes back."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from cases import corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from lester_duck import assets
from lester_duck.errors import LesterError
from lester_duck.rewrite.code import read_code
from lester_duck.rewrite.mask import mask

SHARED = Path(__file__).parents[3] / "shared" / "cases"
ORDINARY = """\
import hashlib, re
COLUMNS = ["customer_id", "password_column", "e-mail", "iban", "2024-01-02", "01/02/2024", "2024-01-02 10:20:30"]
FORMATS = ["%Y-%m-%d", "%d.%m.%Y %H:%M:%S", "1.2.3", "1,234,567.89", "0001-0002", "12-34-56", "10-12", "12:30:45"]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
LIMIT, STAMP, BIG = 1500000, 1700000000000, 20240101000000
token = "the"
pad_token = "<unknown_word>"
token_pattern = r"(?u)\\b\\w\\w+\\b"
mail = re.compile(r"^[\\w.+-]+@[\\w-]+\\.[\\w.]+$")
for token in open("data/2024/customers_of_the_north_01.csv").read().split():
    if token == "abc123def" or row.get("auth", "unknown") == "none":
        print(f"token: {token} password: {token!r}", "password: ", "api_key=%s")
row = {"secret": "", "password": "password", "identity": "123e4567-e89b-12d3-a456-426614174000"}
if hashlib.md5(mail).hexdigest() == "d41d8cd98f00b204e9800998ecf8427e" or "2024-01-02T00:00:00+01:00":
    ip = "127.0.0.1"
"""
PRIVATE = {
    'password = "hunter2"': "hunter2",
    'DB_PASSWORD: str = "xy"': '"xy"',
    'connect(host="h", passwd="pw1")': "pw1",
    'd = {"api_key": "k-1"}': "k-1",
    'self.secret = b"abc"': "abc",
    'os.environ["ACCESS_TOKEN"] = "a1b2c3d4"': "a1b2c3d4",
    'x = os.environ.get("DB_PASSWORD", "letmein")': "letmein",
    'x = os.getenv("API_TOKEN", "abc123def")': "abc123def",
    'def f(user, password="pw"): pass': '"pw"',
    'def f(*, user=None, password="pw"): pass': '"pw"',
    'user, password = "me", "pw"': '"pw"',
    'if row["password"] == "open": pass': "open",
    'password = f"{x}sesame{y}"': "sesame",
    'password = "a" "bcd" "e"': "bcd",
    'password = "abc" if x else "def"': "def",
    'secret_key = base64.b64decode("YWJj")': "YWJj",
    'db = "postgresql://bob:s3cr@db.example.org/x"': "s3cr",
    'db = "Server=h;User=u;Password=abcd;"': "abcd",
    'url = "https://example.org/a?token=a1b2c3d4e5"': "a1b2c3d4e5",
    'k = "AKIAIOSFODNN7EXAMPLE"': "AKIA",
    'k = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"': "ghp_",
    'k = "sk-abcDEF1234567890abcdef"': "sk-abc",
    'k = "xoxb-1234567890-abcdef"': "xoxb",
    'k = "AIza' + "Sy0123456789" * 2 + 'abcdefghijk"': "AIza",
    'h = {"Authorization": "Bearer a1b2c3d4e5f6"}': "a1b2c3d4e5f6",
    'j = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def"': "eyJ",
    'k = "q8Zt3LmX0vRb7YkP2sWd9NfH"': "q8Zt3",
    'p = """-----BEGIN PRIVATE KEY-----\nMIIEpAIB\nabcdEFGH\n-----END PRIVATE KEY-----"""': "abcdEFGH",
    'p = "-----BEGIN PRIVATE KEY-----\\nMIIEpAIB\\n-----END PRIVATE KEY-----"': "MIIEpAIB",
    "# write to jan@example.org": "jan@",
    "# password: open4me": "open4me",
    '"""Ask jan@example.org."""': "jan@",
    'b"jan@example.org"': "jan@",
    "f\"{d['jan@example.org']}\"": "jan@",
    '"\\njan@example.org"': "jan@",
    't = "+49 170 1234567"': "170",
    't = "(555) 123-4567"': "123-4567",
    't = "030 1234567"': "1234567",
    'i = "GB82WEST12345698765432"': "WEST",
    'i = "GB82 WEST 1234 5698 7654 32"': "WEST",
    'c = "4111-1111-1111-1111"': "1111",
    "c = 4111111111111111": "4111",
    'a = "10.1.2.3"': "10.1.2.3",
    'a = "2001:db8:0:1::99"': "2001:db8:0:1::99",
    's = "123-45-6789"': "123-45",
    "password = 12345678": "12345678",
}


@pytest.mark.parametrize("script", PRIVATE)
def test_what_is_private_does_not_go_out_and_comes_back(script):
    masked = mask(script)
    assert PRIVATE[script] not in masked.text
    assert masked.notes
    assert all(original not in note for note in masked.notes for _, original in masked.pairs if len(original) > 1)
    ast.parse(masked.text)
    assert masked.text.count("\n") == script.count("\n")
    assert masked.restore(masked.text) == script
    assert json.loads(masked.restore(json.dumps({"code": masked.text}))) == {"code": script}


def test_an_ordinary_script_goes_out_as_it_is():
    masked = mask(ORDINARY)
    assert masked.notes == ()
    assert masked.text == ORDINARY


def test_programs_of_the_corpus_go_out_as_they_are(tmp_path):
    """They hold no secrets: what is masked there is a mistake, or must be named here."""
    expected: dict[str, tuple[str, ...]] = {}
    seen = 0
    for case in corpus.cases():
        script = case.unpack(tmp_path / case.name)
        try:
            text = read_code(script, case.program).text
        except LesterError:
            continue  # a notebook that is refused
        masked = mask(text)
        assert masked.notes == expected.get(case.name, ()), case.name
        assert masked.restore(masked.text) == text
        seen += 1
    assert seen > 300


@pytest.mark.skipif(not SHARED.is_dir(), reason="the larger examples are not beside the checkout")
def test_larger_examples_go_out_as_they_are():
    for script in sorted(SHARED.glob("*/script.py")):
        assert mask(script.read_text(encoding="utf-8")).notes == (), script


def test_a_value_has_one_placeholder_of_its_kind():
    masked = mask('a = "jan@example.org"  # jan@example.org\nb = ["eva@example.org", "jan@example.org"]\n')
    assert len(masked.pairs) == 2
    first, second = (placeholder for placeholder, _ in masked.pairs)
    assert masked.text.count(first) == 3
    assert first.endswith("@example.invalid") and second != first
    assert len(mask('x = "4111 1111 1111 1111"').pairs[0][0]) == 19
    assert ast.parse(mask("x = 4111111111111111").text)


def test_a_secret_is_masked_where_no_name_tells():
    masked = mask('password = "hunter2x"\nlogin("hunter2x")  # was hunter2x\n')
    assert "hunter2x" not in masked.text
    assert mask('password = "customer"\nx = row["customer"]').text.count("customer") == 1


def test_placeholders_do_not_meet_text_of_the_script():
    script = 'x = "MASKED_1", "masked-2@example.invalid"\npassword = "pw"\nmail = "jan@example.org"\n'
    masked = mask(script)
    assert masked.restore(masked.text) == script
    assert "MASKED_1" not in [placeholder for placeholder, original in masked.pairs if original == "pw"]


def test_the_same_placeholders_elsewhere_and_other_addresses_by_kind():
    masked = mask('password = "hunter2"\nmail = "jan@example.org"\n')
    hidden = masked.hide("3 rows: jan@example.org, eva@example.net, hunter2, 2024-01-02, 17.5")
    names = {original: placeholder for placeholder, original in masked.pairs}
    expected = f"3 rows: {names['jan@example.org']}, <an e-mail address>, {names['hunter2']}, 2024-01-02, 17.5"
    assert hidden == expected
    assert "hunter2" not in repr(masked)


def test_hiding_leaves_what_we_say_ourselves_alone():
    prompts = "\n".join(p.read_text(encoding="utf-8") for p in sorted(assets.folder("prompts").rglob("*.*")))
    assert mask('password = "hunter2"').hide(prompts) == prompts


def test_hiding_leaves_placeholders_and_common_words_alone():
    masked = mask('db = "postgresql://bob77x:s3cr3t@db.example.org/x"\npassword = "a"\n')
    assert masked.hide(masked.text) == masked.text
    assert masked.hide("a row of a view") == "a row of a view"


_PIECES = st.sampled_from([
    "jan@example.org", "4111111111111111", "\\n", "\\x41", "\\\\", "'", "é", "10.1.2.3", " ", "{x}", "{{", "}}",
    "MASKED_1", "0000000000000001", "123-45-6789", "pw", "7", "+49 170 1234567", "q8Zt3LmX0vRb7YkP2sWd9NfH", "#", "\n",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_PIECES, max_size=8).map("".join),
    st.sampled_from(["", "f", "r", "b", "rf", "rb"]),
    st.sampled_from(["password", "x"]),
)
def test_any_text_comes_back(body, prefix, name):
    script = f'{name} = {prefix}"""{body}"""\n# {name}: {body.splitlines()[0] if body.splitlines() else ""}\n'
    try:
        ast.parse(script)
    except SyntaxError:
        return
    masked = mask(script)
    ast.parse(masked.text)
    assert masked.text.count("\n") == script.count("\n")
    assert masked.restore(masked.text) == script
    assert json.loads(masked.restore(json.dumps([masked.text]))) == [script]
