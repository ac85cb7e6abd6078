"""The program that runs a script inside the sandbox and writes down what it did.

Run as a file by the user's interpreter: ``python child.py OPTIONS``, jobs as JSON lines on its
standard input. Standard library only, and syntax that Python 3.8 accepts. Each job runs in a process
forked from one that has already imported the large libraries, so that running a script again costs
little.
"""

# old interpreters read this file, and os.path costs them no import
# ruff: noqa: PTH100, PTH112, PTH118, PTH120, PTH123, RUF059, SIM115, UP031
from __future__ import annotations

import ast
import atexit
import builtins
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import sys
import time
import traceback
import types

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_BYTES = 256 * 1024 * 1024
MAX_CALLS = 100
"""Calls of a method on one line that are kept."""
MAX_ROWS = 5000
"""The same where each is given one row, in a loop over rows."""
MAX_OUTPUT = 1024 * 1024
"""Bytes kept of what a run prints; it may print more."""
POLL = 0.01


def sibling(name, path=None):
    """Import a file, by default one that stands beside this one, without its folder being on the path."""
    spec = importlib.util.spec_from_file_location("_lester_" + name, path or os.path.join(HERE, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def one_row(x):
    """Whether an estimator is given a single row."""
    shape = getattr(x, "shape", None)
    return shape[:1] == (1,) if isinstance(shape, tuple) else isinstance(x, (list, tuple)) and len(x) == 1


class Recorder:
    """What one run did, in the order it happened."""

    def __init__(self, job, script):
        self.encoder = sibling("child_encode").Encoder(job["out"])
        self.root = os.path.realpath(job["folder"])
        self.process = os.getpid()
        self.stop = job.get("stop")
        self.names = None if job.get("names") is None else frozenset(job["names"])
        self.fit = job.get("fit")
        self.script = script
        self.events = []
        self.values = []
        self.known = {}
        self.calls = {}
        self.bytes = 0
        self.quiet = 0
        self.on = []
        self.hits = []
        self.sites = []

    def note(self, kind, **facts):
        """Append one event."""
        self.events.append(dict(facts, kind=kind))

    def audit(self, event, arguments):
        """Remember files of the folder that are opened."""
        if event != "open" or self.quiet or not isinstance(arguments[0], (str, bytes)):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        mode, flags = arguments[1], arguments[2] or 0
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else any(c in mode for c in "wax+")
        if path.startswith(self.root + os.sep):
            relative = os.path.relpath(path, self.root)
            if not relative.endswith((".py", ".pyc", ".ipynb")) and not os.path.isdir(path):
                self.note("write" if writes else "read", path=relative)

    def keep(self, value):
        """The number of a value's encoding; equal values share one."""
        text = json.dumps(self.encoder.encode(value))
        if text not in self.known:
            if self.bytes + len(text) > MAX_BYTES:
                text = '["cap"]'
            self.bytes += len(text)
            self.known.setdefault(text, len(self.values))
            if self.known[text] == len(self.values):
                self.values.append(text)
        return self.known[text]

    def snap(self, number, scope):
        """Called by the instrumented program after a statement."""
        first, last, names, in_function = self.sites[number]
        self.hits[number] += 1
        if self.hits[number] > 1:
            self.on[number] = False
            self.note("again", line=last)
            return
        self.quiet += 1
        try:
            for name in names if self.names is None else self.names.intersection(names):
                value = scope.get(name, self)
                if value is not self and not isinstance(value, (types.ModuleType, types.FunctionType, type)):
                    self.note("value", variable=name, first=first, last=last, value=self.keep(value))
        finally:
            self.quiet -= 1

    def call(self, estimator, method, x, y, nested):
        """Called before an estimator's method runs."""
        self.quiet += 1
        try:
            name, line = type(estimator).__name__, self.line()
            if not self.wanted(name, method):
                return
            key = (name, method, line)
            self.calls[key] = self.calls.get(key, 0) + 1
            most = MAX_ROWS if one_row(x) else MAX_CALLS
            if self.calls[key] <= most:
                self.note("call", estimator=name, method=method, line=line, nested=nested,
                          x=self.keep(x), y=self.keep(y))  # fmt: skip
            elif self.calls[key] == most + 1:
                self.note("more", estimator=name, method=method, line=line)
        finally:
            self.quiet -= 1
        if self.stop and self.stop["estimator"] == name and method.startswith("fit"):
            raise sibling_probe().Stop

    def wanted(self, name, method):
        """Whether calls of a method are kept."""
        return self.names is None or name == self.fit

    def line(self):
        """The line of the script that is running."""
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_filename != self.script:
            frame = frame.f_back
        return frame.f_lineno if frame is not None else 0

    def save(self, folder, failure):
        """Write the record; values are written once each, in the order they were first seen."""
        if os.getpid() != self.process:
            return  # the program forked; its parent keeps the record
        self.quiet += 1
        with open(os.path.join(folder, "events.json"), "w", encoding="ascii") as file:
            file.write('{"events": ' + json.dumps(self.events))
            file.write(', "failure": ' + json.dumps(failure))
            file.write(', "values": [' + ",".join(self.values) + "]}")


def sibling_probe():
    """The probe module, imported once."""
    return sys.modules.get("_lester_child_probe") or sibling("child_probe")


def describe(error, script):
    """Kind, message and place (line of the script, deepest first) of an exception."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == script]
    if isinstance(error, SyntaxError) and error.filename == script:
        lines.append(error.lineno)
    try:
        message = str(error)
    except Exception as other:  # noqa: BLE001 - the program's own code makes the text
        message = "no message (%s while it was made)" % type(other).__name__
    return {"type": type(error).__name__, "message": message[:2000], "line": lines[-1] if lines else 0}


def limit(limits):
    """Lower this process's limits; they cannot be raised again without privileges."""
    import resource

    names = {"cpu": "RLIMIT_CPU", "memory": "RLIMIT_AS", "file": "RLIMIT_FSIZE", "processes": "RLIMIT_NPROC",
             "files": "RLIMIT_NOFILE"}  # fmt: skip
    for key, name in names.items():
        if limits.get(key) and hasattr(resource, name):
            kind = getattr(resource, name)
            _, hard = resource.getrlimit(kind)
            value = limits[key] if hard == resource.RLIM_INFINITY else min(limits[key], hard)
            resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def narrow(job, path):
    """Let this process change its own folders only; the confinement around it stays."""
    try:
        landlock = sibling("landlock", path)
    except ImportError:
        return  # an interpreter without ctypes: the confinement around it has to do
    landlock.restrict([], [job["folder"], job["out"], "/dev/null", "/dev/shm"], reading=False)


def run(job, options):
    """Run one job in this process; returns the exit code to leave with."""
    os.chdir(job["folder"])
    script = os.path.join(job["folder"], job["script"])
    recorder = Recorder(job, script)
    failure = None
    probe = sibling_probe()
    try:
        with open(script, "rb") as file:
            source = file.read()
        tree = ast.parse(source, script)
        instrument = probe.Instrument()
        if job.get("variables", True):
            tree = instrument.apply(tree)
        code = compile(tree, script, "exec")
        recorder.sites = instrument.sites
        recorder.on = [recorder.names is None or bool(recorder.names.intersection(s[2])) for s in instrument.sites]
        recorder.hits = [0] * len(instrument.sites)
        builtins.__lester_on__ = recorder.on
        builtins.__lester_snap__ = recorder.snap
        builtins.__lester_locals__ = locals
        if job["script"].endswith(".ipynb"):
            builtins.display = print
        if "sklearn.base" in sys.modules:
            probe.FitProbe(recorder.call).install()
        main = types.ModuleType("__main__")
        main.__file__ = script
        sys.modules["__main__"] = main
        sys.argv = [job["script"]] + job.get("arguments", [])
        sys.path.insert(0, os.path.dirname(script))
        if job.get("shift"):
            sibling("child_clock").shift_clock(job["shift"], source.decode("utf-8", "replace"))
        limit(job["limits"])
        if options.get("landlock"):
            narrow(job, options["landlock"])
        sys.addaudithook(recorder.audit)
        exec(code, main.__dict__)
    except probe.Stop:
        recorder.note("stopped")
    except SystemExit as error:
        if error.code not in (None, 0):
            failure = dict(describe(error, script), message="exit status %s" % (error.code,))
    except BaseException as error:  # noqa: BLE001 - whatever ends the program is reported
        failure = describe(error, script)
    recorder.save(job["out"], failure)
    return 1 if failure else 0


def main(options):
    """Serve jobs until the pipe is closed, each in a forked process with its own time limit."""
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    for name in options["preimport"]:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # the script will say so itself, with its own line
    sibling("child_encode")
    sibling("child_probe")
    gc.collect()
    gc.freeze()  # what is here is never looked at again, nor copied into the processes of the jobs for it
    os.write(replies, b"ready\n")
    rest = b""
    while True:
        read = os.read(requests, 65536)
        if not read:
            return
        rest += read
        while b"\n" in rest:
            line, rest = rest.split(b"\n", 1)
            status = serve(json.loads(line.decode()), options, (requests, replies))
            os.write(replies, json.dumps(status).encode() + b"\n")


def serve(job, options, ours):
    """Fork a process for a job and wait for it; what it prints is kept in part."""
    sys.stdout.flush()
    sys.stderr.flush()
    pipes = {name: os.pipe() for name in ("stdout", "stderr")}
    process = os.fork()
    if process == 0:
        os.setpgid(0, 0)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(pipes[name][1], number)
        for descriptor in ours + pipes["stdout"] + pipes["stderr"]:
            os.close(descriptor)
        private = os.path.join(job["out"], "tmp")
        if "TMPDIR" in os.environ and not options.get("trusted"):
            os.environ["HOME"] = os.environ["TMPDIR"] = private
        if "tempfile" in sys.modules:
            sys.modules["tempfile"].tempdir = None
        leave(run(job, options), job["folder"])
    kept = {}
    for name, (reading, writing) in pipes.items():
        os.close(writing)
        os.set_blocking(reading, False)
        kept[reading] = [open(os.path.join(job["out"], name), "wb"), MAX_OUTPUT]
    status = wait(process, job["limits"]["wall"], kept)
    end_left(process, options["own"])
    drain(kept, list(kept))
    for reading, (file, _) in kept.items():
        file.close()
        os.close(reading)
    return status


def leave(code, folder):
    """End the process as an interpreter does, without taking apart the libraries, which costs more than most runs.

    Threads are waited for, exit functions called, and the objects of the program and of the modules
    in its folder dropped: files it left open are written.
    """
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - an interpreter reports it and goes on to end
        traceback.print_exc()
    own = [m for m in list(sys.modules.values()) if str(getattr(m, "__file__", None)).startswith(folder + os.sep)]
    for module in own:
        if isinstance(module, types.ModuleType):
            module.__dict__.clear()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue  # the program replaced or closed it
    os._exit(code)


def drain(kept, ready):
    """Read what was printed, and keep its beginning; closed pipes are no longer waited for."""
    open_ = []
    for reading in ready:
        try:
            data = os.read(reading, 1 << 16)
        except BlockingIOError:
            continue
        file, left = kept[reading]
        file.write(data[:left])
        kept[reading][1] = max(0, left - len(data))
        if data:
            open_.append(reading)
    return open_


def wait(process, seconds, kept):
    """Wait for a process; at the deadline it is killed."""
    start = time.monotonic()
    waiting = list(kept)
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        spent = time.monotonic() - start
        if done:
            break
        if spent > seconds:
            os.kill(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
            break
        ready = select.select(waiting, [], [], POLL)[0]
        still = drain(kept, ready)
        waiting = [reading for reading in waiting if reading not in ready or reading in still]
    killed = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return {"exit": killed, "seconds": round(spent, 3), "timeout": spent > seconds}


def end_left(process, own):
    """Kill what the job left: in a process namespace of our own everything, else its group."""
    alone = own and os.getpid() == 1
    while True:
        try:
            if alone:
                os.kill(-1, signal.SIGKILL)
            else:
                os.killpg(process, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nothing of it is left
        try:
            os.waitpid(-1, 0 if alone else os.WNOHANG)
        except ChildProcessError:
            return
        if not alone:
            return


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
