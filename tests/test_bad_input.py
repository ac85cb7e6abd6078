"""Bad input: one clear line, the right exit code, and a store that is as it was."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lester_duck.db import connect

import shop
from program import Said, lester_duck


@dataclass(frozen=True)
class Project:
    """A pipeline folder that has been run once."""

    folder: Path
    store: Path

    def run(self, *more: object) -> Said:
        """Run the pipeline again."""
        return lester_duck("run", self.folder, "--store", self.store, *more)

    def update(self, source: str, text: str) -> Said:
        """Bring in a delta given as the text of a CSV file."""
        path = self.folder.parent / "delta.csv"
        path.write_text(text, encoding="utf-8")
        return lester_duck("update", self.store, "--delta", f"{source}={path}")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A folder with a pipeline and its store, run once for all tests."""
    base = tmp_path_factory.mktemp("shop")
    folder = shop.write(base / "shop")
    said = lester_duck("run", folder, "--store", base / "shop.duckdb")
    assert said.code == 0, said.err
    return base


@pytest.fixture
def project(original, tmp_path) -> Project:
    """A copy of it, to be spoiled."""
    subprocess.run(["cp", "-r", f"{original}/.", str(tmp_path)], check=True)
    return Project(tmp_path / "shop", tmp_path / "shop.duckdb")


def refused(project: Project, act: Callable[[], Said], words: str, code: int = 1) -> None:
    """``act`` fails in one line that holds ``words``, and the store is as before."""
    before = shop.content(project.store)
    said = act()
    assert (said.code, said.out) == (code, ""), said
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert words in said.err
    assert shop.content(project.store) == before


MORE = """
[[source]]
name = "more"
format = "csv"
path = "more.csv"
columns = ["sale_id", "price DOUBLE"]
key = ["sale_id"]
"""


