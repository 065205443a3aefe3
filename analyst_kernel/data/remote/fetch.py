"""From addresses to paths: what a user grants is listed once, fetched, and then a folder here."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analyst_kernel.data.read.discover import MAX_DEPTH, MAX_FILES, MAX_SEEN
from analyst_kernel.data.read.formats import looks_like_data
from analyst_kernel.data.remote.address import Address, parse_address, scheme_of
from analyst_kernel.data.remote.cache import (
    Pin,
    PinnedObject,
    RemoteCache,
    budget,
    pin_id,
    placed,
    shown_bytes,
)
from analyst_kernel.data.remote.objects import (
    Interrupted,
    ObjectStore,
    RangeIgnored,
    RemoteObject,
    Timeouts,
    changed,
)
from analyst_kernel.data.remote.web import WebServer
from analyst_kernel.grants import GrantStore
from analyst_kernel.protocol.errors import DataError

_AT_ONCE = 4
_TRIES = 3  # without a byte of progress
_WAIT = 0.2


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far the fetching of one address is; ``total`` is None if a server does not say."""

    address: str
    objects: int
    done: int
    total: int | None
    finished: bool = False


OnProgress = Callable[[FetchProgress], None]


class Fetcher:
    """Fetches what a user granted. One object may be used for several addresses at once."""

    def __init__(
        self,
        *,
        cache: RemoteCache | None = None,
        env: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        progress: OnProgress | None = None,
    ) -> None:
        """Prepare; the process's own environment is used by default."""
        self.cache = cache or RemoteCache()
        self._env = os.environ if env is None else env
        self._timeouts = timeouts or Timeouts()
        self._progress = progress or (lambda _: None)

    async def local(self, paths: Sequence[str]) -> list[str]:
        """Return the paths, with those of the copies in place of remote addresses.

        Only called for an act of the user. When it fails, or is cancelled, nothing is granted, and
        what came of an object is kept: the next call goes on from there.

        Raises:
            DataError: An address cannot be used, or what it names not be fetched.
        """
        addresses = {path: parse_address(path) for path in paths if scheme_of(path)}
        fetched = {path: os.path.realpath(await self.fetch(one)) for path, one in addresses.items()}
        for path in paths:
            await self.restore(path)
        return [fetched.get(path, path) for path in paths]

    async def fetch(self, address: Address) -> Path:
        """Return the path of a copy of what an address names now: a file, or a folder."""
        await asyncio.to_thread(self.cache.prepare)
        async with self._source(address) as source:
            return await self._fetch(source, address)

    async def _fetch(self, source: ObjectStore | WebServer, address: Address) -> Path:
        listed, left_out = await self._chosen(source, address)
        names = placed([_name_of(one, address) for one in listed])
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        access = source.access
        made = [
            PinnedObject(one.address.text, one.size or 0, one.etag, name)
            for one, name in zip(listed, names, strict=True)
        ]
        pin = Pin("", address.text, access.source, access.endpoint, now, tuple(made), left_out)
        return await self._get(source, pin, listed)

    async def restore(self, path: str) -> None:
        """Fetch again what was removed from the cache to make room, in the same versions.

        Raises:
            DataError: It changed since, or cannot be fetched.
        """
        pin = await asyncio.to_thread(self.cache.pin_at, path)
        if pin is None:
            return
        if await asyncio.to_thread(self.cache.tree(pin.id).exists):
            self.cache.used(pin.id)
            return
        listed = [
            RemoteObject(parse_address(one.address), one.size, one.etag) for one in pin.objects
        ]
        async with self._source(parse_address(pin.address)) as source:
            await self._get(source, pin, listed)

    async def changes(self, path: str) -> list[str]:
        """Return a sentence about each object of a pin that is another at its address now."""
        pin = await asyncio.to_thread(self.cache.pin_at, path)
        if pin is None:
            return []
        since = f"since it was fetched on {pin.fetched[:16].replace('T', ' ')} UTC"
        try:
            address = parse_address(pin.address)
            listed = await self.find(address)
        except DataError as error:
            return [f"Whether {pin.address} changed {since} could not be asked. {error}"]
        now = {one.address.text: one for one in listed}
        found: list[str] = []
        for one in pin.objects:
            here = now.pop(one.address, None)
            if here is None:
                found.append(f"{one.address} was removed {since}.")
            elif one.etag.startswith("sha256:"):
                found.append(f"Whether {one.address} changed {since}, its server does not say.")
            elif (here.etag, here.size if here.size is not None else one.size) != (
                one.etag,
                one.size,
            ):
                found.append(f"The data changed: {one.address} is another version {since}.")
        found += [f"{address} was added {since}." for address in now]
        return found

    async def find(self, address: Address) -> list[RemoteObject]:
        """Return the data objects of an address; nothing is fetched. Raises ``DataError``."""
        async with self._source(address) as source:
            return (await self._chosen(source, address))[0]

    @contextlib.asynccontextmanager
    async def _source(self, address: Address) -> AsyncIterator[ObjectStore | WebServer]:
        if address.service == "web":
            yield WebServer(self._timeouts)
            return
        async with ObjectStore.open(address, self._env, self._timeouts) as store:
            yield store

    async def _chosen(
        self, source: ObjectStore | WebServer, address: Address
    ) -> tuple[list[RemoteObject], int]:
        """Return the data objects of an address, and how many others there are."""
        every = await source.find(address, MAX_SEEN)
        if not address.is_folder:
            if every[0].size == 0:
                raise DataError(
                    f"{address.text} is empty (0 bytes).", "Check the export that made it."
                )
            return every, 0
        if len(every) > MAX_SEEN:
            raise DataError(
                f"{address.text} holds more than {MAX_SEEN:,} objects.",
                "Name a folder further below, or the data objects themselves.",
            )
        chosen = [one for one in every if _is_data(one.address.key[len(address.key) :])]
        if not chosen:
            raise DataError(
                f"There are no data files in {address.text}"
                + (f", only {len(every)} other objects." if every else "."),
                "Check the spelling, or name the object itself.",
            )
        if len(chosen) > MAX_FILES:
            raise DataError(
                f"{address.text} holds more than {MAX_FILES} data files.",
                "Name a folder further below, or the data files themselves.",
            )
        return chosen, len(every) - len(chosen)

    async def _get(
        self, source: ObjectStore | WebServer, pin: Pin, listed: Sequence[RemoteObject]
    ) -> Path:
        """Fetch what is missing of a pin, and return what is granted of it."""
        known = [one.size for one in listed]
        total = None if None in known else sum(size or 0 for size in known)
        contents = [
            self.cache.content(pin.endpoint, one.address, one.size or 0, one.etag) for one in listed
        ]
        kept = [
            bool(one.etag) and one.size is not None and self.cache.holds(content, one.size)
            for one, content in zip(listed, contents, strict=True)
        ]
        missing = sum(one.size or 0 for one, has in zip(listed, kept, strict=True) if not has)
        most = budget(self._env)
        await asyncio.to_thread(self.cache.make_room, missing, most, pin.address)
        done = sum(one.size or 0 for one, has in zip(listed, kept, strict=True) if has)

        def report(more: int, *, finished: bool = False) -> None:
            nonlocal done
            done += more
            self._progress(FetchProgress(pin.address, len(listed), done, total, finished))

        free = asyncio.Semaphore(_AT_ONCE)

        async def get(item: RemoteObject, content: Path) -> tuple[Path, int, str]:
            async with free:
                return await self._object(source, item, content, most, report)

        report(0)
        async with _together() as group:
            tasks = [
                None if has else group.create_task(get(one, content))
                for one, content, has in zip(listed, contents, kept, strict=True)
            ]
        objects = list(pin.objects)
        for number, task in enumerate(tasks):
            if task is not None:
                contents[number], size, etag = task.result()
                objects[number] = replace(objects[number], size=size, etag=etag)
        named = pin.id or pin_id(pin.endpoint, pin.address, objects)
        whole = replace(pin, id=named, objects=tuple(objects))
        place = await asyncio.to_thread(self.cache.show, whole, contents)
        report(0, finished=True)
        return place

    async def _object(
        self,
        source: ObjectStore | WebServer,
        item: RemoteObject,
        content: Path,
        most: int,
        report: Callable[[int], None],
    ) -> tuple[Path, int, str]:
        """Fetch one object in full; return its content, its size and what names its version."""
        lasts = bool(item.etag)
        if not lasts:  # a version without a name can be compared with nothing
            content = content.with_name(f"{content.name}-{os.getpid()}-{id(item)}")
        while True:
            with self.cache.part(content) as fd:
                if fd is not None:
                    if not lasts:
                        os.ftruncate(fd, 0)
                    size = await self._fill(source, item, fd, most, report, resume=lasts)
                    etag = item.etag or await asyncio.to_thread(_sha256, fd)
                    if not lasts or item.size is None:
                        named = self.cache.content(source.access.endpoint, item.address, size, etag)
                        os.replace(f"{content}.part", f"{named}.part")
                        content = named
                    await asyncio.to_thread(self.cache.complete, fd, content)
                    return content, size, etag
            await asyncio.sleep(_WAIT)
            if item.size is not None and self.cache.holds(content, item.size):
                report(item.size)
                return content, item.size, item.etag

    async def _fill(
        self,
        source: ObjectStore | WebServer,
        item: RemoteObject,
        fd: int,
        most: int,
        report: Callable[[int], None],
        *,
        resume: bool,
    ) -> int:
        """Bring a part to its full size, which is returned; several tries, from where one ended."""
        here = os.fstat(fd).st_size
        if not resume or item.size is None or here > item.size:
            here = 0
        report(here)
        failures, why = 0, ""
        while failures < _TRIES:
            if item.size is not None and here == item.size:
                os.ftruncate(fd, here)
                return here
            before = here
            try:
                async for chunk in source.read(item, here):
                    here += await asyncio.to_thread(_write, fd, chunk, here)
                    report(len(chunk))
                    if here > (most if item.size is None else item.size):
                        if item.size is None:
                            raise _too_large(item, most)
                        raise changed(item.address)
                if item.size is None:
                    os.ftruncate(fd, here)
                    return here
                why = "the connection ended too early" if here < item.size else ""
            except RangeIgnored:
                report(-here)
                here = 0
                resume = False
                failures += 1
                continue
            except Interrupted as error:
                why = str(error)
                if item.size is None or not resume:
                    report(-here)
                    here = 0
            except OSError as error:
                raise DataError(
                    f"{item.address.text} could not be stored: {error.strerror}.",
                    "Make room on the disk, then attach it again: what came so far is kept.",
                ) from error
            failures = 0 if resume and here > before else failures + 1
        if item.size is not None and here == item.size:
            return here
        kept = f" after {here:,} of {item.size:,} bytes" if item.size else ""
        raise DataError(
            f"{item.address.text} could not be fetched in full: {why}{kept}.",
            "Attach it again later; what came so far is kept."
            if resume and here
            else "Attach it again later.",
        )


