"""Asks the sandbox which words of the user are values of the data.

Only the sandbox holds the data. The code gets the question and the definitions, and answers with
the values that stand in them, so that "Bern's", "Bern-based" and 「東京」 are found as well.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable

from analyst_kernel.agent.ledger import definition_line
from analyst_kernel.agent.ports import Kernel
from analyst_kernel.agent.privacy.wall import GuardedModel
from analyst_kernel.agent.privacy.words import in_outputs, in_sentences, own_lines
from analyst_kernel.agent.prompts import instructions_text
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.errors import AnalystError
from analyst_kernel.protocol.outputs import StreamOutput

_SECONDS = 60.0
_MARK = "analyst-values"
_SMALL = re.compile(r"[0-9]{1,2}")

# Runs in the kernel. It changes nothing there and never raises.
_LOOK = r"""
def _analyst_values_look(names, text):
    import json
    import re

    def number(written):
        try:
            return float(written.replace(",", ""))
        except ValueError:
            return None

    text = text.lower()
    numbers = {number(found) for found in re.findall(r"[0-9][0-9.,]*[0-9]|[0-9]", text)}
    found, unread = set(), []

    def look(values):
        for value in values:
            written = str(value).strip()
            if written and written.lower() in text:
                found.add(written)
            elif numbers and not isinstance(value, bool) and number(written) in numbers:
                found.add(written)

    for name in names:
        try:
            table = globals().get(name)
            if hasattr(table, "iloc") and hasattr(table, "columns"):
                for place in range(len(table.columns)):
                    column = table.iloc[:, place].dropna()
                    try:
                        column = column.drop_duplicates()
                    except TypeError:
                        column = column.astype(str).drop_duplicates()
                    look(column)
                    if str(column.dtype).startswith("datetime"):
                        look(column.dt.strftime("%%Y-%%m-%%d").drop_duplicates())
            else:
                import duckdb

                quoted = '"' + name.replace('"', '""') + '"'
                relation = duckdb.sql("select * from " + quoted)
                for column in relation.columns:
                    column = '"' + column.replace('"', '""') + '"'
                    cursor = duckdb.execute(
                        "select distinct cast(" + column + " as varchar) from " + quoted
                    )
                    while rows := cursor.fetchmany(10000):
                        look(row[0] for row in rows if row[0] is not None)
        except Exception:
            unread.append(name)
    if len(found) > 2000:
        found, unread = set(), names
    return json.dumps({"found": sorted(found), "unread": unread})


print("%s", _analyst_values_look(%r, %r))
del _analyst_values_look
"""


async def learn_user_words(run: Run) -> None:
    """Learn, before the first request of a run, which of the user's words are values.

    Where the data cannot be looked at, every word that is not in this package's own sentences
    counts as one.
    """
    model = run.deps.model
    if not isinstance(model, GuardedModel) or model.privacy == "full":
        return
    await asyncio.to_thread(own_lines)
    await asyncio.to_thread(in_sentences)
    memory = run.memory
    for dataset in run.deps.catalog.datasets:
        model.wall.learn_names(dataset)
    texts = [run.question, *(earlier.question for earlier in memory.earlier)]
    texts.append(instructions_text(run.instructions))
    texts += [definition_line(definition) for definition in memory.ledger.holding]
    try:
        found = await _values_in(run.deps.kernel, memory.dataset_names(), "\n".join(texts))
    except AnalystError:
        found = None
    if found is None:
        run.notice(
            "privacy-words-unknown",
            "The data could not be searched for the words of your question, so all of them travel "
            "as tokens. The model may understand the question less well.",
        )
        return
    vocabulary = in_outputs().words
    values = [v for v in found if v not in vocabulary and not _SMALL.fullmatch(v)]
    model.wall.learn_user_words(texts, values)


async def _values_in(kernel: Kernel, names: Iterable[str], text: str) -> list[str] | None:
    """Return the values that stand in a text; None if the data was not read."""
    wanted = sorted(set(names))
    if not wanted:
        return []
    execution = await kernel.execute(_LOOK % (_MARK, wanted, text), timeout=_SECONDS)
    output = "".join(o.text for o in execution.outputs if isinstance(o, StreamOutput))
    _, marked, rest = output.partition(f"{_MARK} ")
    try:
        said = json.loads(rest.split("\n", 1)[0]) if marked else {}
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("unread") != []:
        return None
    found = said.get("found")
    return [str(value) for value in found] if isinstance(found, list) else None
