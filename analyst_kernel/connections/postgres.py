"""PostgreSQL, inside the worker: a query can only read, whatever its text says.

Everything happens in one transaction that began as READ ONLY and has taken its snapshot, after
which the server lets nobody make it writable. The text is the query of a cursor, sent in the
extended protocol: the server's own grammar then takes one SELECT (or VALUES, TABLE, WITH) and
nothing beside it. Roles that could reach the server's files or are superusers are refused, and so
are functions with side effects.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analyst_kernel.connections.guard import called_names
from analyst_kernel.connections.postgres_failures import failed, no_connection, too_slow
from analyst_kernel.connections.task import Control, DatabaseRefused, Task

_BATCH_BYTES = 8 << 20
_MOST_IN_BATCH = 100_000
_EXACT = 2**53
_PLAIN = {"adbc.postgresql.use_copy": "false"}
"""COPY is another statement than the one that is sent, and takes no FETCH."""

_HARMLESS = (
    "random", "random_normal", "setseed", "clock_timestamp", "timeofday", "gen_random_uuid",
    "uuid_generate_v4", "pg_sleep", "pg_relation_size", "pg_table_size", "pg_indexes_size",
    "pg_total_relation_size", "pg_database_size", "pg_is_in_recovery",
)  # fmt: skip
"""Functions that are volatile because they give another value each time, and change nothing."""

_WHO = """
SELECT current_user::text AS role, current_database()::text AS database,
       current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS number,
       current_setting('transaction_read_only') AS read_only,
       (SELECT bool_or(rolsuper) FROM pg_roles
         WHERE rolname IN (current_user, session_user)) AS super,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolname IN (
           'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
         AND (pg_has_role(current_user, r.oid, 'MEMBER')
           OR pg_has_role(session_user, r.oid, 'MEMBER'))) AS files
"""
_WRITES = """
SELECT count(*)::bigint AS tables FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
"""
_SIDE_EFFECTS = """
SELECT DISTINCT p.proname::text AS name FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.provolatile = 'v' AND p.prokind IN ('f', 'w', 'p')
  AND NOT (n.nspname <> 'pg_catalog' AND EXISTS (
    SELECT FROM pg_proc b WHERE b.proname = p.proname AND b.provolatile <> 'v'
      AND b.pronamespace = 'pg_catalog'::regnamespace))
  AND p.proname <> ALL ({harmless})
  AND (p.proname = ANY ({called}) OR (p.proname = ANY ({dotted}) AND p.pronargs = 1
    AND (SELECT t.typtype FROM pg_type t WHERE t.oid = p.proargtypes[0]) IN ('c', 'p')))
"""
_TABLES = """
SELECT c.oid::bigint AS id, n.nspname::text AS schema, c.relname::text AS name,
       c.relkind::text AS kind, c.reltuples::float8 AS rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema' AND NOT c.relispartition
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname, c.relname LIMIT 2000
"""
_COLUMNS = """
SELECT a.attrelid::bigint AS id, a.attname::text AS name,
       format_type(a.atttypid, NULL)::text AS type
FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ({ids})
ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT c.conrelid::bigint AS id, c.contype::text AS kind,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, i)
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.i) AS columns,
       c.confrelid::bigint AS other,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, i)
         JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.i) AS others
