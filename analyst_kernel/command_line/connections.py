"""``analyst connections``: the databases that analyses may ask; no password is shown or stored."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from analyst_kernel.command_line.keys import read_secret
from analyst_kernel.command_line.shell import json_option, record_json, runs
from analyst_kernel.command_line.writer import note, out, out_json

if TYPE_CHECKING:
    from analyst_kernel.connections.entries import ConnectionEntry


@click.group(invoke_without_command=True, short_help="List, add, test and browse databases.")
@click.pass_context
def connections(context: click.Context) -> None:
    """List, add, test and browse the databases that analyses may ask.

    `analyst ask --connection NAME` attaches one to an analysis. Queries can only read.
    """
    if context.invoked_subcommand is None:
        context.invoke(listing)


@connections.command("list", short_help="List the connections.")
@json_option
@runs
async def listing(*, as_json: bool = False) -> int:
    """List the connections: address, and where the password comes from."""
    from analyst_kernel.command_line.console import print_table
    from analyst_kernel.connections.entries import connections_of_user

    entries = connections_of_user().entries()
    if as_json:
        rows = [entry.model_dump(mode="json") for entry in entries.values()]
        out_json(json.dumps({"connections": rows}))
    elif entries:
        print_table(
            ("name", "address", "password from", "in notebooks"), (), map(_row, entries.values())
        )
    else:
        out("There are no connections. `analyst connections add NAME ADDRESS` makes one.")
    return 0


def _row(entry: ConnectionEntry) -> tuple[str, ...]:
    return entry.name, entry.address, entry.password_from, entry.variable


@connections.command("add", short_help="Add a database, or change one.")
@click.argument("name")
@click.argument("address")
@click.option(
    "--password-from",
    default="libpq",
    metavar="SOURCE",
    help="stored (asked for; the keyring, or a file that you alone can read), env:VARIABLE, "
    "keyring, or libpq: ~/.pgpass, a service file, or none.",
)
@click.option("--max-rows", type=int, metavar="N", help="More rows are not fetched (2,000,000).")
@click.option("--max-megabytes", type=int, metavar="MB", help="Nor more than that (512).")
@click.option("--max-seconds", type=float, metavar="S", help="Time of one statement (120).")
@click.option(
    "--ask-above-rows", type=int, metavar="N", help="More rows by the server's estimate: ask first."
)
@click.option(
    "--ask-above-cost",
    type=float,
    metavar="C",
    help="A higher estimated cost (EXPLAIN): ask first.",
)
def add(
    *,
    name: str,
    address: str,
    password_from: str,
    max_rows: int | None,
    max_megabytes: int | None,
    max_seconds: float | None,
    ask_above_rows: int | None,
    ask_above_cost: float | None,
) -> None:
    """Add the database at ADDRESS, such as postgresql://reader@db.example.org/sales, as NAME.

    The address holds no password: say where it comes from. Use a role that has SELECT on the
    tables in question and nothing else.
    """
    asks = password_from.strip() in ("stored", "keyring")
    password = read_secret(f"Password of {name[:60]}") if asks else ""
    _add(
        name=name,
        address=address,
        password_from=password_from,
        password=password,
        limits={
            "max_rows": max_rows,
            "max_megabytes": max_megabytes,
            "max_seconds": max_seconds,
            "ask_above_rows": ask_above_rows,
            "ask_above_cost": ask_above_cost,
        },
    )


@runs
async def _add(
    *,
    name: str,
    address: str,
    password_from: str,
    password: str,
    limits: dict[str, Any],
) -> int:
    from analyst_kernel.connections.entries import checked_entry, connections_of_user

    entry = checked_entry(
        name,
        address,
        password_from=password_from,
        **limits,
    )
    await asyncio.to_thread(connections_of_user().add, entry, password)
    out(f"Added {name}. `analyst connections test {name}` tries it.")
    return 0


@connections.command("test", short_help="Sign in, and say what the role may do.")
@click.argument("name")
@runs
async def test(*, name: str) -> int:
    """Sign in to NAME, and say as whom, and whether the role could change something elsewhere."""
    from analyst_kernel.connections.entries import connections_of_user
    from analyst_kernel.connections.outside import DatabaseWorker

    entry = connections_of_user().named(name)
    async with DatabaseWorker() as worker:
        said, warning = await worker.try_out(entry)
    out(said)
    if warning:
        note(warning)
    return 0


@connections.command("remove", short_help="Remove a connection.")
@click.argument("name")
@runs
async def remove(*, name: str) -> int:
    """Remove NAME from the list, and the password that is stored for it."""
    from analyst_kernel.connections.entries import connections_of_user

    await asyncio.to_thread(connections_of_user().remove, name)
    out(f"Removed {name}.")
    return 0


@connections.command("attach", short_help="Let a notebook's analysis ask a database.")
@click.argument("name")
@click.argument("notebook", metavar="NOTEBOOK")
@runs
async def attach_to(*, name: str, notebook: str) -> int:
    """Let the analysis of NOTEBOOK ask NAME from when it is opened next, in JupyterLab too."""
    from analyst_kernel.analysis.databases import attach
    from analyst_kernel.grants import GrantStore
    from analyst_kernel.notebook.storage.names import notebook_path
    from analyst_kernel.protocol.errors import InputError

    path = notebook_path(notebook)
    if not path.is_file():
        raise InputError(f"There is no notebook {notebook}.", "Ask a question first; it makes one.")
    store = await asyncio.to_thread(GrantStore)
    await asyncio.to_thread(attach, store, str(path), None, [name])
    out(f"{notebook} may ask {name} from when its analysis is opened next.")
    return 0


@connections.command("tables", short_help="List tables, columns and keys, or describe one table.")
@click.argument("name")
@click.argument("table", required=False)
@json_option
@runs
async def tables(*, name: str, table: str | None, as_json: bool) -> int:
    """List the tables of NAME with columns and keys; with TABLE describe its values.

    What is printed is what a model is shown of it.
    """
    from analyst_kernel.connections.attached import AttachedConnections
    from analyst_kernel.connections.entries import connections_of_user
    from analyst_kernel.data.profile.describe import describe
    from analyst_kernel.protocol.errors import DataError

    databases = AttachedConnections([connections_of_user().named(name)], None)
    try:
        problems = await databases.look()
        if problems:
            raise DataError(problems[0])
        if table is not None:
            full = table if table.startswith(f"{name}.") else f"{name}.{table}"
            profile = await databases.profile(full)
            if as_json:
                out_json(record_json(profile))
            else:
                out(describe(profile))
        elif as_json:
            out_json(json.dumps({"tables": databases.listed(name)}, ensure_ascii=False))
        else:
            out(databases.describe(budget=20_000))
    finally:
        await databases.aclose()
    return 0
