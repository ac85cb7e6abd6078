"""The built-in translator under the judge, end to end; no key, no network."""

from __future__ import annotations

from lester_duck.rewrite.rewrite import rewrite, save, verify


def test_the_translator_agrees_and_is_verified_again_from_its_folder(preparation, tmp_path):
    folder, _ = preparation
    said: list[str] = []
    result = rewrite(folder / "script.py", directed=False, progress=said.append)
    assert result.verdict.status == "agreed", str(result.verdict)
    assert result.refusals == ()
    assert result.pipeline.origin.engine == "static"
    assert said == ["running the original twice", "translating", "comparing"]
    save(result, tmp_path / "out")
    assert not (tmp_path / "out" / "answers").exists()
    assert (tmp_path / "out" / "REWRITE.md").read_text(encoding="utf-8") == result.report
    again = verify(tmp_path / "out", folder, directed=False)
    assert again.verdict == result.verdict


def test_what_is_refused_is_named_by_line(preparation):
    folder, _ = preparation
    script = folder / "script.py"
    text = script.read_text(encoding="utf-8").replace("SHOPS = ", "import opaque_helper\nSHOPS = ")
    helper = "def draw(rows):\n    return [r for r in rows if hash(str(r))]\n"
    (folder / "opaque_helper.py").write_text(helper, "utf-8")
    script.write_text(text.replace('with open("out/', 'rows = opaque_helper.draw(rows)\nwith open("out/'), "utf-8")
    result = rewrite(script, engine="static", directed=False)
    assert result.verdict.status != "agreed"
    assert any("line" in refusal for refusal in result.refusals)
    assert "## Refused" in result.report
