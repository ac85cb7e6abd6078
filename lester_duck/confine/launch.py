"""The program between us and a program nobody has vouched for: it confines itself, then becomes it.

Run as a file: ``python -I -S launch.py SPEC COMMAND...``. SPEC is JSON:

    read, write    paths the program may read and run, and also change
    spaces         make namespaces: users, processes, network, mounts, messages
    files          restrict files with Landlock
    lifeline       a descriptor of ours; when its other end closes, everything ends
    memory, disk   bytes that all its processes may hold and all its writable folders may gain

Exit codes: the program's own, 128 + signal, or one of the codes below. With SPEC alone, what this
system allows is printed as JSON.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import resource
import select
import signal
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

MEMORY, DISK, FAILED = 101, 102, 103
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_OTHER = 65534
"""The user that root's programs run as, so that limits bind."""
_KEPT = (1, 3)
"""Of root's rights over its own files (DAC_OVERRIDE, FOWNER): the scratch copy is root's."""
_REC_PRIVATE = 0x44000
_PROC_FLAGS = 0xE
_BIND, _DETACH, _RECURSIVE, _RDONLY, _NOSUID = 0x5000, 2, 0x8000, 1, 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, -1)
_MOUNT_SETATTR = 442
_PR = {"KEEPCAPS": 8, "CAPBSET_DROP": 24, "AMBIENT": 47, "SUBREAPER": 36}
_LOOK = 0.2

_libc = ctypes.CDLL(None, use_errno=True)


def _sibling(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"_confine_{name}", Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise FileNotFoundError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


landlock = _sibling("landlock")


def main(spec: dict[str, Any], command: list[str]) -> int:
    """Confine and run ``command``; returns the exit code."""
    if not command:
        print(json.dumps(probe()))
        return 0
    if spec["spaces"]:
        enter_spaces()
    else:
        _prctl("SUBREAPER", 1)  # what it leaves behind comes back to us
    program = os.fork()
    if program == 0:
        _become(spec, command)
    return _watch(program, spec)


def probe() -> dict[str, bool]:
    """What this system allows: namespaces, Landlock, a number of processes that binds."""
    done = os.fork()
    if done == 0:
        code = 1
        with suppress(OSError):
            enter_spaces()
            inner = os.fork()
            if inner == 0:
                with suppress(OSError):
                    _in_spaces(["/usr", "/lib", "/lib64", "/bin"], ["/dev/null"])
                    code = 0
                os._exit(code)
            code = 0 if os.waitpid(inner, 0)[1] == 0 else 1
        os._exit(code)
    spaces = os.waitpid(done, 0)[1] == 0
    return {"spaces": spaces, "files": landlock.abi() > 0, "counted": spaces or os.getuid() != 0}


def enter_spaces() -> None:
    """Leave this process's namespaces for new ones; processes forked later are alone in theirs."""
    uid, gid = os.getuid(), os.getgid()
    ready, go = os.pipe()
    mapped, done = os.pipe()
    helper = os.fork()
    if helper == 0:  # stands outside: only there root may map a second user
        os.close(go)
        os.close(mapped)
        os.read(ready, 1)
        os._exit(0 if _map(os.getppid(), uid, gid) else 1)
    os.close(ready)
    os.close(done)
    try:
        _check(_libc.unshare(_NEWUSER | _NEWNET | _NEWPID | _NEWIPC | _NEWUTS | _NEWNS), "unshare")
        os.write(go, b"1")
    finally:
        os.close(go)
        os.read(mapped, 1)
        os.close(mapped)
        failed = os.waitpid(helper, 0)[1]
    if failed:
        raise PermissionError("the user could not be mapped")


def _map(process: int, uid: int, gid: int) -> bool:
    folder = Path(f"/proc/{process}")
    maps = [(f"0 0 1\n1 {_OTHER} 1\n", f"0 0 1\n1 {_OTHER} 1\n")] if uid == 0 else []
    for users, groups in [*maps, (f"{uid} {uid} 1\n", f"{gid} {gid} 1\n")]:
        with suppress(OSError):
            (folder / "uid_map").write_text(users, encoding="ascii")
            if uid != 0:
                (folder / "setgroups").write_text("deny", encoding="ascii")
            (folder / "gid_map").write_text(groups, encoding="ascii")
            return True
    return False


def _in_spaces(read: list[str], write: list[str]) -> None:
    """See only the paths given, an own /proc and /dev/shm; for root, be another user."""
    folder = Path.cwd()
    _check(_libc.unshare(_NEWNS), "unshare")
    _mount(b"none", "/", None, _REC_PRIVATE)
    mapped = Path("/proc/self/uid_map").read_text(encoding="ascii")
    sources = {path: os.open(path, os.O_PATH) for path in _outermost(read, write) if Path(path).exists()}
    root = "/tmp"  # covered by the new root: what is bound from below it was opened before
    _mount(b"tmpfs", root, b"tmpfs", 0, b"size=16m,mode=755")
    for path, source in sources.items():
        _bind(path, source, root, path in write)
    for name, kind, flags, data in (("proc", b"proc", _PROC_FLAGS, None), ("dev/shm", b"tmpfs", 0, b"size=512m")):
        Path(root, name).mkdir(parents=True, exist_ok=True)
        _mount(kind, f"{root}/{name}", kind, flags, data)
    Path(root, "tmp").mkdir(exist_ok=True)
    os.chdir(root)
    _check(_libc.syscall(_PIVOT_ROOT, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _DETACH), "umount")
    _read_only("/", 0)
    os.chdir(folder)
    if os.getuid() == 0 and str(_OTHER) in mapped:
        _be_another()


def _outermost(read: list[str], write: list[str]) -> list[str]:
    """Paths, shallow ones first, without those to read that stand below another one."""
    kept: list[str] = []
    for path in sorted({*read, *write}, key=lambda p: (p.count("/"), p)):
        inside = any(path.startswith(other.rstrip("/") + "/") for other in kept)
        if not path.startswith("/proc") and (path in write or not inside):
            kept.append(path)
    return kept


def _bind(path: str, source: int, root: str, writable: bool) -> None:
    target = Path(root + path)
    if Path(path).is_symlink() and not writable:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(Path(path).readlink())
        return
    if stat.S_ISDIR(os.fstat(source).st_mode):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(f"/proc/self/fd/{source}".encode(), str(target), None, _BIND)
    if not writable:
        _read_only(str(target), _RECURSIVE)


def _mount(source: bytes, target: str, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
    _check(_libc.mount(source, target.encode(), kind, ctypes.c_ulong(flags), data), f"mount {target}")


def _read_only(target: str, flags: int) -> None:
    attributes = (ctypes.c_uint64 * 4)(_RDONLY | _NOSUID, 0, 0, 0)
    _check(_libc.syscall(_MOUNT_SETATTR, -100, target.encode(), flags, attributes, ctypes.c_size_t(32)), target)


def _be_another() -> None:
    _prctl("KEEPCAPS", 1)
    for right in range(64):
        if right not in _KEPT:
            _libc.prctl(_PR["CAPBSET_DROP"], right, 0, 0, 0)
    os.setgroups([])
    os.setresgid(1, 1, 1)
    os.setresuid(1, 1, 1)
    rights = sum(1 << right for right in _KEPT)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)(rights, rights, rights, 0, 0, 0)), "capset")
    for right in _KEPT:
        _check(_libc.prctl(_PR["AMBIENT"], 2, right, 0, 0), "ambient rights")


