"""What PostgreSQL's failures become: one sentence that says what happened, and what to do next."""

from __future__ import annotations

import re

from analyst_kernel.connections.task import Control, DatabaseRefused, Task

_ERROR = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(?:[0-9A-Z]{5}:\s+)?(.*?)(?:\n|$)", re.DOTALL)
_HINT = re.compile(r"\nHINT:\s+(.*?)(?:\n|$)")
_CONNECTING = (
    (r"password authentication failed|no password supplied|authentication failed",
     "the password was refused",
     "Check the source of the password, and `analyst connections test`."),
    (r'database ".*" does not exist', "there is no such database", "Check the address."),
    (r'role ".*" does not exist', "there is no such role", "Check the user in the address."),
    (r"does not support SSL|SSL error|certificate|SSL connection",
     "the encrypted connection could not be made",
     "Check sslmode and sslrootcert in the address, and the server's own rules."),
    (r"pg_hba.conf", "the server's own rules (pg_hba.conf) do not let this role in from here",
     "Ask its administrator, or check user, database and sslmode in the address."),
    (r"could not translate host name|Name or service not known", "its host is not known",
     "Check the address."),
    (r"timeout expired|timed out", "it did not answer in time",
     "Check the address, and whether a network or VPN is missing."),
    (r"refused|No such file|could not connect|No route|unreachable",
     "no server answers there", "Check the address, and whether the server runs."),
    (r"definition of service|service file", "the service is not in a service file",
     "Check PGSERVICEFILE or ~/.pg_service.conf."),
    (r"too many|remaining connection slots", "the server takes no more connections",
     "Try again later."),
)  # fmt: skip


def no_connection(task: Task, error: Exception) -> DatabaseRefused:
    """Return why there is no connection."""
    text = str(error)
    for pattern, said, remedy in _CONNECTING:
        if re.search(pattern, text, re.IGNORECASE):
            return DatabaseRefused(f"{task.name} could not be asked: {said}.", remedy)
    return DatabaseRefused(
        f"{task.name} could not be asked: {_first(text)}.", "Run `analyst connections test`."
    )


def failed(task: Task, control: Control, error: Exception) -> DatabaseRefused:
    """Return why a statement failed."""
    state = str(getattr(error, "sqlstate", "") or "")
    text = str(error)
    if control.cancelled:
        return DatabaseRefused(f"The query to {task.name} was stopped.", "Nothing of it was kept.")
    if state == "57014":
        return too_slow(task)
    if state.startswith(("08", "57P")) or re.search(
        r"server closed|terminating connection|connection.*(?:lost|reset|closed)|no connection",
        text, re.IGNORECASE,
    ):  # fmt: skip
        return DatabaseRefused(
            f"{task.name} broke the connection in the middle, so nothing of the result was kept.",
            "Check whether the server runs, and ask again.",
        )
    if state in ("25006", "0A000", "25001"):
        return DatabaseRefused(
            f"Only queries that read are run on {task.name}: {_first(text)}.",
            "Ask with SELECT alone.",
        )
    if state == "42601" and ("multiple commands" in text or _begins_other(text)):
        return DatabaseRefused(
            f"{task.name} takes one query that reads at a time: {_first(text)}.",
            "Send a single SELECT.",
        )
    hint = _HINT.search(text)
    return DatabaseRefused(
        f"{task.name} refused the query: {_first(text)}.",
        hint[1].strip() if hint else "",
    )


def _begins_other(text: str) -> bool:
    """Return whether the text was no SELECT at all, as the server read it."""
    found = re.search(r'syntax error at or near "(\w+)"', text)
    return found is not None and found[1].lower() in (
        "delete", "insert", "update", "copy", "set", "commit", "prepare", "execute", "call", "do",
        "create", "drop", "alter", "truncate", "begin", "vacuum", "lock", "grant", "explain",
    )  # fmt: skip


def too_slow(task: Task) -> DatabaseRefused:
    """Return that a statement took too long."""
    return DatabaseRefused(
        f"The query took longer than {task.seconds:g} s, the limit of {task.name}, and was ended.",
        "Filter or aggregate earlier, or look at fewer rows.",
    )


def _first(text: str) -> str:
    """Return the server's own sentence, without our statement around it."""
    found = _ERROR.search(text)
    said = found[1] if found else text.split("\n", maxsplit=1)[0]
    said = re.sub(r"^(?:[A-Z_]+: )?\[libpq\]\s*(?:Failed to \w+[^:]*: )?", "", said)
    return " ".join(said.split()).rstrip(".")[:500]
