"""The environment variables that a kernel is started with.

An allow-list: whatever is not known to be needed stays out, so no key or token reaches the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_NAMES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP",
        "TMP", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TERM",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "COLUMNS", "IPYTHONDIR", "JUPYTER_PATH", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "FONTCONFIG_PATH", "FONTCONFIG_FILE",
        "SSL_CERT_FILE",
        "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA",
        "PROGRAMDATA", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "NUMBER_OF_PROCESSORS",
        "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
    }
)  # fmt: skip
_PREFIXES = ("LC_", "PYTHON", "CONDA_", "OMP_")


def kernel_environment(notebook: str, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the kernel of ``notebook`` (absolute path).

    Args:
        notebook: Told to the kernel as ``JPY_SESSION_NAME``, by which it finds its analysis.
        base: Where to take variables from; this process's environment by default.
    """
    given = os.environ if base is None else base
    kept = {
        name: value
        for name, value in given.items()
        if name.upper() in _NAMES or name.upper().startswith(_PREFIXES)
    }
    return {**kept, "JPY_SESSION_NAME": notebook}
