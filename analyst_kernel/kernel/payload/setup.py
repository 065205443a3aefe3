"""Runs inside the kernel, once, before the first cell. Standard library only; never imported here.

Configures what the cells will meet (``OUTPUT_DIR``, pictures, native chart specs, warnings) without
importing a heavy library: what concerns a library happens when the cell imports it. Changes no
default that would make a notebook print something else in a plain kernel.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

FACTS_MIME = "application/vnd.analyst-kernel.facts+json"
PICTURE_DPI = 125
CAPTURE = "_analyst_chart_capture"
PACKAGED = {
    "analyst_kernel.kernel.payload.charts": "_analyst_charts",
    "analyst_kernel.kernel.payload.lineage": "_analyst_lineage",
    "analyst_kernel.kernel.payload.frames": "_analyst_frames",
}
"""Modules as they are called in the package, and in here."""
LIBRARIES = (
    "pandas", "numpy", "duckdb", "matplotlib", "scipy", "sklearn", "seaborn", "statsmodels",
    "plotly", "altair", "polars", "pyarrow", "openpyxl", "ipykernel", "IPython",
)  # fmt: skip
MOST_COLUMNS = 20
"""How many columns of a table pandas displays in a notebook, unless a cell chooses."""

DISTRIBUTIONS = {"sklearn": "scikit-learn", "IPython": "ipython"}
"""Where a library is installed under a different name."""

texts: dict[str, str] = {}
"""Module name to source, of everything that was sent; compiled when it is imported."""

_NEWER = re.compile(r"application/vnd\.(vega|vegalite)\.v\d+[.+]json")
_waiting: dict[str, list[Callable[[Any], None]]] = {}
_problems: list[str] = []
_taken_back: list[Callable[[], None]] = []
_facts = {"output_dir": ""}


class _Loader:
    """Runs the real loader, then what waits for the module."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def exec_module(self, module: Any) -> None:
        self.loader.exec_module(module)
        module.__loader__ = module.__spec__.loader = self.loader
        for callback in _waiting.pop(module.__name__, []):
            _attempt(callback, module)


class _Finder:
    """Wraps the loader of the modules that something waits for."""

    def __init__(self) -> None:
        self.busy = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if self.busy or name not in _waiting:
            return None
        self.busy = True
        try:
            spec: Any = importlib.util.find_spec(name)
        finally:
            self.busy = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)
            return spec
        return None