def with_more(project: Project, lines: list[str] | None) -> Project:
    """The pipeline with one source more, whose file has these lines (None: no file)."""
    with (project.folder / "pipeline.toml").open("a", encoding="utf-8") as file:
        file.write(MORE)
    if lines is not None:
        (project.folder / "more.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return project


def rows(count: int) -> list[str]:
    """A header and that many good lines."""
    return ["sale_id,price", *(f"m{n},{n}.5" for n in range(1, count + 1))]


def test_one_source_more_is_no_fault(project):
    assert with_more(project, rows(9)).run().code == 0


def test_a_missing_file(project):
    refused(project, with_more(project, None).run, "no file 'more.csv'")


def test_a_wrong_column_count_in_line_7(project):
    lines = rows(9)
    lines[6] += ",one too many"
    refused(project, with_more(project, lines).run, "more.csv:7")


def test_a_duplicate_key_in_a_file(project):
    refused(project, with_more(project, [*rows(9), "m3,1.0"]).run, "m3")


def test_a_wrong_type_in_a_file(project):
    lines = rows(9)
    lines[6] = "m6,dear"
    refused(project, with_more(project, lines).run, "more.csv:7")


def test_bytes_that_are_no_text(project):
    with_more(project, rows(3))
    (project.folder / "more.csv").write_bytes(b"sale_id,price\nm\xff\xfe,1.0\n")
    refused(project, project.run, "UTF8")


def test_a_first_run_that_fails_leaves_no_store(project, tmp_path):
    (project.folder / "sales.csv").unlink()
    said = lester_duck("run", project.folder, "--store", tmp_path / "new.duckdb")
    assert said.code == 1
    assert "no file 'sales.csv'" in said.err
    assert not list(tmp_path.glob("new.duckdb*"))


def test_a_view_with_an_unknown_column(project):
    shop.replace(project.folder / "views" / "prepared.sql", "t.town", "t.twon")
    refused(project, project.run, "did you mean 'town'?")
    refused(project, project.run, "views/prepared.sql")


def test_two_views_in_a_circle(project):
    shop.replace(project.folder / "views" / "sold.sql", "FROM sales", "FROM prepared")
    refused(project, project.run, "circle")


def test_a_view_that_is_no_select(project):
    (project.folder / "views" / "sold.sql").write_text("DROP TABLE sales\n")
    refused(project, project.run, "a view must be one SELECT")


def test_a_view_that_reads_nothing_known(project):
    shop.replace(project.folder / "views" / "sold.sql", "FROM sales", "FROM slaes")
    refused(project, project.run, "did you mean 'sales'?")


def test_a_function_that_raises_on_row_12(project):
    code = "def loudness(text):\n    if 'note 11' in text:\n        raise ValueError('none such')\n    return 1\n"
    (project.folder / "functions.py").write_text(code)
    refused(project, project.run, "loudness")
    refused(project, project.run, "none such")


def test_a_delta_with_an_unknown_key(project):
    delta = "sale_id,shop_id,day,price,note,_change_type\n77,s1,2024-01-01,1.0,x,delete\n"
    refused(project, lambda: project.update("sales", delta), "77")


def test_a_delta_for_an_unknown_source(project):
    refused(project, lambda: project.update("slaes", "sale_id,_change_type\n1,delete\n"), "did you mean 'sales'?")


def test_a_delta_that_inserts_a_key_twice(project):
    row = "5000,s1,2024-01-01,1.0,x,insert\n"
    delta = f"sale_id,shop_id,day,price,note,_change_type\n{row}{row}"
    refused(project, lambda: project.update("sales", delta), "5000")


def test_a_delta_that_inserts_a_known_key(project):
    delta = "sale_id,shop_id,day,price,note,_change_type\n1003,s1,2024-01-01,1.0,x,insert\n"
    refused(project, lambda: project.update("sales", delta), "1003")


def test_a_delta_without_a_column(project):
    refused(project, lambda: project.update("sales", "sale_id,price,_change_type\n5000,2.0,insert\n"), "shop_id")


def test_a_delta_with_an_unknown_change_type(project):
    delta = "sale_id,shop_id,day,price,note,_change_type\n1003,s1,2024-01-01,1.0,x,upsert\n"
    refused(project, lambda: project.update("sales", delta), "upsert")


def test_a_delta_with_a_wrong_type(project):
    delta = "sale_id,shop_id,day,price,note,_change_type\n5000,s1,2024-01-01,cheap,x,insert\n"
    refused(project, lambda: project.update("sales", delta), "cheap")


def test_a_query_that_does_not_bind(project):
    refused(project, lambda: lester_duck("sql", project.store, "SELECT twon FROM prepared"), "twon")


def test_a_query_that_would_write(project):
    said = lester_duck("sql", project.store, "DELETE FROM source.sales")
    assert (said.code, len(said.err.splitlines())) == (1, 1)


def test_a_store_that_does_not_exist(project, tmp_path):
    for command in ("status", "audit", "runs"):
        refused(project, lambda command=command: lester_duck(command, tmp_path / "none.duckdb"), "none.duckdb")
        assert not (tmp_path / "none.duckdb").exists()


def test_a_file_that_is_no_store(project, tmp_path):
    (tmp_path / "text.duckdb").write_text("hello " * 2_000)
    refused(project, lambda: lester_duck("status", tmp_path / "text.duckdb"), "is not a DuckDB file")


@pytest.fixture
def other_process(project) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open until its standard input is closed."""
    code = "import sys, lester_duck.db as d; held = d.connect(sys.argv[1]); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(project.store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield process
        if process.poll() is None:
            process.kill()


def test_a_store_opened_by_another_process(project, other_process):
    said = lester_duck("status", project.store)
    assert said.code == 1
    assert f"is open in process {other_process.pid}" in said.err
    assert "--wait SECONDS" in said.err
    assert len(said.err.splitlines()) == 1


def test_waiting_ends_when_the_other_process_does(project, other_process):
    started = time.monotonic()
    assert lester_duck("status", project.store, "--wait", "0.5").code == 1
    assert 0.5 <= time.monotonic() - started < 10
    waiting = subprocess.Popen(
        [sys.executable, "-m", "lester_duck", "status", str(project.store), "--wait", "60"], stdout=subprocess.PIPE
    )
    time.sleep(1)
    other_process.communicate("done\n", timeout=10)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0


def test_a_store_written_by_a_newer_version(project):
    db = connect(project.store)
    db.execute("UPDATE _lester.meta SET value = '999' WHERE key = 'store_version'")
    db.close()
    refused(project, lambda: lester_duck("status", project.store), "newer lester-duck")
    refused(project, project.run, "newer lester-duck")


def test_a_store_with_the_name_of_its_schema(project, tmp_path):
    said = lester_duck("run", project.folder, "--store", tmp_path / "lester.duckdb")
    assert said.code == 1
    assert "a store may not be called 'lester.duckdb'" in said.err
    assert not (tmp_path / "lester.duckdb").exists()


LITTLE = 2_000_000


@pytest.fixture
def small_disk(project, tmp_path) -> Iterator[Path | None]:
    """A file system with room for the store and little more, where the user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    size = project.store.stat().st_size + LITTLE
    mounted = libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={size}".encode()) == 0
    yield folder if mounted else None
    if mounted:
        libc.umount2(str(folder).encode(), 2)


def test_a_full_disk(project, small_disk, tmp_path):
    """On a real small disk where one can be mounted, and always with a limit on the size of a file."""
    rows = "".join(f"{9000 + n},s1,2024-01-01,1.0,{os.urandom(400).hex()},insert\n" for n in range(12_000))
    delta = tmp_path / "large.csv"
    delta.write_text(f"sale_id,shop_id,day,price,note,_change_type\n{rows}", encoding="utf-8")
    if small_disk:
        store = small_disk / "shop.duckdb"
        store.write_bytes(project.store.read_bytes())
        full = Project(project.folder, store)
        refused(full, lambda: lester_duck("update", store, "--delta", f"sales={delta}"), "full")
    before = shop.content(project.store)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "limit = int(sys.argv.pop(1))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "from lester_duck.cli.main import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    limit = str(project.store.stat().st_size + LITTLE)
    command = [sys.executable, "-c", code, limit, "update", str(project.store), "--delta", f"sales={delta}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "full" in json.loads(done.stderr)["error"]["message"]
    assert shop.content(project.store) == before
