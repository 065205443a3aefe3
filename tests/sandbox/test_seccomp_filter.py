"""The seccomp program, run by a small interpreter of its machine, for both architectures."""

from __future__ import annotations

import errno
import struct

import pytest

from analyst_kernel.sandbox.linux import seccomp
from analyst_kernel.sandbox.linux.syscall_numbers import AUDIT_ARCH, NUMBERS, number

ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
ENOTSUP = 0x50000 | errno.ENOTSUP
NOTHING = 0x50000  # not made, and returns 0
ARCHES = sorted(AUDIT_ARCH)


def verdict(
    arch: str, nr: int, *arguments: int, audit: int | None = None, guard_metadata: bool = False
) -> int:
    """Interpret the program on one system call."""
    data = struct.pack(
        "=iIQ6Q",
        nr if nr < 1 << 31 else nr - (1 << 32),
        AUDIT_ARCH[arch] if audit is None else audit,
        0,
        *(value & (1 << 64) - 1 for value in (*arguments, *[0] * (6 - len(arguments)))),
    )
    at, accumulator = 0, 0
    code = seccomp.program(arch, guard_metadata=guard_metadata)
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = int.from_bytes(data[k : k + 4], "little")
            case 0x54:
                accumulator &= k
            case 0x15:
                at += if_true if accumulator == k else if_false
            case 0x35:
                at += if_true if accumulator >= k else if_false
            case 0x45:
                at += if_true if accumulator & k else if_false
            case 0x06:
                return k
            case other:
                pytest.fail(f"unknown instruction {other:#x}")


def ask(arch: str, name: str, *arguments: int, guard_metadata: bool = False) -> int:
    nr = number(name, arch)
    assert nr is not None
    return verdict(arch, nr, *arguments, guard_metadata=guard_metadata)


@pytest.mark.parametrize("arch", ARCHES)
def test_refused_calls_fail_whatever_their_arguments(arch: str) -> None:
    for name in seccomp.REFUSED:
        nr = number(name, arch)
        if nr is not None:
            assert {verdict(arch, nr), verdict(arch, nr, 1, 2, 3)} == {EPERM}, name
    for name in seccomp.ABSENT:
        assert ask(arch, name) == ENOSYS


@pytest.mark.parametrize("arch", ARCHES)
def test_everything_else_is_allowed(arch: str) -> None:
    known = {number(name, arch) for name in NUMBERS}
    metadata = {*seccomp.ATTRIBUTES, *seccomp.OWNERS_AND_MODES, *seccomp.TIMES}
    for nr in range(600):
        if nr not in known:
            assert verdict(arch, nr) == verdict(arch, nr, guard_metadata=True) == ALLOW, nr
    assert metadata <= set(NUMBERS)
    for name in metadata:
        assert verdict(arch, number(name, arch) or 0, 1, 2, 3) == ALLOW, name


@pytest.mark.parametrize("arch", ARCHES)
def test_metadata_can_be_guarded(arch: str) -> None:
    for names, expected in ((seccomp.ATTRIBUTES, ENOTSUP), (seccomp.OWNERS_AND_MODES, NOTHING)):
        for name in names:
            nr = number(name, arch)
            if nr is not None:
                guarded = [verdict(arch, nr, *some, guard_metadata=True) for some in ((), (1, 2))]
                assert guarded == [expected, expected], name
    high = 1 << 32  # the low half of a pointer may be zero
    for path, times, expected in (
        (0, 0, NOTHING), (0, 7, NOTHING), (7, 7, NOTHING), (7, high, NOTHING), (high, high, NOTHING),
        (7, 0, EPERM), (high, 0, EPERM),
    ):  # fmt: skip
        assert ask(arch, "utimensat", 3, path, times, guard_metadata=True) == expected
        if arch == "x86_64":
            assert ask(arch, "futimesat", 3, path, times, guard_metadata=True) == expected
            for name in ("utime", "utimes"):
                now = EPERM if times == 0 else NOTHING
                assert ask(arch, name, path, times, guard_metadata=True) == now
    for request in (0x40086602, 0x40046602, 0x40087602, 0x401C5820):
        assert ask(arch, "ioctl", 3, request, guard_metadata=True) == EPERM
        assert ask(arch, "ioctl", 3, request) == ALLOW
    assert ask(arch, "ioctl", 0, 0x5401, guard_metadata=True) == ALLOW
    assert ask(arch, "ioctl", 0, 0x5412, guard_metadata=True) == EPERM


