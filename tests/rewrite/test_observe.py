"""What is recorded of a run, and what a run may not do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lester_duck.errors import InputError
from lester_duck.rewrite.decode import Opaque
from lester_duck.rewrite.observation import Failure, as_observed
from lester_duck.rewrite.observe import observe, setting, workspace
from lester_duck.rewrite.sandbox import Limits, level

from .watching import variable, watched


def test_files_calls_and_variables_of_a_run(observed):
    _, evidence = observed
    run = evidence.first
    assert run.reads == ("data/shops.csv", "data/orders.csv")
    assert run.writes == ("out/orders.tsv",)
    assert [(c.estimator, c.method, c.line) for c in run.calls] == [
        ("LogisticRegression", "fit", 39),
        ("LogisticRegression", "score", 40),
    ]
    x, y = run.value(run.calls[0].x), run.value(run.calls[0].y)
    assert x.shape == (len(y), 3)
    assert set(y.tolist()) == {0, 1}
    shops = variable(run, "shops", 15)
    assert shops["s3"] == {"city": "south", "big": True}
    assert "s1" not in shops


def test_the_translator_gets_plain_data(observed):
    _, evidence = observed
    seen = as_observed(evidence.first)
    assert seen.variables["shops", 15]["s9"] == {"city": "north", "big": True}
    assert seen.fits[0].x_shape == (len(seen.variables["rows", 26]), 3)
    assert (seen.folder / "data" / "orders.csv").is_file()


def test_a_snapshot_is_of_its_line_and_not_of_later_ones(tmp_path):
    code = """\
        seen = []
        for n in range(3):
            seen.append(n)
        for n in range(2):
            seen.append(-n)
        total = {"a": {1, 2}, "b": (1.5, None, float("nan"))}
        """
    with watched(tmp_path, code) as evidence:
        run = evidence.first
        assert variable(run, "seen", 3) == [0, 1, 2]
        assert variable(run, "seen", 5) == [0, 1, 2, 0, -1]
        total = variable(run, "total", 6)
        assert total["a"] == {1, 2}
        assert total["b"][:2] == (1.5, None)


def test_a_run_that_ended_early_has_no_later_snapshot(tmp_path):
    code = """\
        kept = []
        for n in range(3):
            kept.append(n)
        print(1)
        """
    with watched(tmp_path, code) as evidence:
        run = evidence.first
        assert variable(run, "kept", 4) == [0, 1, 2]
        stopped = replace(run, snapshots=run.snapshots[:1], failure=Failure(type="E", message="", line=3))
        assert stopped.snapshot("kept", 3) is None


def test_variables_of_a_function_called_once_are_seen_and_of_one_called_twice_marked(tmp_path):
    code = """\
        def main(n):
            rows = []
            for i in range(n):
                rows.append(i * n)
            return rows


        def often(n):
            for i in range(n):
                x = i
            return n


        if __name__ == "__main__":
            main(3)
            often(1), often(2)
        """
    with watched(tmp_path, code) as evidence:
        assert variable(evidence.first, "rows", 4) == [0, 3, 6]
        assert evidence.first.repeated == {10}


def test_frames_keep_columns_and_missing_values(tmp_path):
    code = """\
        import pandas as pd
        df = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
        df.loc[df.a == 2, "b"] = "y"
        """
    with watched(tmp_path, code) as evidence:
        before, after = variable(evidence.first, "df", 2), variable(evidence.first, "df", 3)
    assert before.names == ("a", "b")
    assert before.columns[0] == (1, 2)
    assert after.columns[1] == ("x", "y")


def test_a_pipeline_shows_the_matrix_its_final_estimator_receives(tmp_path):
    code = """\
        import numpy as np
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        X = np.array([[1.0], [2.0], [6.0]])
        model = make_pipeline(StandardScaler(), Ridge())
        model.fit(X, [1, 2, 3])
        model.predict(X)
        """
    with watched(tmp_path, code) as evidence:
        run = evidence.first
        fits = {c.estimator: run.value(c.x) for c in run.calls if c.method == "fit"}
    assert set(fits) == {"Pipeline", "Ridge"}
    assert np.allclose(fits["Ridge"].mean(), 0)
    assert fits["Pipeline"].mean() == 3


def test_a_large_value_is_left_out_and_said_so(tmp_path):
    code = """\
        big = list(range(500_000))
        """
    with watched(tmp_path, code) as evidence:
        assert variable(evidence.first, "big", 1) == Opaque("too large to be kept")


def test_the_second_run_has_another_clock_and_hash_seed(tmp_path):
    code = """\
        import time
        from datetime import date, datetime, timedelta
        now, today, stamp = datetime.now(), date.today(), time.time()
        is_date = isinstance(now, datetime) and isinstance(date(2020, 1, 1), date)
        parsed = datetime.strptime("2020-01-02", "%Y-%m-%d") + timedelta(days=1)
        order = list({"a", "b", "c", "d", "e", "f", "g", "h"})
        """
    with watched(tmp_path, code) as evidence:
        one, two = evidence.first, evidence.second
        assert (variable(two, "now", 3) - variable(one, "now", 3)).days == 40
        assert (variable(two, "today", 3) - variable(one, "today", 3)).days in (40, 41)
        assert variable(two, "stamp", 3) - variable(one, "stamp", 3) > 40 * 86400 - 60
        assert variable(one, "is_date", 4) and variable(two, "is_date", 4)
        assert variable(one, "parsed", 5) == variable(two, "parsed", 5)
        assert variable(one, "order", 6) != variable(two, "order", 6)


def test_a_failing_original_is_an_input_error_with_its_line(tmp_path):
    refused = pytest.raises(InputError, match=r"script.py:2: the original fails: ZeroDivisionError: division by zero")
    with refused, watched(tmp_path, "a = 1\nb = a / 0\n"):
        pass


def test_a_missing_module_says_which_interpreter_to_give(tmp_path):
    with pytest.raises(InputError, match=r"ModuleNotFoundError.*--python"), watched(tmp_path, "import no_such_thing\n"):
        pass


def test_files_outside_of_the_folder_are_explained(tmp_path):
    (tmp_path / "data.txt").write_text("a", encoding="utf-8")
    (tmp_path / "scripts").mkdir()
    refused = pytest.raises(InputError, match=r"FileNotFoundError.*copy of its own folder")
    with refused, watched(tmp_path / "scripts", "text = open('../data.txt').read()\n"):
        pass


def test_the_root_may_be_a_folder_above(tmp_path):
    (tmp_path / "data.txt").write_text("a", encoding="utf-8")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "script.py").write_text("text = open('data.txt').read()\n", encoding="utf-8")
    how = setting(tmp_path / "scripts" / "script.py", root=tmp_path, python=None)
    with workspace() as space:
        evidence = observe(how, space)
        assert variable(evidence.first, "text", 1) == "a"
        assert evidence.script == "scripts/script.py"


def test_a_syntax_error_is_found_before_anything_runs(tmp_path):
    (tmp_path / "script.py").write_text("a = (1,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"script.py:1: not valid Python"):
        setting(tmp_path / "script.py", root=None, python=None)


def test_an_endless_loop_is_ended_and_nothing_is_left(tmp_path):
    marker = f"lester-test-{os.getpid()}"
    code = f"""\
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "{marker}"], start_new_session=True)
        while True:
            pass
        """
    start = time.monotonic()
    refused = pytest.raises(InputError, match="did not end within 1 s")
    with refused, watched(tmp_path, code, limits=Limits(wall=1.0, cpu=20)):
        pass
    assert time.monotonic() - start < 15
    if level().processes:
        assert marker not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    (tmp_path / "script").mkdir()
    (tmp_path / "scratch").mkdir()
    script = tmp_path / "script" / "script.py"
    script.write_text("open('started', 'w').close()\nwhile True: pass\n", encoding="utf-8")
    program = (
        "import sys\nfrom pathlib import Path\nfrom lester_duck.rewrite.observe import observe, setting, workspace\n"
        "how = setting(Path(sys.argv[1]), root=None, python=None)\nwith workspace() as space: observe(how, space)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    process = subprocess.Popen([sys.executable, "-c", program, str(script)], env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list((tmp_path / "scratch").glob("*/run1/started")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in errors
    assert list((tmp_path / "scratch").iterdir()) == []
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path / "scratch") not in running


def test_memory_is_limited(tmp_path):
    limits = Limits(wall=20.0, memory=2**30)
    with pytest.raises(InputError, match="MemoryError"), watched(tmp_path, "x = bytearray(3 * 2**30)\n", limits=limits):
        pass


def test_there_is_no_network_where_the_level_says_so(tmp_path):
    if not level().network:
        pytest.skip("this system allows no network namespaces")
    code = """\
        import socket
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=5)
            reached = True
        except OSError as error:
            reached = str(error)
        """
    with watched(tmp_path, code) as evidence:
        assert "unreachable" in variable(evidence.first, "reached", 6).lower()


def test_the_environment_is_empty_and_the_folder_a_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "xyz")
    code = """\
        import os
        secret = os.environ.get("A_SECRET")
        os.remove("keep.txt")
        open("new.txt", "w").write("1")
        """
    with watched(tmp_path, code, {"keep.txt": "here"}) as evidence:
        assert variable(evidence.first, "secret", 2) is None
        assert evidence.first.writes == ("new.txt",)
    assert (tmp_path / "keep.txt").read_text(encoding="utf-8") == "here"
    assert not (tmp_path / "new.txt").exists()


def test_a_link_in_the_output_is_not_followed(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("xyz", encoding="utf-8")
    (tmp_path / "work").mkdir()
    code = f"""\
        import os
        open("out.txt", "w").close()
        os.remove("out.txt")
        os.symlink({str(secret)!r}, "out.txt")
        """
    with watched(tmp_path / "work", code) as evidence:
        assert evidence.first.text("out.txt") is None


def test_an_exit_with_status_zero_is_no_failure(tmp_path):
    with watched(tmp_path, "import sys\nx = 1\nsys.exit(0)\n") as evidence:
        assert variable(evidence.first, "x", 2) == 1


def test_files_left_open_are_complete(tmp_path):
    with watched(tmp_path, "f = open('a.txt', 'w')\nf.write('all of it')\n") as evidence:
        assert evidence.first.text("a.txt") == "all of it"


def test_a_file_written_and_read_again_is_no_input(tmp_path):
    code = """\
        open("mid.txt", "w").write(open("in.txt").read())
        text = open("mid.txt").read()
        """
    with watched(tmp_path, code, {"in.txt": "a"}) as evidence:
        assert evidence.first.reads == ("in.txt",)
        assert evidence.first.rereads == ("mid.txt",)


def test_an_unknown_interpreter_is_refused(tmp_path):
    (tmp_path / "script.py").write_text("a = 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="no Python interpreter 'no-such-python'"):
        setting(tmp_path / "script.py", root=None, python="no-such-python")


def test_a_script_outside_of_the_root_is_refused(tmp_path):
    (tmp_path / "script.py").write_text("a = 1\n", encoding="utf-8")
    (tmp_path / "root").mkdir()
    with pytest.raises(InputError, match="is not inside"):
        setting(tmp_path / "script.py", root=tmp_path / "root", python=sys.executable)


def test_no_pickle_is_read(tmp_path):
    code = """\
        class Evil:
            def __reduce__(self):
                import os
                return (os.system, ("touch should-not-exist",))
        import numpy as np
        x = np.array([Evil(), 1], dtype=object)
        """
    with watched(tmp_path, code) as evidence:
        value = variable(evidence.first, "x", 6)
    assert not Path("should-not-exist").exists()
    assert value[1] == 1
