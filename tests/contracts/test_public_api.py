"""What scripts, providers and stored files rely on; a change here is a change of a contract."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import click

import analyst_kernel
from analyst_kernel import Analyst, AnalystError, CellResult, Chart, Limits, Result
from analyst_kernel.agent import ports
from analyst_kernel.cli import main
from analyst_kernel.command_line.keys import keys
from analyst_kernel.providers import Provider, ProviderInfo, ProviderSettings
from analyst_kernel.server.extension import AnalystKernelApp
from analyst_kernel.server.http.routes import ROUTES


def parameters(function: Any) -> str:
    """Return a function's parameters with their defaults, without types and ``self``."""
    signature = inspect.signature(function)
    bare = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def members(kind: type, *also: str) -> dict[str, str]:
    """Return the public methods of a class with their parameters, and its properties."""
    found = {}
    for name, value in vars(kind).items():
        if name.startswith("_") and name not in also:
            continue
        if isinstance(value, property):
            found[name] = "property"
        elif inspect.isfunction(value):
            prefix = "async " if inspect.iscoroutinefunction(value) else ""
            found[name] = prefix + parameters(value)
    return found


def fields(kind: Any) -> list[str]:
    """Return the fields of a dataclass or a record, in order."""
    return list(getattr(kind, "__dataclass_fields__", None) or kind.model_fields)


def test_what_the_package_offers() -> None:
    assert sorted(analyst_kernel.__all__) == [
        "Analyst", "AnalystError", "CellResult", "Chart", "Limits", "Result", "__version__", "ask",
    ]  # fmt: skip
    assert Path(analyst_kernel.__file__).with_name("py.typed").exists()


def test_the_python_api() -> None:
    assert members(Analyst, "__init__", "__aenter__", "__aexit__") == {
        "__init__": "(model=None, *, sandbox='restricted', limits=None, approve=False, privacy=None,"
        " instructions=(), user=None, on_event=None, allow_packages=False)",
        "__aenter__": "async ()",
        "__aexit__": "async (kind, error, traceback)",
        "close": "async ()",
        "ask": "async (question, *, data=(), connections=(), notebook=None, limits=None)",
        "stream": "(question, *, data=(), connections=(), notebook=None, limits=None)",
        "run": "async (code, *, timeout=None)",
        "branch": "async (at=None, *, notebook=None)",
        "not_reproduced": "property",
        "notebook": "property",
    }
    assert parameters(analyst_kernel.ask) == (
        "(question, *, data=(), notebook=None, model=None, sandbox='restricted', limits=None)"
    )


def test_what_the_python_api_returns() -> None:
    assert {kind.__name__: fields(kind) for kind in (Result, CellResult, Chart, Limits)} == {
        "Result": [
            "status", "answer", "reason", "details", "findings", "charts", "notebook",
            "iterations", "usage", "seconds",
        ],
        "CellResult": ["outcome", "outputs", "error", "charts", "frames", "cell", "seconds"],
        "Chart": ["title", "alt", "png", "data", "cell"],
        "Limits": [
            "iterations", "repairs", "cell_seconds", "seconds", "tokens", "cost_usd", "analysis_usd",
            "day_usd",
        ],
    }  # fmt: skip


def test_the_ports_of_the_core() -> None:
    protocols = {
        name: members(kind)
        for name, kind in vars(ports).items()
        if inspect.isclass(kind)
        and kind.__module__ == ports.__name__
        and getattr(kind, "_is_protocol", False)
    }
    assert protocols == {
        "Model": {
            "name": "property",
            "is_ai": "property",
            "sees_images": "property",
            "stream": "(request)",
            "aclose": "async ()",
        },
        "Kernel": {
            "start": "async ()",
            "execute": "async (code, *, timeout, on_change=None)",
            "interrupt": "async ()",
            "restart": "async ()",
            "stop": "async ()",
        },
        "Notebook": {
            "path": "property",
            "cell_count": "property",
            "record": "async (entry)",
            "cells_to_replay": "()",
            "refresh": "async ()",
            "manual_changes": "()",
            "cell_of": "(code)",
            "keep_ledger": "async (ledger)",
            "remove_run": "async (run)",
        },
        "Catalog": {
            "datasets": "property",
            "profile": "async (name, *, columns=(), detail='concise')",
            "describe": "(profile, *, question='', budget=2000)",
            "setup_code": "(names=None)",
        },
        "User": {
            "answer": "async (ask, question, options, default)",
            "approve": "async (ask, code, purpose)",
        },
        "PlanReader": {"wants_plan": "property", "approve_plan": "async (ask, steps)"},
        "DatasetWatcher": {"watch": "(datasets)"},
        "PricedModel": {"billing": "property"},
        "Spending": {
            "add": "(usage, *, model)",
            "of_analysis": "()",
            "of_day": "()",
            "day": "()",
        },
    }


def test_the_contract_of_a_provider() -> None:
    assert members(Provider) == {
        "name": "property",
        "describe": "(env)",
        "open": "async (model, env)",
    }
    assert fields(ProviderInfo) == [
        "name", "label", "has_credentials", "credential_source", "default_model", "models", "note",
        "is_ai", "settings",
    ]  # fmt: skip
    assert fields(ProviderSettings) == [
        "key_variable", "needs_key", "url", "url_variable", "elsewhere_variable", "check_path",
        "usual_path", "key_header", "check_headers",
    ]  # fmt: skip


