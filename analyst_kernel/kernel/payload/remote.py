"""Runs inside the kernel: addresses of attached remote data read their copies here.

The kernel has no network. The lines that read ``s3://bucket/file.csv`` with the network elsewhere
(pandas, fsspec, pyarrow, DuckDB, urllib) read, here, the copy that was fetched when the address was
attached. Nothing else is at those addresses: any other one is an error that says so. Standard
library only; never imported by the package. Nothing happens in a kernel without remote data.
"""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

SCHEMES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az",
           "abfss": "az", "http": "http", "https": "https"}  # fmt: skip
"""Scheme of an address to the one that lists of copies use."""

_copies: dict[str, str] = {}
_folders: dict[str, str] = {}
_done: set[str] = set()


def install(when_imported: Callable[[str, Callable[[Any], None]], None]) -> None:
    """Read the lists of copies, and have libraries use them; may be called again."""
    number = 0
    while text := os.environ.get(f"ANALYST_REMOTE_{number}"):
        _read(text)
        number += 1
    if not _copies or "install" in _done:
        return
    _done.add("install")
    when_imported("fsspec", _on_fsspec)
    when_imported("pandas.io.parquet", _on_parquet)
    when_imported("pyarrow.fs", _on_arrow)
    when_imported("pyarrow.parquet.core", _on_arrow)
    when_imported("duckdb", _on_duckdb)
    when_imported("urllib.request", _on_urllib)


def _read(text: str) -> None:
    """Take one list of copies: JSON of a folder and of the objects in it."""
    listed = json.loads(text)
    for address, file in listed["objects"].items():
        _copies[canonical(address)] = os.path.join(listed["folder"], file)
    if listed.get("address"):
        _folders[canonical(listed["address"])] = listed["folder"]


def canonical(address: str) -> str:
    """Return an address with the scheme's one name, and Azure's containers without the account."""
    scheme, sign, rest = address.partition("://")
    scheme = SCHEMES.get(scheme.lower(), "")
    if not sign or not scheme:
        return ""
    if scheme == "az" and "@" in rest.partition("/")[0]:
        rest = rest.partition("@")[0] + "/" + rest.partition("/")[2]
    return f"{scheme}://{rest}"


def local(address: Any) -> str | None:
    """Return the path of the copy of an address, or of an attached folder; None if not attached."""
    name = canonical(address) if isinstance(address, str) else ""
    if not name or name in _copies:
        return _copies.get(name)
    folder = name.rstrip("/") + "/"
    for top, path in _folders.items():
        if folder.startswith(top):
            found = os.path.join(path, folder[len(top) :]).rstrip("/")
            if os.path.isdir(found):
                return found
    return None


def _copy_for(path: Any) -> str | None:
    """Return the copy for a path that is an attached address; raise if it is another address."""
    copy = local(path)
    if copy is None and isinstance(path, str) and canonical(path) and not path.startswith("http"):
        raise _missing(path)
    return copy


def _missing(address: str) -> FileNotFoundError:
    return FileNotFoundError(
        2, "not attached to this analysis, and the kernel has no network; attach it first", address
    )


