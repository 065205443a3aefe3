"""``analyst keys``: the keys of model providers that are stored for the user; no key is shown."""

from __future__ import annotations

import asyncio
import getpass
import json
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import json_option, runs
from analyst_kernel.command_line.streams import EXIT_CANCELLED, end_at_once_on_interrupt
from analyst_kernel.command_line.writer import note, out, out_json

if TYPE_CHECKING:
    from analyst_kernel.credentials.store import KeyState

_LONGEST_LINE = 100_000


@click.group(invoke_without_command=True, short_help="List, set and remove keys of providers.")
@click.pass_context
def keys(context: click.Context) -> None:
    """List, set and remove the keys of model providers; JupyterLab and this command share them."""
    if context.invoked_subcommand is None:
        context.invoke(listing)


@keys.command("list", short_help="List which keys are set and where they come from.")
@json_option
@runs
async def listing(*, as_json: bool = False) -> int:
    """List which keys are set, where they come from, and which hosts they go to."""
    from analyst_kernel.command_line.console import print_table
    from analyst_kernel.credentials.store import keys_of_user

    store = keys_of_user()
    env = store.environment()
    states = store.states(env)
    if as_json:
        rows = [asdict(state) for state in states]
        out_json(json.dumps({"keys": rows, "place": store.place, "problem": env.problem}))
        return 0
    if states:
        print_table(("provider", "from", "goes to", "note"), (), map(_row, states))
    else:
        out("No keys are set. `analyst keys set PROVIDER` stores one.")
    if env.problem:
        note(env.problem)
    return 0


def _row(state: KeyState) -> tuple[str, ...]:
    from analyst_kernel.credentials.entries import SOURCES

    source = state.variable if state.source == "environment" else SOURCES[state.source]
    remark = state.unused or ("" if state.has_key else "an address without a key")
    return state.provider, source, state.host, remark


@keys.command("set", short_help="Store a provider's key, which is asked for.")
@click.argument("provider")
@click.option("--url", default="", metavar="URL", help="The server that the key is for.")
@click.option("--unchecked", is_flag=True, help="Store it without asking the provider.")
def store_key(*, provider: str, url: str, unchecked: bool) -> None:
    """Check and store a key of PROVIDER.

    The key is asked for and not shown; if stdin is no terminal, its first line is the key. A key
    goes to the host that it was stored for and to no other. Where a server wants none, leave it
    empty.
    """
    key = read_secret(f"Key of {provider[:60]}")
    _store(provider=provider.strip().lower(), key=key, url=url, anyway=unchecked)


@runs
async def _store(*, provider: str, key: str, url: str, anyway: bool) -> int:
    from analyst_kernel.credentials.check import save_key
    from analyst_kernel.credentials.entries import SOURCES
    from analyst_kernel.credentials.store import keys_of_user

    store = keys_of_user()
    checked = await save_key(store, provider, key, url, anyway=anyway)
    note(checked.what)
    if checked.saved:
        out(f"Stored for {provider} ({SOURCES[store.place]}).")
        return 0
    note(f"Nothing was stored. {checked.remedy}".rstrip())
    note("`--unchecked` stores it all the same.")
    return 3


@keys.command("remove", short_help="Remove a provider's key.")
@click.argument("provider")
@runs
async def remove(*, provider: str) -> int:
    """Remove what is stored for PROVIDER; an environment variable stays."""
    from analyst_kernel.credentials.store import keys_of_user
    from analyst_kernel.protocol.errors import InputError

    store = keys_of_user()
    name = provider.strip().lower()
    if name not in await asyncio.to_thread(store.kept):
        raise InputError(
            f"Nothing is stored for {name!r}.", "`analyst keys` lists what is set, and where."
        )
    await asyncio.to_thread(store.forget, name)
    out(f"Removed what was stored for {name}.")
    return 0


def read_secret(what: str) -> str:
    """Ask for a key or password without showing it, or read it from a pipe."""
    if not sys.stdin.isatty():
        with suppress(UnicodeDecodeError):
            return sys.stdin.readline(_LONGEST_LINE)
        return ""
    # The terminal must show again what is typed, so the process may not end at once here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return getpass.getpass(f"{what} (not shown): ", stream=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        note("\nCancelled.")
        sys.exit(EXIT_CANCELLED)
    finally:
        end_at_once_on_interrupt()
