"""Where things are on this machine: the interpreter, its libraries, the folders of one kernel.

Looks at the file system and makes a :class:`~analyst_kernel.sandbox.policy.SandboxPolicy` of real
paths, which the policy checks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from analyst_kernel._real_paths import identify
from analyst_kernel.grants import Grant, GrantRefused, default_path
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

_VENV = "pyvenv.cfg"
_VENV_PARTS = ("bin", "lib", "lib64", "include", "share", "etc", _VENV)
_MOST_LINKS = 40  # as the system
_LIBRARIES = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/nix/store", "/gnu/store")


def system_paths(python: str = sys.executable, output_dir: str = "") -> tuple[str, ...]:
    """Return the real paths that an interpreter and its libraries need, outermost ones only.

    Args:
        python: The interpreter of the kernels, which may belong to a different venv.
        output_dir: Of a virtual environment that this lies in (``python -m venv .`` beside a
            notebook) the parts with code alone are returned: the rest of it is the user's.
    """
    found = [path for path in _LIBRARIES if os.path.isdir(path) and not os.path.islink(path)]
    for prefix in _prefixes(python):
        for path in (os.path.abspath(prefix), os.path.realpath(prefix)):
            if os.path.isdir(path) and os.path.realpath(path) == path:
                whole = not output_dir or not within(output_dir, path)
                whole = whole or not os.path.isfile(os.path.join(path, _VENV))
                found += [path] if whole else _parts_of(path)
    # What sets a kernel up, and what a reader runs; our own code holds no secrets.
    return outermost([*found, os.path.dirname(own_folder())])


def _prefixes(python: str) -> set[str]:
    """Return the folders of this interpreter, of ``python`` and of what that is a link to."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    # A venv's interpreter is found by its own path, and is a link into its base or a copy.
    for binary in (python, os.path.realpath(python)):
        folder = os.path.dirname(binary)
        prefixes.add(os.path.dirname(folder) if os.path.basename(folder) == "bin" else folder)
    base = _home_of(python)
    if base:
        prefixes.add(os.path.dirname(base))
    return prefixes


def _home_of(python: str) -> str:
    """Return where the base of a virtual environment has its interpreter; empty if it is none."""
    configuration = os.path.join(os.path.dirname(os.path.dirname(python)), _VENV)
    with contextlib.suppress(OSError), open(configuration, encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.partition("=")
            if name.strip() == "home" and os.path.isabs(value.strip()):
                return value.strip()
    return ""


def _parts_of(prefix: str) -> list[str]:
    """Return the real entries of a virtual environment that hold code, not what a user put in."""
    parts = [os.path.join(prefix, name) for name in _VENV_PARTS]
    return [path for path in parts if os.path.exists(path) and not os.path.islink(path)]


def own_folder() -> str:
    """Return the sandbox package's folder, which the launcher is read from."""
    return os.path.dirname(os.path.realpath(__file__))


def system_links(
    python: str = sys.executable, system: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """``(target, path)`` of links such as ``/bin -> usr/bin``, and those on the way to ``python``.

    The latter only where they don't lie in what is shown anyway, that is in ``system``. Some tools
    make environments whose interpreter is found through several links, of folders too.
    """
    links = {path: os.readlink(path) for path in _LIBRARIES if os.path.islink(path)}
    prefix = os.path.dirname(os.path.dirname(python))
    for path in (python, _home_of(python), os.path.join(prefix, "lib64")):
        links |= {
            link: target
            for link, target in _links_on_the_way(path)
            if not any(within(link, shown) for shown in system)
        }
    return tuple((target, path) for path, target in sorted(links.items()))


def _links_on_the_way(path: str) -> list[tuple[str, str]]:
    """Return ``(path, target)`` of every link that is followed to open ``path``."""
    found: list[tuple[str, str]] = []
    here, left = "/", path.split("/")
    while left and len(found) < _MOST_LINKS:
        name = left.pop(0)
        if name in ("", "."):
            continue
        step = os.path.dirname(here) if name == ".." else os.path.join(here, name)
        if not os.path.islink(step):
            here = step
            continue
        target = os.readlink(step)
        found.append((step, target))
        here = "/" if os.path.isabs(target) else here
        left = [*target.split("/"), *left]
    return found


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


class ShownPath(NamedTuple):
    """A granted path, and the device and inode of what may be shown there."""

    path: str
    device: int
    inode: int


def shown_paths(grants: Iterable[Grant]) -> tuple[list[ShownPath], list[str]]:
    """Return what of the grants may be shown, and a sentence about each that may not."""
    shown: list[ShownPath] = []
    notes: list[str] = []
    for grant in grants:
        try:
            now = grant.look()
        except FileNotFoundError:
            notes.append(f"{grant.path} was granted but is gone.")
        except GrantRefused as error:
            notes.append(str(error))
        else:
            shown.append(ShownPath(grant.path, now.device, now.inode))
    return shown, notes


def is_package(path: str) -> bool:
    """Return whether a granted path is a package that was fetched for the user, by its place."""
    return os.path.dirname(path) == os.path.realpath(default_path().parent / "packages")


def file_identity(path: str) -> tuple[int, int] | None:
    """Return what a file's replacement changes; None for a folder, a link or a missing path."""
    try:
        now = identify(path)
    except OSError:
        return None
    return None if now.kind == "folder" else (now.device, now.inode)


def policy_for(
    *,
    workdir: str,
    output_dir: str,
    runtime_dir: str,
    grants: Sequence[ShownPath] = (),
    limits: ResourceLimits | None = None,
    backend: BackendName = "bubblewrap",
    landlock: bool = True,
    python: str = sys.executable,
) -> SandboxPolicy:
    """Make a policy for this machine.

    A grant inside ``output_dir``, which can be read anyway, is left out. No path is followed
    anywhere: generated code may have put a link there since somebody looked.

    Raises:
        PolicyError: A path may not be shown, or a granted folder is too large to look for hidden
            files in it.
    """
    kept = {item.path: item for item in grants if not within(item.path, output_dir)}
    shown = tuple(kept)
    system = system_paths(python, output_dir)
    by_name = (*shown, *system, output_dir, runtime_dir)
    hidden: list[str] = []
    for path in outermost(shown):
        check_canonical(path)
        if is_package(path):
            continue  # code as it was published, which needs its hidden folders of libraries
        try:
            found = find_hidden(path, by_name)
        except OverflowError as error:
            raise PolicyError(f"{error}; grant the files or a smaller folder") from error
        hidden += [entry for entry in found if not within(entry, output_dir)]
    return SandboxPolicy(
        workdir=os.path.realpath(workdir),
        output_dir=output_dir,
        grants=shown,
        identities=tuple((item.device, item.inode) for item in kept.values()),
        runtime_dir=runtime_dir,
        system=system,
        links=system_links(python, system),
        hidden=tuple(hidden),
        limits=limits or ResourceLimits(),
        backend=backend,
        landlock=landlock,
    )
