"""What an address may be: a name that can stand in a notebook, and nothing else."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.data.remote.address import parse_address, scheme_of
from analyst_kernel.data.remote.cache import placed
from analyst_kernel.data.remote.web import fault_of_ip, real_ip
from analyst_kernel.protocol.errors import DataError
from tests.support.examples import examples

GOOD = [
    ("s3://lake/a/b.csv", "s3", "lake", "a/b.csv", "s3://lake/a/b.csv"),
    ("S3A://lake/a/", "s3", "lake", "a/", "s3://lake/a/"),
    ("s3://lake", "s3", "lake", "", "s3://lake/"),
    ("s3://lake/a%20b?c#d.csv", "s3", "lake", "a%20b?c#d.csv", "s3://lake/a%20b?c#d.csv"),
    ("gcs://b_1.c/ü.parquet", "gs", "b_1.c", "ü.parquet", "gs://b_1.c/ü.parquet"),
    ("abfss://c@account1.dfs.core.windows.net/x.csv", "az", "c", "x.csv",
     "abfs://c@account1.dfs.core.windows.net/x.csv"),
    ("az://c/x.csv", "az", "c", "x.csv", "az://c/x.csv"),
    ("https://Data.Example:8443/a/b.csv?year=2024", "web", "data.example:8443",
     "a/b.csv?year=2024", "https://data.example:8443/a/b.csv?year=2024"),
    ("https://[2001:db8::1]/b.csv", "web", "[2001:db8::1]", "b.csv", "https://[2001:db8::1]/b.csv"),
    ("http://127.0.0.1:80/b.csv", "web", "127.0.0.1:80", "b.csv", "http://127.0.0.1:80/b.csv"),
]  # fmt: skip
BAD = [
    ("ftp://host/x.csv", "ftp"),
    ("hdfs:///x.csv", "hdfs"),
    ("s3:///x.csv", "no bucket"),
    ("s3://a b/x.csv", "no bucket"),
    ("s3://lake//x.csv", "empty part"),
    ("s3://lake/../x.csv", "only dots"),
    ("s3://lake/a/./x.csv", "only dots"),
    ("s3://lake/a\nb.csv", "printed"),
    ("s3://lake/" + "k" * 1025, "longer"),
    ("simplecache::s3://lake/x.csv", "this"),
    ("s3://lake/zip::x.csv", "chain"),
    ("abfs://c@evil.example/x.csv", "no storage account"),
    ("http://data.example/x.csv", "plain http"),
    ("https:///x.csv", "no host"),
    ("https://exa mple/x.csv", "no host"),
    ("https://data.example:99999/x.csv", "no host"),
    ("https://data.example/", "no file"),
    ("https://data.example/folder/", "no file"),
    ("https://data.example/x.csv#part", "after #"),
]
SECRETS = [
    "s3://AKIAKEY:hunter2@lake/x.csv",
    "https://me:hunter2@data.example/x.csv",
    "abfs://c:hunter2@account1.dfs.core.windows.net/x.csv",
    "https://b.s3.amazonaws.com/x.csv?X-Amz-Algorithm=A&X-Amz-Signature=hunter2",
    "https://account.blob.core.windows.net/c/x.csv?sv=2024&sig=hunter2",
    "https://data.example/x.csv?access_token=hunter2",
    "https://data.example/x.csv?API-KEY=hunter2",
    "s3://lake/x.csv?X-Amz-Signature=hunter2",
    "https://data.example/hunter2\x1b[31m",
]


@pytest.mark.parametrize(("text", "service", "bucket", "key", "shown"), GOOD)
def test_an_address_is_read(text: str, service: str, bucket: str, key: str, shown: str) -> None:
    found = parse_address(text)
    assert (found.service, found.bucket, found.key, found.text) == (service, bucket, key, shown)
    assert found.is_folder == (service != "web" and (not key or key.endswith("/")))
    assert found.of(key) == shown


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse_address(text)


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(DataError) as refused:
        parse_address(text)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("path", ["a/b.csv", "C:\\data.csv", "file:///x.csv", "", "x://"[:2]])
def test_a_path_is_no_address(path: str) -> None:
    assert scheme_of(path) == ""


PARTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


@given(
    scheme=st.sampled_from(["s3", "s3a", "gs", "gcs", "az", "abfs", "https", "http", "S3"]),
    rest=st.one_of(
        st.text(max_size=60), st.lists(PARTS, min_size=1, max_size=5).map("/".join),
        st.text(st.sampled_from("ab@:/?#[]%.&=*- "), max_size=30),
    ),
)  # fmt: skip
@examples(100)
def test_what_is_accepted_is_stable_and_has_no_secret(scheme: str, rest: str) -> None:
    try:
        found = parse_address(f"{scheme}://{rest}")
    except DataError:
        return
    assert parse_address(found.text) == found
    assert found.text.isprintable()
    assert "@" not in found.text.partition("://")[2].partition("/")[0] or found.account
    assert not {"", ".", ".."} & set(found.key.removesuffix("/").split("/")) or (
        found.service == "web" or not found.key
    )
    if found.service == "web":
        parts = urlsplit(found.text)
        assert parts.scheme == "https" or parts.hostname in ("localhost", "::1") or (
            ipaddress.ip_address(parts.hostname or "").is_loopback
        )  # fmt: skip


@given(st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join), max_size=8))
@examples(100)
def test_keys_get_paths_that_do_not_collide_and_stay_below(names: list[str]) -> None:
    found = placed(names)
    lower = [path.lower() for path in found]
    assert len(set(lower)) == len(names)
    for path in lower:
        parts = path.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert all(len(part.encode()) <= 255 and part.isprintable() for part in parts) or (
            not "".join(names).isprintable()
        )
        above = {"/".join(parts[:n]) for n in range(1, len(parts))}
        assert not above & set(lower)


@pytest.mark.parametrize(
    ("ip", "typed", "public"),
    [
        ("93.184.216.34", True, True),
        ("10.1.2.3", True, False),
        ("192.168.1.1", True, False),
        ("100.64.0.1", True, False),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("fd00::1", True, False),
        ("2606:2800:220:1:248:1893:25c8:1946", True, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("168.63.129.16", False, False),
        ("224.0.0.1", False, False),
        ("0.0.0.0", False, False),
    ],
)
def test_which_machines_are_asked(ip: str, typed: bool, public: bool) -> None:
    assert (fault_of_ip(real_ip(ip), typed=True) == "") == typed
    assert (fault_of_ip(real_ip(ip), typed=False) == "") == public
