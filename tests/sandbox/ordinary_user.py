"""Run kernels as a user without any privilege: as root through :func:`run_as_user`, else directly.

Run as a script it starts one kernel per backend named on its command line, tries the attacks in it,
and prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
UID = 54321


def run_as_user(*forms: str) -> dict[str, Any]:
    """Run this file for ``backends`` as an ordinary user; raises ``OSError`` where that is impossible.

    Args:
        backends: As ``start_kernel(form=...)`` takes them.
    """
    # Not below pytest's own folder, which only its owner may enter.
    place = Path(tempfile.mkdtemp(prefix="user-", dir="/var/tmp"))
    command = [sys.executable, str(Path(__file__).resolve()), *forms]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANTHROPIC_API_KEY": "SECRET-MARKER",
    }
    if os.getuid() == 0:
        # A user for each process of tests: the kernel counts processes by user.
        user = UID + os.getpid() % 10_000
        os.chown(place, user, user)
        script = f"{_opened()}cd {shlex.quote(str(place))}\n"
        script += f"exec setpriv --reuid={user} --regid={user} --clear-groups {shlex.join(command)}"
        command = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", script]
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise OSError(done.stderr[-3000:])
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _opened() -> str:
    """Shell lines that show interpreter and repository where a closed folder is on the way."""
    needed = {os.path.realpath(p) for p in (sys.base_prefix, sys.prefix, str(REPOSITORY))}
    closed: dict[str, list[str]] = {}
    for path in sorted(needed):
        for parent in reversed(Path(path).parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                closed.setdefault(str(parent), []).append(path)
                break
    lines = ""
    for parent, paths in closed.items():
        hold = "/mnt"  # covered in the namespace of the script alone
        lines += f"mount -t tmpfs -o mode=755 tmpfs {hold}\n"
        for number, path in enumerate(paths):
            lines += f"mkdir {hold}/{number}\nmount --bind {shlex.quote(path)} {hold}/{number}\n"
        lines += f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(parent)}\n"
        for number, path in enumerate(paths):
            lines += f"mkdir -p {shlex.quote(path)}\n"
            lines += f"mount --bind {hold}/{number} {shlex.quote(path)}\n"
    return lines


async def observe(form: str, folder: Path) -> dict[str, Any]:
    """Start one kernel here and try everything in it."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    from analyst_kernel.sandbox.linux import foreign_abi
    from tests.sandbox import attacks
    from tests.sandbox.conftest import KERNELSPEC, RunningKernel
    from tests.sandbox.test_bombs import FORKS

    (folder / "data").mkdir(parents=True)
    (folder / "cars.csv").write_text("a,b\n1,2\n")
    (folder / "data" / "part.csv").write_text("a\n1\n")
    for name in ("secret.csv", "data/.env"):
        (folder / name).write_text("SECRET\n")
    (folder / "data" / "out").symlink_to(folder / "secret.csv")
    shutil.copytree(KERNELSPEC, folder / "specs" / "analyst")
    specs = KernelSpecManager(kernel_dirs=[str(folder / "specs")])
    manager = AsyncKernelManager(kernel_name="analyst", kernel_spec_manager=specs)
    await manager.start_kernel(
        form=form,
        cwd=str(folder),
        notebook=str(folder / "a.ipynb"),
        grants=[str(folder / "cars.csv"), str(folder / "data")],
        limits={"processes": 64},
    )
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=120)
    kernel = RunningKernel(manager, client)
    listener = socket.create_server(("127.0.0.1", 0))
    report = kernel.provisioner.sandbox_report
    assert report is not None
    targets = {
        "secrets": [str(folder / "secret.csv")],
        "marker": "SECRET-MARKER",
        "server": os.getpid(),
        "pid_namespace": os.readlink("/proc/self/ns/pid"),
        "port": listener.getsockname()[1],
        "socket": "/nowhere",
        "datagram": "/nowhere",
        "abstract": "nowhere",
        "unwritable": [str(folder), str(folder / "data"), str(folder.parent), "/", "/usr", "/home"],
        "scratch": str(folder / "a_files" / "scratch"),
        "tmp_name": "none",
        "shm_name": "none",
        "foreign": foreign_abi.exists(),
        "runtime": kernel.provisioner.connection_info["ip"],
        "mounts": form != "landlock",
        "enclosed": True,
    }
    found = await kernel.value(f"TARGETS = {json.dumps(targets)!r}\n{attacks.CODE}")
    forked = await kernel.value(FORKS + "print(made)")
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    listener.close()
    return {
        "level": report.level,
        "open": [probe.name for probe in report.probes if not probe.closed],
        "memory": report.memory,
        "found": {name: what for name, what in found.items() if what},
        "tried": len(found),
        "forked": forked,
        "uid": os.getuid(),
        "left": sorted(path.name for path in folder.iterdir()),
    }


def _processes() -> int:
    """Count this user's processes."""
    import psutil

    return sum(
        1
        for one in psutil.process_iter(["uids"])
        if one.info["uids"] is not None and one.info["uids"].real == os.getuid()
    )


async def main(forms: list[str]) -> None:
    """Observe each backend; print one line of JSON."""
    home = Path(os.environ["HOME"])
    before = _processes()
    seen = {}
    for form in forms:
        # A limit on a user's processes comes on top of those that the user has at that moment.
        async with asyncio.timeout(60):
            while _processes() > before:
                await asyncio.sleep(0.05)
        seen[form] = await observe(form, home / form / "work")
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