def file_system(scheme: str) -> Any:
    """Return the class of a read-only file system (of fsspec) that holds the copies."""
    from fsspec.spec import AbstractFileSystem

    class AttachedCopies(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
        """What was attached, at its addresses."""

        protocol = scheme
        root_marker = ""
        cachable = False

        def _address(self, path: str) -> str:
            bare = str(self._strip_protocol(path))
            return canonical(f"{scheme}://{bare}")

        def _open(self, path: str, mode: str = "rb", **_more: Any) -> Any:
            address = self._address(path)
            if mode not in ("rb", "r"):
                raise PermissionError(
                    13, "attached data is read-only; write to OUTPUT_DIR", address
                )
            if address not in _copies:
                raise _missing(address)
            return io.BufferedReader(io.FileIO(_copies[address]))

        def _entries(self) -> dict[str, int | None]:
            """Return the paths of objects with their sizes, and those of the folders above."""
            start = SCHEMES[scheme] + "://"
            found: dict[str, int | None] = {}
            for address, copy in _copies.items():
                if not address.startswith(start):
                    continue
                path = address[len(start) :]
                found[path] = os.path.getsize(copy)
                while path := path.rpartition("/")[0]:
                    found.setdefault(path, None)
            return found

        def info(self, path: str, **_more: Any) -> dict[str, Any]:
            bare = self._address(path).partition("://")[2].rstrip("/")
            entries = self._entries()
            if bare not in entries:
                raise _missing(self._address(path))
            size = entries[bare]
            kind = "directory" if size is None else "file"
            return {"name": bare, "size": size or 0, "type": kind}

        def ls(self, path: str, detail: bool = True, **_more: Any) -> list[Any]:
            bare = self._address(path).partition("://")[2].rstrip("/")
            entries = self._entries()
            if bare and bare not in entries:
                raise _missing(self._address(path))
            if entries.get(bare) is not None:
                names = [bare]
            else:
                names = sorted(name for name in entries if name.rpartition("/")[0] == bare)
            found = [self.info(name) for name in names]
            return found if detail else names

        def modified(self, path: str) -> Any:
            import datetime as dt

            seconds = os.path.getmtime(_copies[self._address(path)])
            return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)  # noqa: UP017 - as the rest of the payload

        def get_file(self, rpath: str, lpath: Any, **_more: Any) -> None:
            """Copy a file; to a temporary place, as caches of fsspec do, only link it."""
            if self.isdir(rpath):
                os.makedirs(lpath, exist_ok=True)
                return
            address = self._address(rpath)
            if address not in _copies:
                raise _missing(address)
            target = os.path.abspath(os.fspath(lpath))
            if target.startswith(os.path.join(tempfile.gettempdir(), "")):
                os.symlink(_copies[address], target)
            else:
                shutil.copyfile(_copies[address], target)

    return AttachedCopies


def _on_fsspec(fsspec: Any) -> None:
    for scheme in SCHEMES:
        fsspec.register_implementation(scheme, file_system(scheme), clobber=True)


def _on_parquet(module: Any) -> None:
    # With neither options nor a file system, pandas asks pyarrow's own client first.
    plain = module._get_path_or_handle  # noqa: SLF001 - there is no other place

    @functools.wraps(plain)
    def found(path: Any, fs: Any = None, *rest: Any, **more: Any) -> Any:
        copy = _copy_for(path) if fs is None else None
        return plain(path, fs, *rest, **more) if copy is None else plain(copy, None)

    module._get_path_or_handle = found  # noqa: SLF001 - as above


def _on_arrow(module: Any) -> None:
    plain = module._resolve_filesystem_and_path  # noqa: SLF001 - there is no other place

    @functools.wraps(plain)
    def found(path: Any, filesystem: Any = None, *rest: Any, **more: Any) -> Any:
        copy = _copy_for(path) if filesystem is None else None
        return plain(path if copy is None else copy, filesystem, *rest, **more)

    if not hasattr(plain, "__wrapped__"):
        module._resolve_filesystem_and_path = found  # noqa: SLF001 - as above


def _on_duckdb(duckdb: Any) -> None:
    try:
        systems = [file_system(scheme)() for scheme in SCHEMES if _has(scheme)]
    except ImportError:
        return
    plain = duckdb.connect

    def ready(connection: Any) -> Any:
        for system in systems:
            if not connection.filesystem_is_registered(system.protocol):
                connection.register_filesystem(system)
        return connection

    @functools.wraps(plain)
    def connect(*given: Any, **more: Any) -> Any:
        return ready(plain(*given, **more))

    duckdb.connect = connect
    ready(duckdb)


def _has(scheme: str) -> bool:
    start = SCHEMES[scheme] + "://"
    return any(address.startswith(start) for address in _copies)


def _on_urllib(module: Any) -> None:
    if not _has("https") and not _has("http"):
        return
    import email.message
    import urllib.response

    class AttachedFiles(module.BaseHandler):  # type: ignore[misc]  # a class of the module given
        """Answers requests for attached files; all others go their way."""

        handler_order = 100

        def https_open(self, request: Any) -> Any:
            copy = _copies.get(canonical(request.full_url))
            if copy is None:
                return None
            headers = email.message.Message()
            headers["Content-Length"] = str(os.path.getsize(copy))
            file = io.BufferedReader(io.FileIO(copy))
            found: Any = urllib.response.addinfourl(file, headers, request.full_url, 200)
            found.msg = "OK"  # as an answer of http.client has
            return found

        http_open = https_open

    module.install_opener(module.build_opener(AttachedFiles))
