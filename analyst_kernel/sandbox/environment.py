"""The environment of a kernel: made anew from an allow-list, so that no secret can be in it.

It is scrubbed before any process of the sandbox starts, because the outermost one keeps what it
was started with where the kernel can read it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from analyst_kernel.grants import default_path
from analyst_kernel.sandbox.paths import is_package
from analyst_kernel.sandbox.policy import SandboxPolicy, within

_PASSED_ON_WINDOWS = ("PATH", "TEMP", "TMP", "COMSPEC", "PATHEXT", "USERPROFILE")

PASSED = ("LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT", "JPY_SESSION_NAME")
"""Variables that a kernel gets from its server as they are (and every ``LC_*``)."""

_FETCHED = ["analyst-kernel", "fetched"]
"""The folders that a granted folder of results lies in."""

REMOTE = "ANALYST_REMOTE_"
_A_LIST = 40
"""Objects of one variable; an address has about 1 kB at most, and a variable at most 128 kB."""

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS",
    "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "LOKY_MAX_CPU_COUNT",
)  # fmt: skip


def copies_of_remote_data(grants: Sequence[str]) -> dict[str, str]:
    """Return variables that tell a kernel which addresses its granted copies are of.

    Each holds JSON: ``folder`` (of copies), ``objects`` (address -> path in it) and, where all of
    them are granted, ``address`` of the folder. The oldest copies come first.
    """
    root = os.path.realpath(default_path().parent / "remote" / "trees")
    pins = dict.fromkeys(
        path[len(root) + 1 :].partition(os.sep)[0]
        for path in grants
        if path.startswith(root + os.sep)
    )
    found: list[tuple[str, dict[str, Any]]] = []
    for name in pins:
        folder = os.path.join(root, name, "data")
        try:
            with open(os.path.join(root, name, "PIN"), encoding="utf-8") as file:
                pin = json.load(file)
            objects = {
                one["address"]: one["file"]
                for one in pin["objects"]
                if any(within(os.path.join(folder, one["file"]), path) for path in grants)
            }
            whole = {"address": pin["address"]} if folder in grants else {}
            listed = list(objects.items())
            found += [
                (
                    pin["fetched"],
                    {"folder": folder, "objects": dict(listed[n : n + _A_LIST]), **whole},
                )
                for n in range(0, len(listed), _A_LIST)
            ]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the cell that reads one of its addresses fails
    found.sort(key=lambda one: one[0])
    return {f"{REMOTE}{n}": json.dumps(one) for n, (_, one) in enumerate(found)}


def scrubbed(
    outer: Mapping[str, str], policy: SandboxPolicy, python: str = sys.executable
) -> dict[str, str]:
    """Return a kernel's whole environment.

    Args:
        outer: What the client wanted the kernel to have; only allow-listed names are taken.
        policy: For its limits and folders.
        python: The kernel's interpreter, whose folder leads ``PATH``.
    """
    found = {
        name: value
        for name, value in outer.items()
        if (name in PASSED or name.startswith("LC_")) and "\0" not in value
    }
    scratch = os.path.join(policy.runtime_dir, "tmp")
    if policy.backend in ("zygote", "bubblewrap"):
        scratch = "/tmp"  # noqa: S108 - each kernel mounts its own there
    home = os.path.join(scratch, "home")
    cpus = policy.limits.cpus or os.cpu_count() or 1
    found |= dict.fromkeys(_THREADS, str(cpus))
    made = found | {
        "PATH": os.pathsep.join((os.path.dirname(python), "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": home,
        "USER": "analyst",
        "LOGNAME": "analyst",
        "TMPDIR": scratch,
        "IPYTHONDIR": os.path.join(home, ".ipython"),
        "JUPYTER_CONFIG_DIR": os.path.join(home, ".jupyter"),
        "JUPYTER_DATA_DIR": os.path.join(home, ".jupyter-data"),
        "JUPYTER_RUNTIME_DIR": os.path.join(home, ".jupyter-runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "MPLCONFIGDIR": os.path.join(home, ".matplotlib"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "XDG_CACHE_HOME": os.path.join(home, ".cache"),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "4",
        "PWD": policy.workdir,
        "ANALYST_OUTPUT_DIR": policy.output_dir,
    }
    # Where cells find what databases gave, if the user attached one: analyst_kernel.connections.
    fetched = [path for path in policy.grants if path.split(os.sep)[-3:-1] == _FETCHED]
    if fetched:
        made["ANALYST_FETCHED"] = fetched[0]
    packages = [path for path in policy.grants if is_package(path)]
    if packages:
        made["ANALYST_PACKAGE_FOLDERS"] = os.pathsep.join(packages)
    made |= copies_of_remote_data(policy.grants)
    if os.name != "posix":
        made |= {name: outer[name] for name in _PASSED_ON_WINDOWS if name in outer}
    return made