def test_the_exit_codes() -> None:
    errors = import_module(AnalystError.__module__)
    pinned = {
        "AnalystError": 1,
        "InputError": 2,
        "DataError": 2,
        "NotebookError": 2,
        "ModelChoiceError": 2,
        "ModelError": 3,
        "KernelError": 1,
        "SandboxError": 4,
        "PolicyError": 2,
        "LaunchFailed": 1,
        "GrantFailed": 1,
        "NotFound": 1,
        "JournalError": 1,
        "KeyStoreError": 1,
    }
    assert {name: getattr(errors, name).exit_code for name in pinned} == pinned
    codes = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    assert codes == {1, 2, 3, 4}


def test_the_entry_points() -> None:
    ours = {(e.group, e.name): e for e in distribution("analyst-kernel").entry_points}
    for expected in (
        ("console_scripts", "analyst"),
        ("jupyter_client.kernel_provisioners", "analyst-provisioner"),
    ):
        assert callable(ours[expected].load())
    (point,) = analyst_kernel._jupyter_server_extension_points()
    assert (point["module"], point["app"]) == ("analyst_kernel", AnalystKernelApp)


def test_the_addresses_below_the_server() -> None:
    assert sorted(address for address, *_ in ROUTES) == [
        "analyst-kernel/api/analyses",
        "analyst-kernel/api/analyses/([0-9A-Za-z_-]{1,64})",
        "analyst-kernel/api/analyses/([0-9A-Za-z_-]{1,64})/branch",
        "analyst-kernel/api/analyses/([0-9A-Za-z_-]{1,64})/completions",
        "analyst-kernel/api/analyses/([0-9A-Za-z_-]{1,64})/export",
        "analyst-kernel/api/analyses/([0-9A-Za-z_-]{1,64})/sent",
        "analyst-kernel/api/analyses/([0-9A-Za-z_-]{1,64})/sent/([0-9]{1,9})",
        "analyst-kernel/api/connections",
        "analyst-kernel/api/connections/([0-9A-Za-z_-]{1,64})",
        "analyst-kernel/api/connections/([0-9A-Za-z_-]{1,64})/tables",
        "analyst-kernel/api/datasets",
        "analyst-kernel/api/instructions",
        "analyst-kernel/api/models",
        "analyst-kernel/api/models/key",
        "analyst-kernel/api/status",
        "analyst-kernel/api/upload",
        "analyst-kernel/api/usage",
        "analyst-kernel/socket",
    ]


def test_the_settings_of_the_server() -> None:
    traits = AnalystKernelApp.class_traits(config=True).items()
    assert sorted(n for n, trait in traits if trait.this_class is AnalystKernelApp) == [
        "allowed_packages", "cell_timeout", "default_model", "grace_seconds", "idle_check_seconds", "idle_minutes",
        "journal_path", "kernel_name", "key_files", "locked", "max_analysis_cost", "max_cost",
        "max_day_cost", "max_iterations", "memory", "package_indexes", "packages",
        "processes", "provider_urls",
        "reconnect_seconds", "sandbox",
    ]  # fmt: skip


def options(command: click.Command) -> list[str]:
    """Return a command's options and arguments, sorted."""
    found: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found += [*parameter.opts, *parameter.secondary_opts]
        else:
            found.append(f"{parameter.human_readable_name}{'...' * (parameter.nargs == -1)}")
    return sorted(found)


def test_the_command_line() -> None:
    assert options(main) == ["--debug", "--version"]
    assert {name: " ".join(options(command)) for name, command in main.commands.items()} == {
        "ask": "--allow-packages --approve --cell-timeout --connection --data --instructions --json"
        " --max-analysis-cost"
        " --max-cost --max-day-cost --max-iterations --model --notebook --privacy --quiet --reading"
        " --sandbox QUESTION",
        "log": "--bodies --export NOTEBOOK_OR_ID",
        "verify": "--allow-packages --connection --data --json --sandbox NOTEBOOK",
        "refresh": "--data --json --sandbox NOTEBOOK",
        "export": "--clean --data --force --output --sandbox --to -o NOTEBOOK",
        "branch": "--at --data --output --sandbox -o NOTEBOOK",
        "undo": "--run NOTEBOOK",
        "eval": "--at-least --cell-timeout --compare --data --jobs --json --max-cost"
        " --max-iterations --model --only --output --quiet --repeat --resume --sandbox --timeout"
        " -o QUESTIONS",
        "ledger": "--add --edit --json --off --on --remove NOTEBOOK",
        "files": "--json [PATH]......",
        "profile": "--json --reading PATH......",
        "models": "--ask --json",
        "keys": "",
        "connections": "",
        "doctor": "--json",
        "lab": "[JUPYTERLAB ARGS]......",
    }
    assert {name: " ".join(options(command)) for name, command in keys.commands.items()} == {
        "list": "--json",
        "set": "--unchecked --url PROVIDER",
        "remove": "PROVIDER",
    }
