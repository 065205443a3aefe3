"""Where things are on this machine: the interpreter, its libraries, the folders of one kernel.

Looks at the file system and makes a :class:`~analyst_kernel.sandbox.policy.SandboxPolicy` of real
paths, which the policy checks.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Sequence

from analyst_kernel.protocol.errors import PolicyError
from analyst_kernel.sandbox.hidden_files import find_hidden
from analyst_kernel.sandbox.policy import (
    BackendName,
    ResourceLimits,
    SandboxPolicy,
    check_canonical,
    outermost,
    within,
)

_LIBRARIES = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/nix/store", "/gnu/store")


def system_paths(python: str = sys.executable) -> tuple[str, ...]:
    """Return the real paths that an interpreter and its libraries need, outermost ones only.

    Args:
        python: The interpreter of the kernels, which may belong to a different venv.
    """
    found = [path for path in _LIBRARIES if os.path.isdir(path) and not os.path.islink(path)]
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    # A venv's interpreter is found by its own path, and is a link into its base.
    for binary in (python, os.path.realpath(python)):
        folder = os.path.dirname(binary)
        prefixes.add(os.path.dirname(folder) if os.path.basename(folder) == "bin" else folder)
    for prefix in prefixes:
        for path in (os.path.abspath(prefix), os.path.realpath(prefix)):
            if os.path.isdir(path) and os.path.realpath(path) == path:
                found.append(path)
    # The files that set a kernel up, and the error classes that processes of a sandbox import.
    package = os.path.dirname(own_folder())
    found += [own_folder(), os.path.join(package, "kernel", "payload")]
    return outermost([*found, os.path.join(package, "protocol")])


def own_folder() -> str:
    """Return the sandbox package's folder, which the launcher is read from."""
    return os.path.dirname(os.path.realpath(__file__))


def system_links() -> tuple[tuple[str, str], ...]:
    """``(target, path)`` of the top-level links such as ``/bin -> usr/bin``."""
    links = [path for path in _LIBRARIES if os.path.islink(path)]
    return tuple((os.readlink(path), path) for path in links)


def output_folder(workdir: str, notebook: str | None) -> str:
    """Return the path of ``OUTPUT_DIR`` for a notebook, or for a working folder without one."""
    if notebook is not None:
        stem = os.path.splitext(os.path.basename(notebook))[0]
        return os.path.join(os.path.dirname(notebook), f"{stem}_files")
    try:
        notebooks = [name for name in os.listdir(workdir) if name.endswith(".ipynb")]
    except OSError:
        notebooks = []
    stem = os.path.splitext(notebooks[0])[0] if len(notebooks) == 1 else "analysis"
    return os.path.join(workdir, f"{stem}_files")


def make_output_folder(path: str) -> bool:
    """Make ``OUTPUT_DIR`` when it is missing; return whether this call made it.

    Raises:
        PolicyError: Something else, a link above all, stands there, or it cannot be made.
        PermissionError: Its parent is read-only.
    """
    try:
        os.mkdir(path, 0o755)
        made = True
    except FileExistsError:
        made = False
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise PermissionError(error.errno, "read-only", os.path.dirname(path)) from error
        raise PolicyError(f"the output folder {path} cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(os.lstat(path).st_mode) or os.path.realpath(path) != path:
        raise PolicyError(f"the output folder {path} must be a real folder, not a link")
    return made


def file_identity(path: str) -> tuple[int, int] | None:
    """Return what a file's replacement changes; None for a folder or a missing path."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return None if os.path.isdir(path) else (status.st_dev, status.st_ino)


def policy_for(
    *,
    workdir: str,
    output_dir: str,
    runtime_dir: str,
    grants: Sequence[str] = (),
    limits: ResourceLimits | None = None,
    backend: BackendName = "bubblewrap",
    landlock: bool = True,
    python: str = sys.executable,
) -> SandboxPolicy:
    """Make a policy for this machine.

    Grants are followed to their real paths; one that is gone is left out, as is one inside
    ``output_dir``, which can be read anyway.

    Raises:
        PolicyError: A path may not be shown, or a granted folder is too large to look for hidden
            files in it.
    """
    real = [os.path.realpath(path) for path in grants]
    shown = [path for path in real if os.path.exists(path) and not within(path, output_dir)]
    system = system_paths(python)
    by_name = (*shown, *system, output_dir, runtime_dir)
    hidden: list[str] = []
    for path in outermost(shown):
        check_canonical(path)
        try:
            found = find_hidden(path, by_name)
        except OverflowError as error:
            raise PolicyError(f"{error}; grant the files or a smaller folder") from error
        hidden += [entry for entry in found if not within(entry, output_dir)]
    return SandboxPolicy(
        workdir=os.path.realpath(workdir),
        output_dir=output_dir,
        grants=tuple(dict.fromkeys(shown)),
        runtime_dir=runtime_dir,
        system=system,
        hidden=tuple(hidden),
        limits=limits or ResourceLimits(),
        backend=backend,
        landlock=landlock,
    )
