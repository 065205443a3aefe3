"""Reads a cell before it runs and finds what will not work or should not be tried. Pure.

It helps the model and the user, and it is never a boundary: code can hide from it. The sandbox is
the boundary.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from analyst_kernel._code import NotPython, parsed, tree_of

FindingKind = Literal[
    "syntax", "shell", "magic", "missing-import", "unlisted-import", "network", "eval", "write",
    "overwrite", "memory",
]  # fmt: skip

# Top-level modules without a finding, beside the standard library.
_ALLOWED = frozenset(
    """pandas numpy scipy matplotlib mpl_toolkits seaborn sklearn statsmodels plotly altair duckdb
    polars pyarrow openpyxl xlrd pytz dateutil IPython patsy networkx sympy tabulate tqdm joblib
    geopandas shapely pingouin lifelines xgboost lightgbm prophet rapidfuzz bs4 lxml PIL
    adbc_driver_postgresql""".split()
)
_NETWORK = frozenset(
    """socket requests httpx httpx2 aiohttp urllib3 urllib.request http.client ftplib smtplib poplib
    imaplib telnetlib paramiko websockets websocket boto3 botocore s3fs gcsfs xmlrpc socketserver
    http.server asyncssh pycurl""".split()
)
_SHELL_MODULES = frozenset({"subprocess", "pty", "pexpect"})
_SHELL_CALLS = frozenset(
    {"os.system", "os.popen", "os.execv", "os.execve", "os.fork", "os.spawnl", "os.spawnv"}
)
_EVAL_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
_WRITERS = frozenset(
    """to_csv to_parquet to_excel to_json to_pickle to_feather to_html to_hdf savefig write_csv
    write_parquet write_image write_html write_text write_bytes save savez savetxt dump""".split()
)
_SCRATCH = ("/tmp/", "/dev/shm/")  # noqa: S108 - paths in the checked code
_URL = re.compile(r"^(?:https?|ftp|s3|gs|gcs|az|abfss?)://", re.IGNORECASE)
_BLOCKED_MAGIC = re.compile(r"^%%?(?:bash|sh|script|system|sx|pip|conda|run|cmd)\b")


TRACKED = frozenset(
    "pandas numpy duckdb matplotlib scipy sklearn seaborn statsmodels plotly pyarrow".split()
)
"""Modules that the kernel lists if they are installed."""

BLOCKING = frozenset({"syntax", "shell", "missing-import", "network", "eval", "memory"})
"""Kinds of findings that keep a cell from running; the others become notices."""


@dataclass(frozen=True, slots=True)
class PreflightFinding:
    """A finding about a cell: its kind, the 1-based line, and a sentence with what to do."""

    kind: FindingKind
    line: int
    message: str


def check_code(
    code: str,
    *,
    installed: frozenset[str] | None = None,
    datasets: frozenset[str] = frozenset(),
    addresses: Sequence[str] = (),
) -> tuple[PreflightFinding, ...]:
    """Return the findings about a cell, by line; a syntax error stands alone with the magics.

    ``installed`` are the libraries that the kernel reported, or None if they are not known;
    ``datasets`` are variables that hold the user's data and should stay as loaded. At the
    ``addresses`` is attached data, whose copies the kernel reads.
    """
    plain, findings = _without_magics(code)
    try:
        tree = parsed(plain)
    except NotPython as error:
        message = f"The code is not valid Python: {error}."
        return (*findings, PreflightFinding("syntax", error.line, message))
    for node in ast.walk(tree):
        findings += _imports(node, installed)
        findings += _calls(node, addresses)
    for node in _outside_functions(tree):
        findings += _assignments(node, datasets)
    return tuple(sorted(findings, key=lambda finding: finding.line))


def _without_magics(code: str) -> tuple[str, list[PreflightFinding]]:
    """Blank out IPython's ``%`` and ``!`` lines; the rest keeps its line numbers."""
    findings: list[PreflightFinding] = []
    lines = code.split("\n")
    if tree_of(code) is not None:
        return code, findings
    for index, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith("!") or _BLOCKED_MAGIC.match(bare):
            message = f"Shell and package commands do not work here: {bare[:60]!r}. Use Python."
            findings.append(PreflightFinding("shell", index + 1, message))
        elif bare.startswith("%"):
            message = f"{bare[:60]!r} works only in Jupyter; plain Python runs everywhere."
            findings.append(PreflightFinding("magic", index + 1, message))
        else:
            continue
        lines[index] = line[: len(line) - len(line.lstrip())] + "pass"
    return "\n".join(lines), findings


