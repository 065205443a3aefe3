"""``analyst models``: providers, the limits and prices of their models, what was spent today."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from analyst_kernel.command_line.shell import json_option, runs
from analyst_kernel.command_line.writer import note, out, out_json

if TYPE_CHECKING:
    from datetime import date

    from analyst_kernel.models.table import ModelFacts, ModelTable
    from analyst_kernel.protocol.records import Usage

_UNKNOWN = "?"


@click.command(short_help="List providers, limits, prices, and what was spent today.")
@click.option("--ask", is_flag=True, help="Ask local servers, and OpenRouter, for their models.")
@json_option
@runs
async def models(*, ask: bool, as_json: bool) -> int:
    """List model providers, which have credentials, limits and prices, and today's cost.

    No server is asked without --ask.
    """
    from analyst_kernel.analysis.spending import SpendingStore
    from analyst_kernel.credentials.store import keys_of_user
    from analyst_kernel.grants import default_path
    from analyst_kernel.models.asked import ask_servers
    from analyst_kernel.models.registry import default_name, list_providers
    from analyst_kernel.models.table import model_table
    from analyst_kernel.protocol.errors import InputError

    env = keys_of_user().environment()
    default = default_name(env)
    providers = list_providers(env)
    table = model_table()
    spending = SpendingStore(default_path().parent)
    spent, limit, problems = spending.of_day(), None, [table.problem, spending.problem, env.problem]
    try:
        limit = spending.day_limit()
    except InputError as error:
        problems.append(str(error))
    today = datetime.now().astimezone().date()
    rows = [
        (f"{provider}:{name}", table.facts(provider, name), table.sources(provider))
        for provider in table.providers
        for name in table.names(provider)
    ]
    for model in await ask_servers(env) if ask else ():
        rows.append((model.name, model.facts, ("the server",)))
    if as_json:
        report = {
            "default": default,
            "providers": [asdict(provider) for provider in providers],
            "models": [_described(name, facts, where, today) for name, facts, where in rows],
            "table": {"path": str(table.path), "problem": table.problem},
            "spent_today": {
                "day": spending.day(),
                "usage": spent.model_dump(mode="json"),
                "limit_usd": limit,
                "problems": [problem for problem in problems[1:] if problem],
            },
        }
        out_json(json.dumps(report, ensure_ascii=False))
        return 0
    from analyst_kernel.command_line.console import print_table

    print_table(
        ("provider", "credentials", "default model", "note"),
        (),
        [
            (
                p.name,
                p.credential_source if p.has_credentials else "none found",
                p.default_model,
                p.note,
            )
            for p in providers
        ],
    )
    out(f"\nDefault: {default}\n")
    print_table(
        ("model", "can"),
        ("context", "answer", "$ in", "cached", "out"),
        [_row(name, facts, today) for name, facts, _ in rows],
    )
    _print_notes(table, today)
    out(f"Spent today: {_spent(spent, limit)}")
    for problem in filter(None, problems):
        note(problem)
    return 0


def _row(name: str, facts: ModelFacts, today: date) -> tuple[str, ...]:
    given = (("images", facts.images), ("thinking", facts.reasoning), ("tools", facts.tools))
    abilities = [what for what, can in given if can]
    tariff = facts.tariff(today)
    prices = [_UNKNOWN] * 3
    if tariff is not None:
        base = tariff.base
        prices = [_price(each) for each in (base.input, base.cache_read, base.output)]
        if tariff.long is not None:
            prices[-1] += "*"
    return (
        name,
        "all" if len(abilities) == len(given) else ", ".join(abilities) or _UNKNOWN,
        _tokens(facts.context),
        _tokens(facts.output),
        *prices,
    )


def _tokens(count: int | None) -> str:
    if count is None:
        return _UNKNOWN
    return f"{count / 1e6:.3g}M" if count >= 1_000_000 else f"{count / 1000:.0f}k"


def _price(dollars: float) -> str:
    return f"{dollars:.2f}" if round(dollars, 2) == dollars else f"{dollars:.4g}"


def _print_notes(table: ModelTable, today: date) -> None:
    facts = [table.facts(p, name) for p in table.providers for name in table.names(p)]
    read = min((fact.read for fact in facts if fact.read is not None), default=None)
    since = f", read on {read}" if read else ""
    tariffs = [fact.tariff(today) for fact in facts]
    longs = " * long prompts cost more." if any(t is not None and t.long for t in tariffs) else ""
    out(f"\nList prices in US dollars per million tokens{since}; {_UNKNOWN} is not known.{longs}")
    reporting = [p for p in table.providers if table.facts(p, "").billing == "reported"]
    free = [p for p in table.providers if table.facts(p, "").billing == "free"]
    if reporting:
        out(f"{', '.join(reporting)}: the server tells what each call cost.")
    if free:
        out(f"{', '.join(free)}: free on this machine.")
    out("all: it sees images, thinks, and calls tools.")
    used = "Your own table:" if table.path.exists() and not table.problem else "Override it in"
    out(f"{used} {table.path}")


def _spent(usage: Usage, limit: float | None) -> str:
    from analyst_kernel.agent.budget import cost_text, dollars

    of = f" of {dollars(limit)}" if limit is not None else ""
    failed = f", {usage.failed_calls} failed" if usage.failed_calls else ""
    return (
        f"{cost_text(usage)}{of} · {usage.calls} calls{failed} · {usage.input_tokens:,} tokens "
        f"fresh, {usage.cached_tokens:,} cached, {usage.cache_write_tokens:,} written, "
        f"{usage.output_tokens:,} out"
    )


def _described(
    name: str, facts: ModelFacts, sources: tuple[str, ...], today: date
) -> dict[str, Any]:
    tariff = facts.tariff(today)
    long = None
    if tariff is not None and tariff.long is not None:
        long = {"above": tariff.threshold, **asdict(tariff.long)}
    return {
        "name": name,
        "context": facts.context,
        "output": facts.output,
        "images": facts.images,
        "reasoning": facts.reasoning,
        "tools": facts.tools,
        "billing": facts.billing,
        "price": None if tariff is None else asdict(tariff.base),
        "long_price": long,
        "read": None if facts.read is None else facts.read.isoformat(),
        "sources": list(sources),
        "by_user": facts.by_user,
    }
