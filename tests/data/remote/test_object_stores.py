"""A real S3 server that checks signatures, with rights per prefix."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analyst_kernel.data.remote.address import parse_address
from analyst_kernel.data.remote.cache import RemoteCache
from analyst_kernel.data.remote.credentials import access_to, sources_found
from analyst_kernel.data.remote.fetch import Fetcher, FetchProgress
from analyst_kernel.protocol.errors import DataError, InputError
from tests.data.remote.conftest import TABLE
from tests.fakes.web_server import WebServerAtWork, web_server, whole
from tests.support.remote.object_server import READER, ObjectServer

Make = Callable[..., Fetcher]


async def test_a_prefix_becomes_a_folder_of_its_data(store: ObjectServer, fetcher: Make) -> None:
    seen: list[FetchProgress] = []
    one = fetcher(store.environment(), seen.append)
    (folder,) = await one.local(["s3://lake/open/base/"])
    found = {str(p.relative_to(folder)): p for p in Path(folder).rglob("*") if p.is_file()}
    assert set(found) == {"sales.csv", "2024/more sales.csv"}  # as for folders on this machine
    assert found["sales.csv"].read_bytes() == TABLE
    assert seen[-1] == FetchProgress(
        "s3://lake/open/base/", 2, 3 * len(TABLE), 3 * len(TABLE), True
    )
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    pin = one.cache.pin_at(folder)
    assert pin is not None
    assert (pin.address, pin.source, pin.endpoint, pin.left_out) == (
        "s3://lake/open/base/", "environment", store.url, 3,
    )  # fmt: skip
    held = (one.cache.root / "pins" / f"{pin.id}.json").read_text()
    held += (one.cache.tree(pin.id) / "PIN").read_text()
    assert READER[1] not in held
    assert READER[0] not in held
    # Nobody else gets in, and nothing is changed by mistake.
    assert stat.S_IMODE(one.cache.root.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in found.values()} == {0o400}


async def test_what_is_there_is_not_fetched_again(store: ObjectServer, fetcher: Make) -> None:
    one = fetcher(store.environment())
    first = await one.local(["s3://lake/open/base/", "data.csv", "s3://lake/open/base/sales.csv"])
    before = len(store.requests)
    assert (
        await one.local(["s3://lake/open/base/", "data.csv", "s3://lake/open/base/sales.csv"])
        == first
    )
    assert first[1] == "data.csv"
    assert {line.partition(" ")[0] for line in store.requests[before:]} == {"GET", "HEAD"}
    assert not [line for line in store.requests[before:] if line.startswith("GET /lake/open")]
    file = Path(first[2])
    assert file.name == "sales.csv"
    assert file.stat().st_nlink == 3  # one content


BAD_KEYS = {"AWS_ACCESS_KEY_ID": "AKNOBODY", "AWS_SECRET_ACCESS_KEY": "hunter2"}
REFUSALS = [
    ("s3://lake/closed/secret.csv", {}, "'environment' may not read s3://lake/closed/secret.csv"),
    ("s3://lake/closed/", {}, "'environment' may not read s3://lake/closed/secret.csv"),
    ("s3://other/", {}, "may not list s3://other/"),
    ("s3://lake/open/base/none.csv", {}, "There is no object s3://lake/open/base/none.csv"),
    ("s3://lake/open/*.csv", {}, "stands for nothing"),
    ("s3://lake/nothing/", {}, "no data files in s3://lake/nothing/"),
    ("s3://lake/open/base/sales.csv", {"AWS_SECRET_ACCESS_KEY": "hunter2"}, "does not accept"),
    (
        "s3://lake/open/base/",
        BAD_KEYS,
        "does not accept the credentials of the source 'environment'",
    ),
    ("s3://lake/open/base/sales.csv", {"AWS_SECRET_ACCESS_KEY": ""}, "No credentials were found"),
    (
        "s3://lake/open/base/",
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        "the connection was refused",
    ),
    ("s3://lake/open/base/", {"AWS_ENDPOINT_URL": "http://no.invalid"}, "its name is not known"),
    ("s3://lake/open/base/", {"AWS_ENDPOINT_URL": "no address"}, "(endpoint|failed|reached)"),
    ("s3://lake/open/base/", {"ANALYST_REMOTE_CACHE": "100B"}, "has 120 B, more than the 100 B"),
]


@pytest.mark.parametrize(("address", "env", "reason"), REFUSALS)
async def test_a_refusal_is_one_sentence_without_a_secret(
    store: ObjectServer, fetcher: Make, address: str, env: dict[str, str], reason: str
) -> None:
    one = fetcher({**store.environment(), **env})
    with pytest.raises(DataError, match=reason) as refused:
        await one.local([address])
    text = str(refused.value)
    assert "hunter2" not in text
    assert READER[1] not in text
    assert "\n" not in text
    assert len(text) < 400
    assert not list((one.cache.root / "trees").iterdir())


async def test_a_size_that_is_none_is_named(fetcher: Make, store: ObjectServer) -> None:
    with pytest.raises(InputError, match="ANALYST_REMOTE_CACHE='much' is no size"):
        await fetcher({**store.environment(), "ANALYST_REMOTE_CACHE": "much"}).local(
            ["s3://lake/open/base/"]
        )


async def test_without_the_client_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, fetcher: Make
) -> None:
    for name in ("obstore", "obstore.store", "obstore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=r"pip install 'analyst-kernel\[remote\]'"):
        await fetcher().local(["s3://lake/open/base/"])


async def test_a_change_is_seen_and_is_another_version(store: ObjectServer, fetcher: Make) -> None:
    store.put("open/live/a.csv", TABLE)
    store.put("open/live/b.csv", TABLE)
    one = fetcher(store.environment())
    (before,) = await one.local(["s3://lake/open/live/"])
    assert await one.changes(before) == []
    store.put("open/live/a.csv", TABLE.replace(b"10", b"11"))
    store.delete("open/live/b.csv")
    store.put("open/live/c.csv", TABLE)
    changed, removed, added = await one.changes(before)
    assert "data changed: s3://lake/open/live/a.csv" in changed
    assert "b.csv was removed" in removed
    assert "c.csv was added" in added
    (after,) = await one.local(["s3://lake/open/live/"])
    assert after != before
    assert Path(before, "a.csv").read_bytes() == TABLE
    assert b"11" in Path(after, "a.csv").read_bytes()
    elsewhere = fetcher({**store.environment(), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    (unknown,) = await elsewhere.changes(before)
    assert "could not be asked" in unknown


async def test_what_was_removed_to_make_room_comes_back_in_its_version(
    store: ObjectServer, fetcher: Make
) -> None:
    store.put("open/room/a.csv", TABLE)
    store.put("open/room/b.csv", TABLE * 2)
    one = fetcher({**store.environment(), "ANALYST_REMOTE_CACHE": "100B"})
    (first,) = await one.local(["s3://lake/open/room/a.csv"])
    with pytest.raises(DataError, match="no room"):  # what was used today stays
        await one.local(["s3://lake/open/room/b.csv"])
    long_ago = time.time() - 200_000
    for path in (one.cache.tree(one.cache.id_at(first)) / "PIN", Path(first)):
        os.utime(path, (long_ago, long_ago))
    (second,) = await one.local(["s3://lake/open/room/b.csv"])
    assert Path(second).exists()
    assert not Path(first).exists()
    later = fetcher(store.environment())
    assert await later.local([first]) == [first]
    assert Path(first).read_bytes() == TABLE


async def test_the_same_object_is_fetched_once_by_two(store: ObjectServer, fetcher: Make) -> None:
    store.put("open/twice.csv", TABLE * 50_000)
    one, two = fetcher(store.environment()), fetcher(store.environment())
    before = len(store.requests)
    found = await asyncio.gather(
        one.local(["s3://lake/open/twice.csv"]), two.local(["s3://lake/open/twice.csv"])
    )
    assert found[0] == found[1]
    assert store.requests[before:].count("GET /lake/open/twice.csv") == 1


# --- a store that misbehaves -----------------------------------------------------------------------

BODY = b"x,y\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(400_000))


def bad_store(web: WebServerAtWork) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{web.place}",
        "AWS_ACCESS_KEY_ID": "AK",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_REGION": "us-east-1",
    }


DATED = {"Last_Modified": "Sun, 29 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize("ranges", [True, False], ids=["knows ranges", "ignores Range"])
async def test_a_cut_object_is_gone_on_with(
    web: WebServerAtWork, fetcher: Make, ranges: bool
) -> None:
    cuts = [len(BODY) // 3, len(BODY) // 2]

    def answer(request) -> None:
        end = cuts.pop() if cuts and request.command == "GET" else len(BODY)
        start = request.start() if ranges else 0
        place = {"Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        request.reply(
            206 if start else 200, BODY[start : max(end, start)], length=len(BODY) - start,
            ETag='"v1"', **DATED, **place,
        )  # fmt: skip

    web.answers["/lake/big.csv"] = answer
    (path,) = await fetcher(bad_store(web)).local(["s3://lake/big.csv"])
    assert Path(path).read_bytes() == BODY
    assert not cuts


async def test_one_that_never_comes_whole_is_kept_so_far(
    web: WebServerAtWork, fetcher: Make
) -> None:
    def answer(request) -> None:
        start = request.start()
        place = {"Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        body = BODY[start : max(start, len(BODY) // 2)]
        request.reply(
            206 if start else 200, body, length=len(BODY) - start, ETag='"v1"', **DATED, **place
        )

    web.answers["/lake/big.csv"] = answer
    one = fetcher(bad_store(web))
    with pytest.raises(
        DataError, match=r"could not be fetched in full: .* what came so far is kept"
    ):
        await one.local(["s3://lake/big.csv"])
    web.answers["/lake/big.csv"] = whole(BODY, **DATED)
    web.requests.clear()
    (path,) = await one.local(["s3://lake/big.csv"])
    assert Path(path).read_bytes() == BODY
    asked = [range_ for method, _, range_ in web.requests if method == "GET"]
    assert [one.startswith("bytes=") for one in asked] == [True]  # from where it ended


@pytest.mark.parametrize("knows", [True, False], ids=["412", "200 with another ETag"])
async def test_an_object_that_changes_meanwhile_is_not_attached(
    web: WebServerAtWork, fetcher: Make, knows: bool
) -> None:
    def answer(request) -> None:
        if request.command == "HEAD":
            request.reply(200, BODY, ETag='"v1"', **DATED)
        elif knows:
            request.reply(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            request.reply(200, BODY, ETag='"v2"', **DATED)

    web.answers["/lake/big.csv"] = answer
    with pytest.raises(DataError, match="changed while it was fetched"):
        await fetcher(bad_store(web)).local(["s3://lake/big.csv"])


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            400,
            b"<Error><Code>ExpiredToken</Code><Message>hunter2</Message></Error>",
            "have expired",
        ),
        (403, b"<Error><Code>InvalidAccessKeyId</Code></Error>", "does not accept"),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>", "There is no bucket"),
        (500, b"hunter2", "status 500"),
        (418, b"hunter2", "status 418"),
        (200, b"no xml", "could not be reached"),
    ],
)
async def test_what_a_store_answers_is_never_quoted(
    web: WebServerAtWork, fetcher: Make, status: int, body: bytes, reason: str
) -> None:
    web.answers[""] = lambda request: request.reply(status, body)
    with pytest.raises(DataError, match=reason) as refused:
        await fetcher(bad_store(web)).local(["s3://lake/open/base/"])
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_store_leads_nowhere_else(web: WebServerAtWork, fetcher: Make, status: int) -> None:
    with web_server() as inside:
        inside.answers[""] = whole(BODY, **DATED)
        web.answers[""] = lambda request: request.reply(
            status, Location=f"http://{inside.place}/latest/meta-data/"
        )
        for address in ("s3://lake/big.csv", "s3://lake/open/base/"):
            with pytest.raises(DataError):
                await fetcher(bad_store(web)).local([address])
        assert inside.requests == []


async def test_a_store_that_hangs_is_given_up_and_stop_works_at_once(
    web: WebServerAtWork, fetcher: Make
) -> None:
    def answer(request) -> None:
        if request.command == "HEAD":
            request.reply(200, BODY, ETag='"v1"', **DATED)
        else:
            request.reply(200, BODY[:2_000_000], length=len(BODY), ETag='"v1"', **DATED)
            request.hang()

    web.answers["/lake/big.csv"] = answer
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    one = fetcher(bad_store(web), lambda p: p.done and loop.call_soon(began.set), stall=60.0)
    task = asyncio.ensure_future(one.local(["s3://lake/big.csv"]))
    waiting = asyncio.ensure_future(began.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert began.is_set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (part,) = (one.cache.root / "objects").glob("*.part")
    assert part.stat().st_size > 0
    web.answers["/lake/big.csv"] = whole(BODY, **DATED)
    (path,) = await one.local(["s3://lake/big.csv"])
    assert Path(path).read_bytes() == BODY

    web.answers["/lake/other.csv"] = answer
    with pytest.raises(DataError, match=r"nothing came for 0\.2 s|could not be fetched in full"):
        await fetcher(bad_store(web), stall=0.2).local(["s3://lake/other.csv"])


# --- where credentials are -------------------------------------------------------------------------


def test_sources_are_named_and_keys_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(
        "[work]\naws_access_key_id = AKWORK\naws_secret_access_key = hunter2\n"
    )
    (tmp_path / "config").write_text(
        "[profile work]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:9\n"
        "[profile sso]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
        "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x.invalid\n"
    )
    files = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }
    for name, value in files.items():
        monkeypatch.setenv(name, value)
    s3, gs = parse_address("s3://lake/"), parse_address("gs://lake/")
    az = parse_address("abfs://c@account1.dfs.core.windows.net/")
    cases = [
        (s3, {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "hunter2"}, "environment"),
        (s3, {**files, "AWS_PROFILE": "work"}, "profile work"),
        (s3, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, "web identity"),
        (s3, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}, "container role"),
        (s3, {"AWS_ENDPOINT_URL": "https://r2.example"}, "anonymous"),
        (gs, {"GOOGLE_APPLICATION_CREDENTIALS": "/a.json"}, "GOOGLE_APPLICATION_CREDENTIALS"),
        (gs, {"STORAGE_EMULATOR_HOST": "127.0.0.1:1"}, "anonymous"),
        (az, {"AZURE_STORAGE_ACCOUNT_KEY": "hunter2"}, "environment"),
        (az, {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=account1;AccountKey=aHVudGVyMg=="},
         "AZURE_STORAGE_CONNECTION_STRING"),
        (az, {"AZURE_STORAGE_ACCOUNT_NAME": "another", "AZURE_STORAGE_ACCOUNT_KEY": "hunter2"},
         "anonymous"),
    ]  # fmt: skip
    for address, env, source in cases:
        access = access_to(address, env)
        assert access.source == source, (env, access)
        assert "hunter2" not in repr(access)
    work = access_to(s3, {**files, "AWS_PROFILE": "work"})
    assert (work.endpoint, work.options["region"]) == ("http://127.0.0.1:9", "eu-west-1")
    assert work.provider is not None
    assert asyncio.run(work.provider())["secret_access_key"] == "hunter2"
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(DataError, match="profile gone gave no credentials"):
        access_to(s3, {**files, "AWS_PROFILE": "gone"})
    with pytest.raises(DataError, match="aws sso login --profile sso"):
        access_to(s3, {**files, "AWS_PROFILE": "sso"})
    with pytest.raises(DataError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        access_to(parse_address("az://c/x.csv"), {})
    assert set(sources_found({})) == {"s3", "gs", "az"}
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(DataError, match=r"takes the package botocore.*analyst-kernel\[remote\]"):
        access_to(s3, {**files, "AWS_PROFILE": "work"})


async def test_a_profile_signs_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: ObjectServer, fetcher: Make
) -> None:
    key, secret = READER
    (tmp_path / "credentials").write_text(
        f"[work]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    env = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_PROFILE": "work",
        "AWS_ENDPOINT_URL": store.url,
    }
    one = fetcher(env)
    (path,) = await one.local(["s3://lake/open/base/sales.csv"])
    pin = one.cache.pin_at(path)
    assert pin is not None
    assert pin.source == "profile work"


def test_a_damaged_list_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    cache = RemoteCache(tmp_path)
    cache.prepare()
    place = tmp_path / "trees" / ("a" * 32)
    place.mkdir()
    for text in ("", "[]", "{}", '{"version": 9}', '{"version": 1, "objects": [1]}'):
        (place / "PIN").write_text(text)
        assert cache.pin_at(f"{os.path.realpath(place)}/data/x.csv") is None


# --- the other clouds' wires -----------------------------------------------------------------------

GOOGLE = b"""<?xml version="1.0"?><ListBucketResult><Name>lake</Name><Prefix>open/</Prefix>
<IsTruncated>false</IsTruncated><Contents><Key>open/sales.csv</Key><Size>%d</Size>
<LastModified>2026-11-29T12:00:00.000Z</LastModified><ETag>"v1"</ETag></Contents>
</ListBucketResult>"""
AZURE = b"""<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Prefix>open/</Prefix><Blobs><Blob>
<Name>open/sales.csv</Name><Properties><Last-Modified>Sun, 29 Nov 2026 12:00:00 GMT</Last-Modified>
<Content-Length>%d</Content-Length><Content-Type>text/csv</Content-Type><Etag>"v1"</Etag>
<BlobType>BlockBlob</BlobType></Properties></Blob></Blobs><NextMarker /></EnumerationResults>"""
KEY = "aHVudGVyMg=="


@pytest.mark.parametrize(
    ("address", "listing", "variables", "source"),
    [
        ("gs://lake/open/", GOOGLE, {"GOOGLE_BASE_URL": ""}, "anonymous"),
        ("az://lake/open/", AZURE, {"AZURE_STORAGE_ENDPOINT": "",
         "AZURE_STORAGE_ACCOUNT_NAME": "account1", "AZURE_STORAGE_ACCOUNT_KEY": KEY}, "environment"),
        ("abfs://lake@account1.dfs.core.windows.net/open/", AZURE,
         {"AZURE_STORAGE_ENDPOINT": "", "AZURE_STORAGE_ACCOUNT_NAME": "account1"}, "anonymous"),
    ],
    ids=["Google", "Azure with a key", "Azure, public"],
)  # fmt: skip
async def test_google_and_azure(
    web: WebServerAtWork, fetcher: Make, address: str, listing: bytes, variables: dict[str, str],
    source: str,
) -> None:  # fmt: skip
    env = {name: value or f"http://{web.place}" for name, value in variables.items()}
    signed: list[bool] = []

    def list_or_read(request) -> None:
        signed.append("Authorization" in request.headers)
        if "list" in request.path:
            request.reply(200, listing % len(TABLE), Content_Type="application/xml")
        else:
            whole(TABLE, **DATED, x_ms_blob_type="BlockBlob")(request)

    web.answers[""] = list_or_read
    one = fetcher(env)
    (folder,) = await one.local([address])
    assert Path(folder, "sales.csv").read_bytes() == TABLE
    assert one.cache.address_of(os.path.join(folder, "sales.csv")) == address + "sales.csv"
    (file,) = await one.local([address + "sales.csv"])
    assert Path(file).read_bytes() == TABLE
    pin = one.cache.pin_at(file)
    assert pin is not None
    assert pin.source == source
    assert set(signed) == {source == "environment"}
    web.answers[""] = lambda request: request.reply(
        403, b"<Error><Code>AccessDenied</Code></Error>"
    )
    with pytest.raises(DataError, match=r"is not public|may not list"):
        await one.local([address])