def _become(spec: dict[str, Any], command: list[str]) -> NoReturn:
    """Give up what is to be given up, then execute the program."""
    try:
        read = list(spec["read"])
        if spec["spaces"]:
            _in_spaces(read, spec["write"])
            read.append("/proc")
        if spec["files"]:
            write = [*spec["write"], *(["/dev/shm"] if spec["spaces"] else [])]
            landlock.restrict(read, write, tcp=not spec["spaces"])
        landlock.no_new_privileges()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.close(spec["lifeline"])
        os.execv(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}: {error.filename or command[0]}\n")
        os._exit(FAILED)


def _watch(program: int, spec: dict[str, Any]) -> int:
    """Wait for the program, and end it when we are gone or it takes more than it may."""
    pidfd = os.pidfd_open(program)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(spec["lifeline"], select.POLLHUP)
    before = _size(spec["write"], 0) if spec["disk"] else 0
    checked = time.monotonic()
    code = None
    while code is None:
        ready = {fd for fd, _ in poll.poll(_LOOK * 1000)}
        if pidfd in ready:
            break
        if spec["lifeline"] in ready:
            code = FAILED
        elif spec["memory"] and _held(program) > spec["memory"]:
            code = MEMORY
        elif spec["disk"] and time.monotonic() - checked > 1:
            code = DISK if _size(spec["write"], before + spec["disk"]) > before + spec["disk"] else None
            checked = time.monotonic()
    if code is not None:
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    _end_left()
    if code is not None:
        return code
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _end_left() -> None:
    """End processes that came back to us because their parents are gone (without a process namespace)."""
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for child in _children(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


def _children(process: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        texts = [(task / "children").read_text(encoding="ascii") for task in tasks]
    except OSError:
        return []  # it has ended
    return [int(number) for text in texts for number in text.split()]


def _held(process: int) -> int:
    """Bytes that a process and all below it hold, shared pages counted in parts where they matter."""
    family, todo = [], [process]
    while todo:
        member = todo.pop()
        family.append(member)
        todo.extend(_children(member))
    whole = sum(_resident(member) for member in family)
    return whole if len(family) < 3 else sum(_share(member) for member in family)


def _resident(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0  # it has ended
    return pages * resource.getpagesize()


def _share(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0  # it has ended
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def _size(folders: list[str], enough: int) -> int:
    """Bytes on disk below folders; counting stops above ``enough`` unless that is 0."""
    total, todo = 0, [folder for folder in folders if not folder.startswith("/dev/")]
    while todo and (not enough or total <= enough):
        with suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def _prctl(name: str, value: int) -> None:
    _check(_libc.prctl(_PR[name], value, 0, 0, 0), name)


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
