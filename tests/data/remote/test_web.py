"""Web servers: good ones, ones that misbehave, and ones that lead elsewhere."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.data.remote.fetch import Fetcher
from analyst_kernel.protocol.errors import DataError
from tests.data.remote.conftest import TABLE
from tests.fakes.web_server import Request, WebServerAtWork, web_server, whole

Make = Callable[..., Fetcher]
# Of no worth: a certificate for data.example until 2126, and what it was signed with.
CERTIFICATE = (
    "MIIBnjCCAUSgAwIBAgIUSN7VW1T397GO2MJPUOT7KhNXIZEwCgYIKoZIzj0EAwIw\n"
    "FzEVMBMGA1UEAwwMZGF0YS5leGFtcGxlMCAXDTI2MTEyOTIxNDkyMFoYDzIxMjYx\n"
    "MTA1MjE0OTIwWjAXMRUwEwYDVQQDDAxkYXRhLmV4YW1wbGUwWTATBgcqhkjOPQIB\n"
    "BggqhkjOPQMBBwNCAAQYxrYWEWVMyXowQWctjvg+dKs0dmAl+Yr0jb5ynr/ryko/\n"
    "R7RA/lo6uRJPFx8LHv5aAevCN4DTAZZmctWAHgFmo2wwajAdBgNVHQ4EFgQU+g9W\n"
    "nFZsAyfA7NPJlETWPJOcXYwwHwYDVR0jBBgwFoAU+g9WnFZsAyfA7NPJlETWPJOc\n"
    "XYwwFwYDVR0RBBAwDoIMZGF0YS5leGFtcGxlMA8GA1UdEwEB/wQFMAMBAf8wCgYI\n"
    "KoZIzj0EAwIDSAAwRQIhANy0EdzM4ZbPHbYo93KQ+5coenKhJqMi9aQiNiZ9A+qd\n"
    "AiAmECkm02rKSVW8ifi83XFoJ3maN20BueYxz3jETJepig==\n"
)
SIGNED_WITH = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgo4NvFlgfapIAKoxn\n"
    "gbVn3jwFFa8zlvH1B//oa5jU6ZChRANCAAQYxrYWEWVMyXowQWctjvg+dKs0dmAl\n"
    "+Yr0jb5ynr/ryko/R7RA/lo6uRJPFx8LHv5aAevCN4DTAZZmctWAHgFm\n"
)
BODY = TABLE * 30_000


async def fetched(fetcher: Fetcher, address: str) -> bytes:
    (path,) = await fetcher.local([address])
    return Path(path).read_bytes()


async def test_a_file_is_fetched_once_per_version(web: WebServerAtWork, fetcher: Make) -> None:
    web.answers["/a/sales%202024.csv"] = whole(BODY)
    address = f"http://{web.place}/a/sales%202024.csv"
    one = fetcher()
    (path,) = await one.local([address])
    assert Path(path).name == "sales 2024.csv"
    assert Path(path).read_bytes() == BODY
    assert one.cache.address_of(path) == address
    web.requests.clear()
    assert await one.local([address]) == [path]
    assert len(web.requests) == 1
    assert await one.changes(path) == []
    web.answers["/a/sales%202024.csv"] = whole(BODY + b"x,1\n", '"v2"')
    (change,) = await one.changes(path)
    assert "another version" in change


def _unnamed(request: Request) -> None:
    request.reply(200, BODY)


def _chunked(request: Request) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for start in range(0, len(BODY), 100_000):
        part = BODY[start : start + 100_000]
        request.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    request.wfile.write(b"0\r\n\r\n")


def _packed(request: Request) -> None:
    request.reply(200, gzip.compress(BODY), Content_Encoding="gzip", ETag='"v1"')


def _cut(cuts: list[int], *, ranges: bool) -> Callable[[Request], None]:
    def answer(request: Request) -> None:
        start = request.start() if ranges else 0
        end = cuts.pop(0) if cuts else len(BODY)
        place = {"Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        body = BODY[start : max(end, start)]
        request.reply(206 if start else 200, body, length=len(BODY) - start, ETag='"v1"', **place)

    return answer


def _busy(times: int) -> Callable[[Request], None]:
    left = [503] * times
    return lambda request: request.reply(left.pop()) if left else whole(BODY)(request)


def _wrong_place(request: Request) -> None:
    """Cut once, then answer a range with another one."""
    if request.start():
        request.reply(206, BODY[7:], Content_Range=f"bytes 7-{len(BODY)}/{len(BODY)}", ETag='"v1"')
    else:
        cut = len(request.server.requests) < 3
        request.reply(200, BODY[:300_000] if cut else BODY, length=len(BODY), ETag='"v1"')


@pytest.mark.parametrize(
    "answer",
    [
        _unnamed,
        _chunked,
        _packed,
        # The first answer is to the question what is there, of which no body is read.
        _cut([0, 300_000, 500_000], ranges=True),
        _cut([0, 300_000], ranges=False),
        _wrong_place,
    ],
    ids=["no version", "no length", "gzip", "cut", "cut, ignores Range", "another range"],
)
async def test_a_server_may_be_odd(
    web: WebServerAtWork, fetcher: Make, answer: Callable[[Request], None]
) -> None:
    web.answers["/x.csv"] = answer
    assert await fetched(fetcher(), f"http://{web.place}/x.csv") == BODY


async def test_a_busy_server_is_asked_again(web: WebServerAtWork, fetcher: Make) -> None:
    answers = iter([whole(BODY), lambda r: r.reply(503), whole(BODY)])

    def answer(request: Request) -> None:
        next(answers)(request)

    web.answers["/x.csv"] = answer
    assert await fetched(fetcher(), f"http://{web.place}/x.csv") == BODY


def _to(target: str, status: int = 302) -> Callable[[Request], None]:
    return lambda request: request.reply(status, Location=target)


def _changes(request: Request) -> None:
    number = len(request.server.requests)
    request.reply(200, BODY, ETag=f'"v{number}"')


REFUSALS: list[tuple[str, Callable[[Request], None], str]] = [
    ("missing", lambda r: r.reply(404), r"There is no file .*/x\.csv \(404\)"),
    ("forbidden", lambda r: r.reply(403, b"hunter2"), r"without signing in \(403\)"),
    ("signed out", lambda r: r.reply(401), r"without signing in \(401\)"),
    ("broken", lambda r: r.reply(503, b"hunter2"), "status 503"),
    ("teapot", lambda r: r.reply(418, b"hunter2"), "status 418"),
    ("page", lambda r: r.reply(200, b"<html>", Content_Type="text/html; charset=utf-8"), "web page"),
    ("empty", lambda r: r.reply(200, b"", ETag='"v1"'), r"empty \(0 bytes\)"),
    ("never whole", _cut([0] + [300_000] * 9, ranges=False), "could not be fetched in full"),
    ("changes", _changes, "changed while it was fetched"),
    ("no http", lambda r: (r.wfile.write(b"\0\1\2\n\n"), None)[1], "broke its rules"),
    ("metadata", _to("http://169.254.169.254/latest/meta-data/"), "not https"),
    ("metadata, https", _to("https://169.254.169.254/latest/"), "gives out the credentials"),
    ("private", _to("https://10.0.0.7/x.csv"), r"redirected to 10\.0\.0\.7 .* a private address"),
    ("this machine", _to("https://127.0.0.1:9/x.csv"), "is a private address"),
    ("mapped", _to("https://[::ffff:10.0.0.7]/x.csv"), "a private address"),
    ("user", _to("https://hunter2@data.example/x.csv"), "not https"),
    ("other scheme", _to("file:///etc/passwd"), "not https"),
    ("no target", lambda r: r.reply(302), "redirected more than 5 times"),
    ("loop", _to("/x.csv", 307), "redirected more than 5 times"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "reason"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
async def test_a_refusal_is_one_sentence(
    web: WebServerAtWork, fetcher: Make, answer: Callable[[Request], None], reason: str
) -> None:
    web.answers["/x.csv"] = answer
    one = fetcher()
    with pytest.raises(DataError, match=reason) as refused:
        await one.local([f"http://{web.place}/x.csv"])
    text = str(refused.value)
    assert "hunter2" not in text
    assert "\n" not in text
    assert not list((one.cache.root / "trees").iterdir())


async def test_too_much_is_not_taken(web: WebServerAtWork, fetcher: Make) -> None:
    web.answers["/x.csv"] = _chunked
    with pytest.raises(DataError, match="is larger than the 500,000 bytes"):
        await fetched(fetcher({"ANALYST_REMOTE_CACHE": "500kB"}), f"http://{web.place}/x.csv")


async def test_a_server_that_hangs_is_given_up(web: WebServerAtWork, fetcher: Make) -> None:
    web.answers["/x.csv"] = lambda request: request.hang()
    with pytest.raises(DataError, match=r"could not be read: nothing came for 0\.2 s"):
        await fetched(fetcher(stall=0.2), f"http://{web.place}/x.csv")


# --- names, and TLS -------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What this machine believes of names; numbers are what they are."""
    known: dict[str, list[str]] = {}
    plain = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host in known:
            kind = socket.SOCK_STREAM
            return [(socket.AF_INET, kind, 6, "", (ip, port)) for ip in known[host]]
        if not str(host).replace(".", "").isdigit():
            raise socket.gaierror(-2, "Name or service not known")
        return plain(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WebServerAtWork]:
    parts = {"PRIVATE " + "KEY": SIGNED_WITH, "CERTIFICATE": CERTIFICATE}
    file = tmp_path / "certificate.pem"
    file.write_text(
        "".join(f"-----BEGIN {n}-----\n{t}-----END {n}-----\n" for n, t in parts.items())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with web_server(file) as server:
        yield server


async def test_the_name_of_an_address_is_what_the_certificate_is_checked_for(
    secure: WebServerAtWork, names: dict[str, list[str]], fetcher: Make
) -> None:
    names |= {"data.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}
    port = secure.place.partition(":")[2]
    secure.answers["/x.csv"] = whole(BODY)
    assert await fetched(fetcher(), f"https://data.example:{port}/x.csv") == BODY
    with pytest.raises(DataError, match="its certificate is not valid"):
        await fetched(fetcher(), f"https://other.example:{port}/x.csv")
    secure.answers["/away.csv"] = _to(f"https://other.example:{port}/x.csv")
    with pytest.raises(DataError, match=r"redirected to other\.example .* a private address"):
        await fetched(fetcher(), f"https://data.example:{port}/away.csv")
    secure.answers["/clear.csv"] = _to("http://data.example/x.csv")
    with pytest.raises(DataError, match="not https"):
        await fetched(fetcher(), f"https://data.example:{port}/clear.csv")
    secure.answers["/here.csv"] = _to("/x.csv")
    assert await fetched(fetcher(), f"https://data.example:{port}/here.csv") == BODY


@pytest.mark.parametrize("ips", [["169.254.169.254"], ["93.184.216.34", "169.254.169.254"]])
async def test_a_name_that_leads_to_the_metadata_of_a_machine_is_not_read(
    names: dict[str, list[str]], fetcher: Make, ips: list[str]
) -> None:
    names["data.example"] = ips
    with pytest.raises(DataError, match="gives out the credentials of machines"):
        await fetched(fetcher(), "https://data.example/x.csv")


async def test_a_name_that_nobody_knows(names: dict[str, list[str]], fetcher: Make) -> None:
    with pytest.raises(DataError, match=r"the name gone\.example is not known"):
        await fetched(fetcher(), "https://gone.example/x.csv")
    names["closed.example"] = ["127.0.0.1"]
    with pytest.raises(DataError, match="the connection was refused"):
        await fetched(fetcher(), "https://closed.example:1/x.csv")