def revoke_earlier(store: GrantStore, notebook: str, paths: Sequence[str]) -> bool:
    """Take back earlier versions of remote data that was granted again; blocking.

    Returns:
        Whether any of the paths is a copy of remote data.
    """
    cache = RemoteCache()
    fresh = {pin.address: pin.id for path in paths if (pin := cache.pin_at(path)) is not None}
    for grant in store.for_notebook(notebook) if fresh else ():
        pin = cache.pin_at(grant.path)
        if pin is not None and fresh.get(pin.address, pin.id) != pin.id:
            store.revoke(notebook, grant.path)
    return bool(fresh)


def fetch_text(progress: FetchProgress) -> str:
    """Return a sentence about how far the fetching of an address is."""
    many = f"{progress.objects} objects, " if progress.objects > 1 else ""
    size = shown_bytes(progress.done if progress.finished else progress.total or progress.done)
    if progress.finished:
        return f"Fetched {progress.address} ({many}{size}). The kernel reads this copy."
    part = f"{progress.done * 100 // progress.total} % of " if progress.total else ""
    return f"Fetching {progress.address} ({many}{part}{size}) ..."


@contextlib.asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """Run tasks until all have ended; the first error ends the others and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _name_of(one: RemoteObject, address: Address) -> str:
    if not address.is_folder:
        return one.address.name or "download"
    return one.address.key[len(address.key) :]


def _is_data(name: str) -> bool:
    """Return whether an object below a folder is taken, by the rules for folders here."""
    *folders, last = name.split("/")
    hidden = any(part.startswith((".", "~$")) or part.endswith("_files") for part in folders)
    return (
        looks_like_data(last)
        and not last.startswith((".", "~$"))
        and not hidden
        and len(folders) < MAX_DEPTH - 1
    )


def _write(fd: int, chunk: bytes, at: int) -> int:
    os.lseek(fd, at, os.SEEK_SET)
    left = memoryview(chunk)
    while left:
        left = left[os.write(fd, left) :]
    return len(chunk)


def _sha256(fd: int) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while block := os.read(fd, 1 << 20):
        digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _too_large(item: RemoteObject, most: int) -> DataError:
    return DataError(
        f"{item.address.text} is larger than the {most:,} bytes for fetched data.",
        "Raise ANALYST_REMOTE_CACHE, or take a part of it.",
    )
