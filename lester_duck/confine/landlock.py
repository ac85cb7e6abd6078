"""Landlock: a process gives up access to files, TCP and signals for itself and all it starts.

Numbers and structures are those of the kernel's ``linux/landlock.h``; the system calls are made
through ctypes. Loaded by path inside the sandbox too: standard library only, and syntax that
Python 3.8 accepts.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_CHANGE = sum(1 << bit for bit in range(4, 13))
"""Remove and make: directories, files, devices, sockets, pipes, links."""
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL
_TCP = 3
_SCOPES = 3
"""Abstract sockets and signals stay inside."""


def abi():
    """The version of Landlock the kernel offers; 0 when there is none."""
    return max(0, _libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))


def restrict(read, write, reading=True, tcp=False):
    """Keep this process to reading below ``read`` and ``write`` and changing below ``write``; returns the ABI.

    Paths that do not exist are left out. Without ``reading``, only changes are restricted: for a
    narrower layer over an earlier one. ``tcp`` refuses connections, where there is a network.
    Raises OSError when the kernel refuses.
    """
    version = abi()
    if not version:
        return 0
    change = WRITE_FILE | _CHANGE
    change |= (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    look = EXECUTE | READ_FILE | READ_DIR if reading else 0
    scopes = _SCOPES if version >= 6 and reading else 0  # a later layer would only repeat them
    parts = [look | change, _TCP if version >= 4 and tcp else 0, scopes]
    attributes = struct.pack("=3Q", *parts)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        for paths, rights in ((read, look), (write, look | change)):
            for path in paths:
                _allow(ruleset, path, rights)
        no_new_privileges()
        _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return version


def no_new_privileges():
    """Programs started from here gain nothing from set-user-id bits or file capabilities."""
    if _libc().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")


def _allow(ruleset, path, rights):
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # what this process cannot find, the program cannot either
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= _OF_FILES
        if rights:
            rule = struct.pack("=Qi", rights, opened)
            _call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(opened)


def _call(number, *arguments):
    result = _libc().syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _libc():
    return ctypes.CDLL(None, use_errno=True)