FROM pg_constraint c WHERE c.contype IN ('p', 'f', 'u') AND c.conrelid = ANY ({ids})
"""


def run(task: Task, control: Control) -> dict[str, Any]:
    """Carry out a task of the server's and return what it gave, as JSON can hold it.

    Raises:
        DatabaseRefused: It cannot be done, with a sentence for the user.
    """
    with _Database(task, control) as database:
        match task.kind:
            case "test":
                return database.about()
            case "schema":
                return database.schema()
            case "describe":
                return {"columns": database.describe(task.sql)}
            case "estimate":
                return database.estimate(task.sql)
            case "fetch":
                return database.fetch(task)
            case "rows":
                return {"tables": [database.rows(sql) for sql in task.queries]}


class _Database:
    """One connection with one transaction that can only read."""

    def __init__(self, task: Task, control: Control) -> None:
        self._task = task
        self._control = control

    def __enter__(self) -> _Database:
        import adbc_driver_postgresql.dbapi as driver

        self._error: type[Exception] = driver.Error
        try:
            self._connection = driver.connect(self._task.address, autocommit=True)
        except driver.Error as error:
            raise no_connection(self._task, error) from None
        self._control.on_cancel = self._connection.adbc_cancel
        try:
            self._begin()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _begin(self) -> None:
        self._do("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self._do(f"SET LOCAL statement_timeout = {round(self._task.seconds * 1000)}")
        self._do("SET LOCAL lock_timeout = 5000")
        self._do("SET LOCAL standard_conforming_strings = on")
        who = self._who = self.rows(_WHO)[0]
        if who["super"]:
            raise DatabaseRefused(
                f"{self._task.name} signs in as {who['role']}, a superuser, whom no transaction "
                "keeps from changing the server, so nothing was asked.",
                "Use a role that has SELECT on the tables in question and nothing else.",
            )
        if who["files"]:
            raise DatabaseRefused(
                f"{self._task.name} signs in as {who['role']}, a role that may reach the server's "
                "files or programs, so nothing was asked.",
                "Use a role that has SELECT on the tables in question and nothing else.",
            )
        if who["read_only"] != "on":
            raise DatabaseRefused(
                f"{self._task.name} did not begin a read-only transaction, so nothing was asked.",
                "A program between this one and the server may have changed it.",
            )
        if who["number"] >= 140_000:
            # If this process is killed, the server ends the statement by itself.
            with contextlib.suppress(Exception):
                self._do("SAVEPOINT analyst")
                self._do("SET LOCAL client_connection_check_interval = 500")

    def _close(self) -> None:
        self._control.on_cancel = None
        with contextlib.suppress(Exception):
            self._do("ROLLBACK")
        with contextlib.suppress(Exception):
            self._connection.close()

    # --- statements --------------------------------------------------------------------------

    def _do(self, sql: str) -> Any:
        """Send one statement of ours and return its rows as a table."""
        with self._connection.cursor(adbc_stmt_kwargs=_PLAIN) as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query of ours."""
        try:
            found: list[dict[str, Any]] = self._do(sql).to_pylist()
        except self._error as error:
            raise failed(self._task, self._control, error) from None
        return found

    def about(self) -> dict[str, Any]:
        """Say who signed in where, and how many tables the role could change elsewhere."""
        who = self._who
        writable = self.rows(_WRITES)[0]["tables"]
        return {
            "role": who["role"], "database": who["database"], "version": who["version"],
            "writable": writable,
        }  # fmt: skip

    def schema(self) -> dict[str, Any]:
        """Return the tables that can be read, their columns and their declared keys."""
        tables = self.rows(_TABLES)
        if not tables:
            return {"version": self._who["version"], "tables": []}
        ids = "ARRAY[{}]::oid[]".format(",".join(str(table["id"]) for table in tables))
        columns = self.rows(_COLUMNS.format(ids=ids))
        keys = self.rows(_KEYS.format(ids=ids))
        by_id = {table["id"]: table for table in tables}
        for table in tables:
            table |= {"columns": [], "keys": [], "links": []}
        for column in columns:
            by_id[column["id"]]["columns"].append([column["name"], column["type"]])
        for key in keys:
            table = by_id[key["id"]]
            if key["kind"] != "f":
                table["keys"].append(key["columns"])
            elif key["other"] in by_id:
                other = by_id[key["other"]]
                table["links"].append(
                    [key["columns"], other["schema"], other["name"], key["others"]]
                )
        return {"version": self._who["version"], "tables": tables}

    def describe(self, sql: str) -> list[list[str]]:
        """Return name, type and treatment of each column of a query, without running it."""
        self._refuse_side_effects(sql)
        try:
            with self._connection.cursor(adbc_stmt_kwargs=_PLAIN) as cursor:
                schema = cursor.adbc_execute_schema(sql)
        except self._error as error:
            raise failed(self._task, self._control, error) from None
        _refuse_columns(self._task, schema)
        return [[field.name, str(field.type), _treatment(field)] for field in schema]

    def estimate(self, sql: str) -> dict[str, float]:
        """Return the planner's own estimate of a query: rows, and cost in its units."""
        self._refuse_side_effects(sql)
        # As a cursor, so that the grammar takes nothing but what a fetch would run.
        found = self.rows(f"EXPLAIN (FORMAT JSON) DECLARE analyst NO SCROLL CURSOR FOR {sql}\n")
        (plan,) = found[0].values()
        top = json.loads(plan if isinstance(plan, str) else str(plan))[0]["Plan"]
        return {"rows": float(top["Plan Rows"]), "cost": float(top["Total Cost"])}

    def _refuse_side_effects(self, sql: str) -> None:
        if "\0" in sql:
            raise DatabaseRefused("The query holds a zero byte, so it was not run.", "Remove it.")
        names = called_names(sql)
        if names.escapes:
            raise DatabaseRefused(
                "The query holds Unicode escapes (U&), so it was not run.",
                "Write the letters themselves.",
            )
        found = self.rows(
            _SIDE_EFFECTS.format(
                harmless=_array(_HARMLESS), called=_array(names.called), dotted=_array(names.dotted)
            )
        )
        if found:
            which = ", ".join(sorted(str(row["name"]) for row in found))
            raise DatabaseRefused(
                f"The query calls {which}, which may have side effects (the server lists it as "
                "VOLATILE), so it was not run.",
                "Ask without it; the owner of a function that only reads can declare it STABLE.",
            )

    def fetch(self, task: Task) -> dict[str, Any]:
        """Run a query and write its rows to a file in Arrow's format, whole or not at all."""
        import pyarrow as pa

        self._refuse_side_effects(task.sql)
        part = Path(f"{task.target}.part")
        facts = _Facts()
        try:
            # The newline ends a comment at the end of the text before it.
            self._declare(task.sql)
            count, rows, size = 1_000, 0, 0
            writer: Any = None
            deadline = time.monotonic() + task.seconds
            with contextlib.ExitStack() as stack:
                while True:
                    batch = self._fetched(count)
                    if writer is None:
                        _refuse_columns(task, batch.schema)
                        writer = stack.enter_context(pa.ipc.new_file(str(part), batch.schema))
                    if not batch.num_rows:
                        break
                    rows, size = rows + batch.num_rows, size + batch.nbytes
                    _refuse_size(task, rows, size)
                    if time.monotonic() > deadline:
                        raise too_slow(task)
                    facts.look(batch)
                    writer.write_table(batch)
                    per_row = max(1, size // rows)
                    count = max(1, min(_MOST_IN_BATCH, _BATCH_BYTES // per_row))
            part.replace(task.target)
        except OSError as error:
            raise DatabaseRefused(
                f"What {task.name} gave cannot be kept: {error.strerror or 'no room'}.",
                "Make room on the disk of Jupyter's data folder.",
            ) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return {"rows": rows, "bytes": size, "notes": facts.notes()}

    def _declare(self, sql: str) -> None:
        try:
            self._do(f"DECLARE analyst NO SCROLL CURSOR FOR {sql}\n")
        except self._error as error:
            raise failed(self._task, self._control, error) from None

    def _fetched(self, count: int) -> Any:
        try:
            return self._do(f"FETCH FORWARD {count} FROM analyst")
        except self._error as error:
            raise failed(self._task, self._control, error) from None


class _Facts:
    """What pandas would show otherwise than it is: whole numbers beyond what a float holds."""

    def __init__(self) -> None:
        self._gaps: set[str] = set()
        self._long: set[str] = set()
        self._digits: set[str] = set()

    def look(self, table: Any) -> None:
        """Look at one batch."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for field, column in zip(table.schema, table.columns, strict=True):
            if pa.types.is_int64(field.type):
                self._gaps |= {field.name} if column.null_count else set()
                seen = pc.min_max(column).as_py()
                far = max(abs(seen["min"] or 0), abs(seen["max"] or 0))
                self._long |= {field.name} if far > _EXACT else set()
            elif _treatment(field) == "number":
                text = pa.chunked_array([chunk.storage for chunk in column.chunks], pa.string())
                if pc.any(pc.match_substring_regex(text, "^-?[0-9]{16,}$")).as_py():
                    self._digits.add(field.name)

    def notes(self) -> list[str]:
        """Return one sentence for each column that is concerned."""
        return [
            f"{name!r} holds whole numbers beyond 2^53, which become inexact here: select "
            f"{name}::text to keep every digit."
            for name in sorted((self._gaps & self._long) | self._digits)
        ]


def _array(names: Any) -> str:
    quoted = ",".join("'" + name.replace("'", "''") + "'" for name in sorted(names))
    return f"ARRAY[{quoted}]::text[]"


# --- columns ---------------------------------------------------------------------------------


def _treatment(field: Any) -> str:
    """Return ``number`` for a text that stands for a number, ``unknown`` for foreign bytes."""
    import pyarrow as pa

    declared = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode("utf-8", "replace")
    if declared == "money":
        return "unknown"
    if isinstance(field.type, pa.OpaqueType):
        is_number = field.type.type_name == "numeric" and pa.types.is_string(
            field.type.storage_type
        )
        return "number" if is_number else "unknown"
    if any(_treatment(inner) != "plain" for inner in _inner(field.type)):
        return "unknown"
    return "plain"


def _inner(kind: Any) -> Iterator[Any]:
    import pyarrow as pa

    if pa.types.is_nested(kind):
        yield from (kind.field(place) for place in range(kind.num_fields))


def _refuse_columns(task: Task, schema: Any) -> None:
    names = [field.name for field in schema]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise DatabaseRefused(
            f"Several columns of the result are called {double[0]!r}, so it was not fetched.",
            "Give each a name of its own with AS.",
        )
    for field in schema:
        if _treatment(field) == "unknown":
            declared = (
                (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode("utf-8", "replace")
            )
            shown = f"{declared[1:]}[]" if declared.startswith("_") else declared or str(field.type)
            cast = "float8[]" if shown == "numeric[]" else "numeric" if shown == "money" else "text"
            raise DatabaseRefused(
                f"The column {field.name!r} is of the type {shown}, which a table here cannot "
                "hold, so nothing was fetched.",
                f"Select it as {cast}: CAST(... AS {cast}).",
            )


def _refuse_size(task: Task, rows: int, size: int) -> None:
    if rows > task.rows:
        what = f"more than {task.rows:,} rows"
    elif size > task.bytes:
        what = f"more than {task.bytes >> 20:,} MB"
    else:
        return
    raise DatabaseRefused(
        f"The result has {what}, the limit of {task.name}, so nothing of it was kept.",
        "Aggregate or filter in the query, or select fewer columns.",
    )