def _imports(node: ast.AST, installed: frozenset[str] | None) -> Iterator[PreflightFinding]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return
    for module in modules:
        finding = _import(module, node.lineno, installed)
        if finding is not None:
            yield finding
            return


def _import(module: str, line: int, installed: frozenset[str] | None) -> PreflightFinding | None:
    top = module.partition(".")[0]
    if module in _NETWORK or top in _NETWORK:
        message = f"There is no network here, so {module} cannot work. Use the granted datasets."
        return PreflightFinding("network", line, message)
    if top in _SHELL_MODULES:
        message = f"{top} starts other programs, which do not exist here. Use Python."
        return PreflightFinding("shell", line, message)
    if installed is not None and top in TRACKED and top not in installed:
        have = ", ".join(sorted(installed))
        message = f"{top} is not installed and cannot be. Installed: {have}."
        return PreflightFinding("missing-import", line, message)
    if top not in _ALLOWED and top not in sys.stdlib_module_names and top != "__future__":
        message = f"{top} is not a library known here; the notebook may not run elsewhere."
        return PreflightFinding("unlisted-import", line, message)
    return None


def _calls(node: ast.AST, addresses: Sequence[str]) -> Iterator[PreflightFinding]:
    if not isinstance(node, ast.Call):
        return
    name = _dotted(node.func)
    if name in _SHELL_CALLS:
        message = f"{name} starts other programs, which do not exist here. Use Python."
        yield PreflightFinding("shell", node.lineno, message)
    if name in _EVAL_CALLS:
        message = f"{name}() hides what runs from the reader. Write the code itself."
        yield PreflightFinding("eval", node.lineno, message)
    texts = [text for text in map(_text, node.args) if text is not None]
    away = bool(texts) and _URL.match(texts[0]) and not _attached(texts[0], addresses)
    if away and name.rpartition(".")[2].startswith(("read_", "urlopen")):
        message = "There is no network here, so the address cannot be read. Use the datasets."
        yield PreflightFinding("network", node.lineno, message)
    path = _written_path(node, name)
    if path is not None and not path.startswith(_SCRATCH):
        message = f"Only OUTPUT_DIR can be written. Write to f'{{OUTPUT_DIR}}/{_basename(path)}'."
        yield PreflightFinding("write", node.lineno, message)


def _attached(address: str, addresses: Sequence[str]) -> bool:
    """Return whether data is attached at an address, or below it."""
    return any(one == address or one.startswith(address.rstrip("/*") + "/") for one in addresses)


def _written_path(call: ast.Call, name: str) -> str | None:
    """Return the literal path that a call would write to, if it is one."""
    path = _text(call.args[0]) if call.args else None
    if path is None:
        return None
    if name == "open":
        mode = call.args[1] if len(call.args) > 1 else None
        mode = mode or next((k.value for k in call.keywords if k.arg == "mode"), None)
        writes = isinstance(mode, ast.Constant) and bool(set(str(mode.value)) & set("wax+"))
        return path if writes else None
    if isinstance(call.func, ast.Attribute) and call.func.attr in _WRITERS:
        if call.func.attr in ("write_text", "write_bytes"):
            owner = call.func.value
            if isinstance(owner, ast.Call) and _dotted(owner.func).split(".")[-1] == "Path":
                return _text(owner.args[0]) if owner.args else None
            return None
        return path if re.search(r"[/\\]|\.\w{1,8}$", path) else None
    return None


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes whose names are the kernel's variables, not a function's own."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _outside_functions(child)


def _assignments(node: ast.AST, datasets: frozenset[str]) -> Iterator[PreflightFinding]:
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id in datasets:
            message = f"{target.id} holds the user's data; give the result a new name."
            yield PreflightFinding("overwrite", node.lineno, message)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _basename(path: str) -> str:
    return re.split(r"[/\\]", path)[-1] or "result"
