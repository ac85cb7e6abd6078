"""The reference of questions in SQL: every answer on the page is what a plain DuckDB connection gives.

``python tests/docs/test_sql_page.py`` writes the answers anew.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import duckdb
import pytest

import lester_duck as ld
from lester_duck.cli.output import table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "sql.md"
_FILE = re.compile(r"```\w+ (\S+)\n(.*?)```", re.DOTALL)
_ASKED = re.compile(r"(```sql\n(.*?)```\n)(?:\n```text\n.*?```\n)?", re.DOTALL)


def store(text: str, folder: Path) -> Path:
    """The page's example, run."""
    for name, content in _FILE.findall(text):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    ld.run(folder, folder / "letters.duckdb").close()
    return folder / "letters.duckdb"


def answered(text: str, path: Path) -> str:
    """The page with the answer below each question."""
    with duckdb.connect(str(path), read_only=True) as shell:

        def answer(found: re.Match) -> str:
            result = shell.sql(found[2]).to_arrow_table()
            return f"{found[1]}\n```text\n{table(result.to_pylist(), result.column_names)}\n```\n"

        return _ASKED.sub(answer, text)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return store(PAGE.read_text(encoding="utf-8"), tmp_path_factory.mktemp("page"))


def test_every_answer_is_what_comes_out(path):
    text = PAGE.read_text(encoding="utf-8")
    assert answered(text, path) == text, "run: python tests/docs/test_sql_page.py"


def test_everything_that_can_be_asked_is_on_the_page(path):
    text = PAGE.read_text(encoding="utf-8")
    with duckdb.connect(str(path), read_only=True) as shell:
        names = shell.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE schema_name = 'lester' "
            "UNION SELECT view_name FROM duckdb_views() WHERE schema_name = 'lester'"
        ).fetchall()
    assert len(names) > 20
    for (name,) in names:
        assert f"lester.{name}" in text, name


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(answered(page, store(page, Path(folder))), encoding="utf-8")
