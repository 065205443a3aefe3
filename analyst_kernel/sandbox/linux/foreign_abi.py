"""System calls through another ABI of an x86-64 machine: int 0x80 and x32 (stdlib only).

A filter written for 64-bit numbers must stop these too. Where the kernel was built without them,
int 0x80 is a fault that ends the process: ask :func:`exists` once, outside, before trying.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import platform
import subprocess
import sys

_GETPID_I386 = bytes.fromhex("53b814000000cd805bc3")  # push rbx; mov eax,20; int 0x80; pop; ret
_GETPID_X32 = 0x40000000 + 39


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
    code = f"import runpy; runpy.run_path({os.path.abspath(__file__)!r})['call_getpid_i386']()"
    command = [sys.executable, "-S", "-I", "-c", code]
    finished = subprocess.run(command, capture_output=True, timeout=30, check=False)
    return finished.returncode == 0
