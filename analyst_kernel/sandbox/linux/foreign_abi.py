"""System calls through another ABI of an x86-64 machine: int 0x80 and x32 (stdlib only).

A filter written for 64-bit numbers must stop these too. Where the kernel was built without them,
int 0x80 is a fault that ends the process: ask :func:`exists` once, outside, before trying.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import mmap
import os
import platform
import struct
import subprocess
import sys

_GETPID_I386 = bytes.fromhex("53b814000000cd805bc3")  # push rbx; mov eax,20; int 0x80; pop; ret
_GETPID_X32 = 0x40000000 + 39
_PROGRAM = bytes.fromhex("b814000000cd8031ffb83c0000000f05")  # mov eax,20; int 0x80; exit(0)


def call_getpid_i386() -> int:
    """Call getpid through int 0x80; return the pid or a negative errno."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return -errno.ENOSYS
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as m:
        m.write(_GETPID_I386)
        holder = ctypes.c_char.from_buffer(m)
        try:
            function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(holder))
            return int(function())
        finally:
            del holder


def call_getpid_x32() -> int:
    """Call getpid through the x32 table; return the pid or a negative errno."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return -errno.ENOSYS
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    result = int(libc.syscall(ctypes.c_long(_GETPID_X32)))
    return result if result >= 0 else -ctypes.get_errno()


@functools.cache
def exists() -> bool:
    """Return whether int 0x80 can be tried without ending the process; a child tries it once."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    # A program of two calls first: an interpreter takes longer than all else before a start.
    with contextlib.suppress(OSError):
        return _runs(_program())
    code = f"import runpy; runpy.run_path({os.path.abspath(__file__)!r})['call_getpid_i386']()"
    return _exits([sys.executable, "-S", "-I", "-c", code])


def _program() -> bytes:
    """Return an executable file that calls getpid through int 0x80 and then exits with 0."""
    base, ahead = 0x400000, 64 + 56
    size = ahead + len(_PROGRAM)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + ahead, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return ident + header + segment + _PROGRAM


def _runs(program: bytes) -> bool:
    """Return whether a program exits with 0; ``OSError`` where files in memory do not run."""
    file = os.memfd_create("try", os.MFD_CLOEXEC)
    try:
        os.write(file, program)
        return _exits([f"/proc/{os.getpid()}/fd/{file}"])
    finally:
        os.close(file)


def _exits(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