@pytest.mark.parametrize("arch", ARCHES)
def test_sockets_are_local_streams_or_routing_questions(arch: str) -> None:
    stream, datagram, raw, packets = 1, 2, 3, 5
    cloexec = 0o2000000
    assert ask(arch, "socket", 1, stream) == ALLOW
    assert ask(arch, "socket", 1, stream | cloexec) == ALLOW
    assert ask(arch, "socket", 1, packets) == ALLOW
    assert ask(arch, "socket", 1, datagram) == EPERM
    assert ask(arch, "socket", 1, raw | cloexec) == EPERM
    assert ask(arch, "socket", 16, raw | cloexec, 0) == ALLOW
    assert ask(arch, "socket", 16, raw, 9) == EPERM
    for family in (0, 2, 10, 17, 31, 38, 40, 44):
        for kind in (stream, datagram, raw):
            assert ask(arch, "socket", family, kind) == EPERM
    assert ask(arch, "socketpair", 1, stream | cloexec) == ALLOW
    assert ask(arch, "socketpair", 1, datagram) == EPERM
    assert ask(arch, "socketpair", 2, stream) == EPERM


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("arch", ARCHES)
def test_connections_are_refused_or_held_and_nothing_else_differs(arch: str, guarded: bool) -> None:
    held = 0x7FC00000
    plain = seccomp.program(arch, guard_metadata=guarded)
    asks = seccomp.program(arch, guard_metadata=guarded, sockets="held")
    answers = seccomp.program(arch, guard_metadata=guarded, sockets="broker")
    connect, take = number("connect", arch), number("pidfd_getfd", arch)
    assert ask(arch, "connect", guard_metadata=guarded) == EPERM
    assert ask(arch, "pidfd_getfd", guard_metadata=guarded) == EPERM
    # The first answer counts: held comes before the refusal that is in both.
    added = [(0x15, 0, 1, connect), (0x06, 0, 0, held)]
    at = next(index for index in range(len(asks)) if asks[index : index + 2] == added)
    assert asks[:at] + asks[at + 2 :] == plain
    missing = [(0x15, 0, 1, connect), (0x06, 0, 0, EPERM), (0x15, 0, 1, take), (0x06, 0, 0, EPERM)]
    assert sorted(answers + missing) == sorted(plain)


@pytest.mark.parametrize("arch", ARCHES)
def test_threads_and_forks_are_allowed_but_no_namespaces(arch: str) -> None:
    assert ask(arch, "clone", 0x3D0F00) == ALLOW  # a thread
    assert ask(arch, "clone", 17) == ALLOW  # a fork
    for flag in (1 << 7, 1 << 17, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30):
        assert ask(arch, "clone", 17 | flag) == EPERM


@pytest.mark.parametrize("arch", ARCHES)
def test_only_the_caller_itself_can_be_limited(arch: str) -> None:
    assert ask(arch, "prlimit64", 0, 7) == ALLOW
    assert ask(arch, "prlimit64", 1234, 7) == EPERM
    assert ask(arch, "setpriority", 0, 0, 5) == ALLOW
    assert ask(arch, "setpriority", 0, 1234, 5) == EPERM
    assert ask(arch, "setpriority", 2, 0, 5) == EPERM
    assert ask(arch, "ioprio_set", 1, 0, 5) == ALLOW
    assert ask(arch, "ioprio_set", 1, 99, 5) == EPERM
    assert ask(arch, "ioprio_set", 3, 0, 5) == EPERM
    assert ask(arch, "ioctl", 0, 0x5401) == ALLOW
    assert ask(arch, "ioctl", 0, 0x5412) == EPERM
    # The kernel reads the low half only, so nothing above may hide a value.
    assert ask(arch, "ioctl", 0, (1 << 32) | 0x5412) == EPERM
    assert ask(arch, "prlimit64", (1 << 40) | 7, 7) == EPERM


@pytest.mark.parametrize("arch", ARCHES)
def test_foreign_calls_fail(arch: str) -> None:
    for audit in (0x40000003, 0xC00000B7 if arch == "x86_64" else 0xC000003E, 0):
        assert verdict(arch, 39, audit=audit) == EPERM
    if arch == "x86_64":
        assert verdict(arch, 0x40000000 + 39) == EPERM
        assert verdict(arch, 0xFFFFFFFF) == EPERM


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("arch", ARCHES)
def test_every_jump_lands_inside_the_program(arch: str, guarded: bool) -> None:
    code = seccomp.program(arch, guard_metadata=guarded)
    assert len(code) < 4096
    assert len(seccomp.packed(arch, guard_metadata=guarded)) == 8 * len(code)
    for at, (operation, if_true, if_false, _k) in enumerate(code):
        if operation in {0x15, 0x35, 0x45}:
            assert at + 1 + max(if_true, if_false) < len(code)
