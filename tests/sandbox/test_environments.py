"""Kernels of virtual environments, wherever they lie; none can be changed by its own kernel."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from analyst_kernel.protocol.errors import PolicyError
from tests.sandbox.conftest import Start

HERE = Path(__file__).parents[2]


@pytest.fixture(params=["/tmp"])
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A notebook's folder, in the folder that each kernel has of its own or elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="environments-", dir=request.param))
    (folder / "project" / "notebooks").mkdir(parents=True)
    (folder / "project" / "private.txt").write_text("SECRET")
    yield folder / "project"
    shutil.rmtree(folder)


def make(path: Path, **options: bool) -> Path:
    """Make an environment that finds our packages; return its interpreter."""
    venv.create(path, symlinks=options.pop("symlinks", True), with_pip=False, **options)
    (library,) = path.glob("lib/python*/site-packages")
    (library / "marker.py").write_text("")
    packages = Path(pytest.__file__).parents[1]
    (library / "others.pth").write_text(f"{packages}\n{HERE}\n")
    return path / "bin" / "python"


def linked(path: Path) -> Path:
    make(path.with_name("real"))
    path.symlink_to("real")
    return path / "bin" / "python"


def by_way_of(path: Path) -> Path:
    """An interpreter that is a link through a linked folder, as some tools make them."""
    linked(path.with_name("current"))
    python = make(path)
    python.unlink()
    python.symlink_to("../../current/bin/python")
    return python


ENVIRONMENTS = {
    "in the notebook's folder": lambda project: make(project / "notebooks" / ".venv"),
    "below it": lambda project: make(project / "notebooks" / "envs" / "deep"),
    "beside it": lambda project: make(project / ".venv"),
    "around it": make,
    "copied": lambda project: make(project / "notebooks" / "copied", symlinks=False),
    "with the system's": lambda project: make(project / ".venv", system_site_packages=True),
    "a link": lambda project: linked(project / "notebooks" / ".venv"),
    "by way of links": lambda project: by_way_of(project / "notebooks" / ".venv"),
}

LOOKED = r"""
import json, marker, os, subprocess, sys
def refused(path):
    try: open(path, "w").close()
    except OSError: return True
    return False
def readable(path):
    try: return bool(open(path).read())
    except OSError: return False
child = subprocess.run([sys.executable, "-c", "import marker, pandas"], capture_output=True)
print(json.dumps({
    "child": child.returncode,
    "closed": all(refused(os.path.join(p, "made")) for p in (os.path.dirname(marker.__file__), sys.prefix, os.path.dirname(sys.executable), os.getcwd(), os.path.dirname(os.getcwd()))),
    "secret": readable("../private.txt"),
    "own": open(os.path.join(OUTPUT_DIR, "made"), "w").write("x"),
}))
"""


# Each kind of environment in every form and in both places, but not every triple: a kernel of a new
# interpreter costs seconds.
FORMS = ["zygote", "bubblewrap", "landlock"]
PLACES = ["/tmp", "/var/tmp"]
TRIED = [
    (where, form, PLACES[(number + turn) % 2])
    for number, where in enumerate(ENVIRONMENTS)
    for turn, form in enumerate(FORMS)
]


@pytest.mark.parametrize(("where", "form", "place"), TRIED, indirect=["place"])
async def test_environments_work_and_stay_as_they_are(
    where: str, form: str, place: Path, start: Start, kernelspecs: KernelSpecManager
) -> None:
    use(ENVIRONMENTS[where](place), kernelspecs)
    # One that holds the notebook cannot be shown as a whole, as it is to all kernels of a zygote.
    pinned = "" if where == "around it" and form == "zygote" else form
    notebook = str(place / "notebooks" / "m.ipynb")
    environment = os.environ | {"JPY_SESSION_NAME": notebook}
    async with start(pinned, cwd=str(place / "notebooks"), env=environment, grants=[]) as kernel:
        found = await kernel.value(LOOKED)
    assert found == {"child": 0, "closed": True, "secret": False, "own": 1}


def use(python: Path, kernelspecs: KernelSpecManager) -> None:
    """Have the kernelspec start kernels of an interpreter."""
    file = Path(kernelspecs.kernel_dirs[0]) / "analyst" / "kernel.json"
    spec = json.loads(file.read_text())
    spec["argv"][0] = str(python)
    file.write_text(json.dumps(spec))


@pytest.mark.parametrize("place", PLACES, indirect=True)
async def test_an_environment_that_its_kernel_could_change_is_refused(
    place: Path, start: Start, kernelspecs: KernelSpecManager
) -> None:
    use(make(place / "notebooks" / "m_files" / "venv"), kernelspecs)
    environment = os.environ | {"JPY_SESSION_NAME": str(place / "notebooks" / "m.ipynb")}
    with pytest.raises(PolicyError, match="inside the writable folder"):
        async with start(cwd=str(place / "notebooks"), env=environment, grants=[]):
            pass
