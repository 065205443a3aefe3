"""Removes folders that code of a kernel could write, whatever it left in them.

``shutil.rmtree`` ends in a RecursionError below a thousand levels, and can't enter folders whose
mode forbids it. Here every subfolder is moved up before its parent is removed, so that neither
paths nor the stack grow with the depth.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil

_READ_FOLDER = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_BY_DESCRIPTOR = {os.open, os.rename, os.unlink, os.rmdir, os.chmod} <= os.supports_dir_fd


def remove_tree(path: str | os.PathLike[str]) -> bool:
    """Remove a folder and everything in it, as far as possible; return whether it is gone.

    Links are removed and never followed. Nothing may be writing to the folder any more.
    """
    if not _BY_DESCRIPTOR or os.scandir not in os.supports_fd:
        shutil.rmtree(path, ignore_errors=True)
        return not os.path.lexists(path)
    with contextlib.suppress(OSError):
        top = _opened(os.path.basename(os.fspath(path).rstrip("/")), _parent(path))
        try:
            while _pass(top):
                pass
        finally:
            os.close(top)
        os.rmdir(path)
    return not os.path.lexists(path)


def _parent(path: str | os.PathLike[str]) -> str:
    return os.path.dirname(os.path.abspath(path))


def _opened(name: str, parent: int | str) -> int:
    """Open a folder in ``parent`` (a descriptor or a path), which its owner may forbid himself."""
    if isinstance(parent, str):
        folder = os.open(parent, _READ_FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            return _opened(name, folder)
        finally:
            os.close(folder)
    try:
        return os.open(name, _READ_FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, _READ_FOLDER, dir_fd=parent)


def _pass(top: int) -> bool:
    """Remove what lies in the top folder, each subfolder's own subfolders moved up to it.

    Return whether another pass may remove more.
    """
    removed = False
    for name in _clear(top, top):
        with contextlib.suppress(OSError):
            folder = _opened(name, top)
            try:
                os.fchmod(folder, 0o700)
                _clear(folder, top)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)
            removed = True
    return removed


def _clear(folder: int, top: int) -> list[str]:
    """Remove the files of a folder and move its subfolders up; return those that are on top."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    below: list[str] = []
    for name, is_folder in found:
        with contextlib.suppress(OSError):
            if not is_folder:
                os.unlink(name, dir_fd=folder)
            elif folder == top:
                below.append(name)
            else:
                # A folder whose mode forbids writing cannot be moved.
                os.chmod(name, 0o700, dir_fd=folder)
                os.rename(name, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=top)
    return below