class _Text:
    """Finds and loads the modules that were sent as text."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in texts:
            return None
        inside = any(other.startswith(f"{name}.") for other in texts)
        return importlib.machinery.ModuleSpec(name, self, is_package=inside)  # type: ignore[arg-type]  # has what a loader needs

    def create_module(self, _spec: Any) -> None:
        """Leave this to Python."""

    def exec_module(self, module: Any) -> None:
        name = module.__name__
        text = texts[name]
        for packaged, inside in PACKAGED.items():
            text = text.replace(packaged, inside)
        exec(compile(text, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - our own source


def _attempt(callback: Callable[[Any], None], module: Any) -> None:
    try:
        callback(module)
    except Exception as error:  # noqa: BLE001 - never into the user's import
        _problems.append(f"{type(error).__name__}: {error}"[:300])


_finder = _Finder()
_text = _Text()


def when_imported(name: str, callback: Callable[[Any], None]) -> None:
    """Call ``callback(module)`` now if ``name`` is imported, else right after it will be."""
    if name in sys.modules:
        _attempt(callback, sys.modules[name])
    else:
        _waiting.setdefault(name, []).append(callback)


def _on_pandas(pandas: Any) -> None:
    # Imported before there was a shell, as in what kernels are forked from, pandas took itself to
    # be in a terminal of 80 characters, and would hide the columns that do not fit into it.
    if pandas.get_option("display.max_columns") == 0:
        pandas.set_option("display.max_columns", MOST_COLUMNS)
    errors = sys.modules.get("pandas.errors")
    # By default a warning is shown once per line number, so the next cell would stay silent.
    for name in ("ChainedAssignmentError", "SettingWithCopyWarning"):
        category = getattr(errors, name, None)
        if category is not None:
            warnings.filterwarnings("always", category=category)


def _on_altair(altair: Any) -> None:
    altair.renderers.enable("mimetype")
    if hasattr(altair.renderers, "register"):
        native = altair.renderers.get()
        altair.renderers.register("analyst", lambda spec, **more: _for_lab(native(spec, **more)))
        altair.renderers.enable("analyst")


def _for_lab(shown: Any) -> Any:
    """Name a specification as notebooks expect it: they draw version 5, and no newer name."""
    if isinstance(shown, tuple):
        return (_for_lab(shown[0]), *shown[1:])
    bundle = {}
    for mime, value in shown.items():
        found = _NEWER.fullmatch(mime)
        if found is None or not isinstance(value, dict):
            bundle[mime] = "Altair chart" if mime == "text/plain" else value
            continue
        schema = re.sub(r"/v\d[\w.]*\.json$", "/v5.json", str(value.get("$schema", "")))
        bundle[f"application/vnd.{found.group(1)}.v5+json"] = {**value, "$schema": schema}
    return bundle


def _on_plotly(plotly_io: Any) -> None:
    plotly_io.renderers.default = "plotly_mimetype"


def _pictures(shell: Any) -> Callable[[Any], None]:
    def on_inline(_backend: Any) -> None:
        from IPython.core.pylabtools import print_figure
        from matplotlib import rcParamsDefault
        from matplotlib.figure import Figure

        def picture(figure: Any) -> Any:
            # A resolution that the cell chose is kept; only the default is rendered finer.
            dpi = figure.dpi if figure.dpi != rcParamsDefault["figure.dpi"] else PICTURE_DPI
            return print_figure(  # type: ignore[no-untyped-call]  # IPython has none
                figure, fmt="png", base64=True, dpi=dpi
            )

        shell.display_formatter.formatters["image/png"].for_type(Figure, picture)

    return on_inline


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(DISTRIBUTIONS.get(name, name))
    return versions


def set_up(shell: Any, sent: dict[str, str]) -> None:
    """Prepare the kernel, once; ``sent`` is module name to source of what may be imported.

    The source of the chart capture defines ``install(shell, when_imported)``, and may be empty.
    """
    texts.update(sent)
    sys.meta_path.insert(0, _finder)
    sys.meta_path.append(_text)
    importlib.import_module("_analyst_frames")
    _taken_back.append(importlib.import_module("_analyst_streams").install(shell))
    interrupts = importlib.import_module("_analyst_interrupts")
    _taken_back.append(interrupts.install(shell))
    errors = importlib.import_module("_analyst_errors")
    _taken_back.append(errors.install(shell, interrupts.as_interrupt))
    _taken_back.append(importlib.import_module("_analyst_databases").install())
    when_imported("pandas", _on_pandas)
    when_imported("altair", _on_altair)
    if "plotly.io" in sys.modules:
        when_imported("plotly.io", _on_plotly)
    when_imported("matplotlib_inline.backend_inline", _pictures(shell))
    if sent.get(CAPTURE):
        try:
            importlib.import_module(CAPTURE).install(shell, when_imported)
        except Exception as error:  # noqa: BLE001 - reported, never raised
            _problems.append(f"chart capture: {type(error).__name__}: {error}"[:300])


def retire() -> None:
    """Take back what a second set-up from other texts would double."""
    while _taken_back:
        _taken_back.pop()()
    for finder in (_finder, _text):
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    for name in texts:
        sys.modules.pop(name, None)


def set_output_dir(shell: Any, output_dir: str) -> None:
    """Give the code ``OUTPUT_DIR``, the writable folder, and its environment; may come again."""
    os.environ.setdefault("PLOTLY_RENDERER", "plotly_mimetype")
    # The streams of a kernel that was forked after the set-up are newer than the set-up.
    importlib.import_module("_analyst_streams").relay_other_processes()
    # Likewise what was attached.
    importlib.import_module("_analyst_remote").install(when_imported)
    if packages := os.environ.get("ANALYST_PACKAGE_FOLDERS"):
        import_from(packages.split(os.pathsep))
    here = pathlib.Path(output_dir)
    same = os.path.realpath(here.parent) == os.path.realpath(os.getcwd())
    # Relative where possible: a notebook should not print the paths of one machine.
    folder = pathlib.Path(here.name) if same else here
    _facts["output_dir"] = str(folder)
    shell.user_ns["OUTPUT_DIR"] = folder
    shell.user_ns_hidden["OUTPUT_DIR"] = folder


def import_from(paths: list[str]) -> None:
    """Let cells import from folders; behind all others, so that none takes a module's place."""
    sys.path += [path for path in paths if path not in sys.path and os.path.isdir(path)]
    importlib.invalidate_caches()


class Facts:
    """What the kernel is, for one ``user_expressions`` reply."""

    def __repr__(self) -> str:
        """Return nothing: only the MIME bundle counts."""
        return ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        facts = {
            "python": platform.python_version(),
            "versions": _versions(),
            **_facts,
            "problems": _problems,
        }
        return {FACTS_MIME: json.dumps(facts)}
