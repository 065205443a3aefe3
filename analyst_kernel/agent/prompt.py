"""The texts of the first user turn and of the loop's own words to the model. Pure.

The system prompt and the tools are stable; whatever changes (data, versions, variables, earlier
findings) stands here.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.agent.observe import envelope
from analyst_kernel.agent.ports import Catalog, KernelFacts
from analyst_kernel.agent.repair import schema_line
from analyst_kernel.agent.state import Memory
from analyst_kernel.agent.transcript import Situation, Text, UserMessage
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.records import Finding, Limits

_TOKENS_PER_DATASET = 2000
_TOKENS_FOR_DATASETS = 6000
_CHARACTERS_PER_TOKEN = 4
_EARLIER_ANSWERS = 5
_EARLIER_FINDINGS = 30
_EARLIER_FRAMES = 30
_PANDAS_3 = """\
pandas 3 differs from what you may remember:
- text columns have dtype 'str', not object: use is_string_dtype or select_dtypes('str')
- copy-on-write: df[c].fillna(x, inplace=True) and df[c][i] = x change nothing; assign df[c] = ...
- gone: df.append (pd.concat), applymap (map), fillna(method=) (ffill/bfill), iteritems (items)
- resample 'ME', 'YE', 'h', not 'M', 'Y', 'H'
- mean(), corr() and groupby.mean() on text columns raise: pass numeric_only=True or select columns
- groupby.apply does not pass the group column; prefer agg
- to_datetime on mixed formats raises: format='mixed' or errors='coerce' and count what failed
- parsed dates are not nanoseconds: for epoch seconds use (s - pd.Timestamp(0)).dt.total_seconds()
- astype(int) with NaN raises: 'Int64'"""

WRAP_UP = (
    "{reason} No tool can be called any more. Write the final answer now: first what is "
    "established, each number with its cell, then plainly what is not. Do not guess."
)
CUT_OFF = "Not run: the call was cut off. Send smaller code, one purpose per cell."
EMPTY_REPLY = "Your reply was empty. Continue with a tool call, or call finish with the answer."
NOT_RUN_AFTER_FINISH = "Not run: it came after finish in the same turn."
CANCELLED = "Cancelled by the person."


def first_message(
    *,
    question: str,
    memory: Memory,
    catalog: Catalog,
    limits: Limits,
    nonce: str,
    notes: Sequence[str] = (),
) -> UserMessage:
    """Compose the first turn of a run, as text and structured."""
    profiles = tuple(memory.profiles.values())
    parts = [f"Question: {question}"]
    if memory.facts is not None:
        parts.append(environment_text(memory.facts, limits))
    if profiles:
        parts.append("Datasets:\n" + envelope(_datasets(profiles, catalog, question), nonce))
    else:
        parts.append("No dataset was granted. Without data only say what you would need.")
    earlier = _earlier(memory)
    if earlier:
        parts.append("Earlier in this analysis:\n" + envelope(earlier, nonce))
    # The datasets' own variables are described above, better than here.
    others = [frame for frame in memory.frames if frame.name not in memory.profiles]
    frames = [schema_line(frame) for frame in others[:_EARLIER_FRAMES]]
    if frames:
        parts.append("Variables in the kernel:\n" + envelope("\n".join(frames), nonce))
    parts += notes
    situation = Situation(question, profiles, memory.frames)
    return UserMessage(text=(Text("\n\n".join(parts)),), situation=situation)


def environment_text(facts: KernelFacts, limits: Limits) -> str:
    """Tell what the kernel is, as it said itself."""
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    text = (
        f"Environment: Python {facts.python}; {versions or 'no libraries reported'}. "
        f"At most {limits.iterations} cells, {limits.cell_seconds:,.0f} s each."
    )
    major = facts.versions.get("pandas", "").partition(".")[0]
    if major.isdigit() and int(major) >= 3:
        text += "\n" + _PANDAS_3
    return text


def correction(unproven: Sequence[str], unknown_cells: Sequence[str]) -> str:
    """Ask once for numbers that no output shows and citations of cells that do not exist."""
    parts = []
    if unproven:
        parts.append(
            "These numbers stand in no executed output of this analysis: "
            + ", ".join(unproven)
            + ". Run a cell that displays each at that precision, or correct it, or leave it out."
        )
    if unknown_cells:
        parts.append(
            f"These citations name no cell that ran: {', '.join(unknown_cells)}. Cite the "
            "iteration's number as [cell 3]."
        )
    return " ".join(parts) + " Then finish again; what stays unproven is marked as not verified."


def broken_input(raw: str) -> str:
    """Answer a call whose input is not a JSON object, quoting it."""
    quote = raw if len(raw) <= 600 else raw[:400] + " … " + raw[-150:]
    return f"Not run: the input is not valid JSON. Send one JSON object. Received: {quote!r}"


def findings_text(findings: Sequence[Finding]) -> str:
    """List findings as Markdown, each with its caveats."""
    lines = []
    for finding in findings:
        caveats = f" ({'; '.join(finding.caveats)})" if finding.caveats else ""
        lines.append(f"- {finding.statement}{caveats}")
    return "\n".join(lines)


def _datasets(profiles: Sequence[DatasetProfile], catalog: Catalog, question: str) -> str:
    texts: list[str] = []
    left = _TOKENS_FOR_DATASETS
    for profile in profiles:
        budget = min(_TOKENS_PER_DATASET, left)
        if budget >= 200:
            text = catalog.describe(profile, question=question, budget=budget)
        else:
            dataset = profile.dataset
            rows = "rows not counted" if dataset.rows is None else f"{dataset.rows:,} rows"
            columns = ", ".join(repr(name) for name in dataset.columns[:20])
            text = f"{dataset.name}: {rows}, {len(dataset.columns)} columns ({columns}); "
            text += "call profile_dataset for more"
        left -= len(text) // _CHARACTERS_PER_TOKEN
        texts.append(text)
    return "\n\n".join(texts)


def _earlier(memory: Memory) -> str:
    parts: list[str] = []
    for earlier in memory.earlier[-_EARLIER_ANSWERS:]:
        answer = earlier.answer if len(earlier.answer) <= 800 else earlier.answer[:800] + " …"
        parts.append(f"Asked: {earlier.question}\nAnswered ({earlier.status}): {answer}")
    if memory.findings:
        parts.append("Findings:\n" + findings_text(memory.findings[-_EARLIER_FINDINGS:]))
    return "\n\n".join(parts)
