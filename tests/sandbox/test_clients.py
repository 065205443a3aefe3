"""Any Jupyter client gets the sandbox: the server's manager, nbclient, ``jupyter execute``."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from analyst_kernel.grants import GrantStore
from analyst_kernel.sandbox.provisioner import AnalystProvisioner
from tests.sandbox.conftest import DEADLINE, KERNELSPEC, Start

pytestmark = pytest.mark.real  # clients of all kinds start kernels, in other processes too

LOOK = """
import os
def look(path):
    try:
        return open(path).read().strip()
    except OSError as error:
        return type(error).__name__
alone = len([name for name in os.listdir('/proc') if name.isdigit()]) < 10
print(look('cars.csv'), look('secret.csv'), os.path.basename(OUTPUT_DIR), alone)
"""


@pytest.fixture
def jupyter_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(KERNELSPEC, tmp_path / "share" / "kernels" / "analyst")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    return tmp_path / "share"


def execute(notebook: Path, **environment: str) -> str:
    """Run a notebook by ``jupyter execute``, as the user types it, and return what it printed."""
    command = [sys.executable, "-m", "jupyter", "execute", "--kernel_name=analyst", "--inplace"]
    done = subprocess.run(
        [*command, str(notebook)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}
        | environment,
    )
    assert done.returncode == 0, done.stderr
    return str(nbformat.read(notebook, as_version=4).cells[0].outputs[0]["text"])


def looking(notebook: Path, analysis: str = "") -> Path:
    """Write a notebook that looks for the data, which may say that it belongs to an analysis."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOOK)])
    if analysis:
        made.metadata["analyst_kernel"] = {"analysis": analysis}
    nbformat.write(made, notebook)
    return notebook


@pytest.mark.usefixtures("jupyter_path")
def test_jupyter_execute_runs_inside_with_the_grants_that_are_named(work: Path) -> None:
    """A kernel without a notebook's name has none: it may be run for anybody's notebook."""
    notebook = looking(work / "mileage.ipynb", "aaaaaaaaaaaa")
    GrantStore().record(str(notebook), str(work / "cars.csv"))
    nothing = "FileNotFoundError FileNotFoundError mileage_files True\n"
    everything = "a,b\n1,2 FileNotFoundError mileage_files True\n"
    assert execute(notebook) == nothing
    assert execute(notebook, JPY_SESSION_NAME="mileage.ipynb") == everything
    assert execute(notebook, JPY_SESSION_NAME=str(notebook)) == everything
    assert execute(notebook, ANALYST_GRANTS=str(work / "cars.csv")) == everything
    both = os.pathsep.join([str(work / "gone"), str(work / "cars.csv")])
    assert execute(notebook, ANALYST_GRANTS=both) == everything
    # The list is for kernels without a name: a server's own notebooks have their own grants.
    other = looking(work / "other.ipynb", "bbbbbbbbbbbb")
    assert "FileNotFoundError FileNotFoundError" in execute(
        other, JPY_SESSION_NAME=str(other), ANALYST_GRANTS=str(work / "cars.csv")
    )
    assert not (work / "mileage_files").exists()


@pytest.mark.usefixtures("jupyter_path")
def test_a_strangers_notebook_in_the_folder_has_no_grants(work: Path) -> None:
    GrantStore().record(
        str(looking(work / "mileage.ipynb", "aaaaaaaaaaaa")), str(work / "cars.csv")
    )
    for name, analysis in (("stranger.ipynb", ""), ("copy.ipynb", "aaaaaaaaaaaa")):
        stranger = looking(work / name, analysis)
        for environment in ({}, {"JPY_SESSION_NAME": str(stranger)}):
            assert execute(stranger, **environment).startswith("FileNotFoundError")
    # Put in its place, it is another analysis, too.
    looking(work / "mileage.ipynb", "bbbbbbbbbbbb")
    named = str(work / "mileage.ipynb")
    assert execute(work / "mileage.ipynb", JPY_SESSION_NAME=named).startswith("FileNotFoundError")


async def test_a_kernel_without_a_name_says_so(start: Start, work: Path) -> None:
    environment = {n: v for n, v in os.environ.items() if n != "JPY_SESSION_NAME"}
    async with start("zygote", env=environment, grants=None) as kernel:
        reply = await kernel.run("open('cars.csv')")
        report = kernel.provisioner.sandbox_report
    assert "set JPY_SESSION_NAME=NOTEBOOK.ipynb or ANALYST_GRANTS=PATH" in reply.error
    assert "`analyst verify`" in reply.error
    assert report is not None
    assert any("without the name of its notebook" in note for note in report.notes)


async def test_a_servers_kernel_manager_starts_restarts_and_interrupts(
    kernelspecs: KernelSpecManager, work: Path
) -> None:
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

    manager = AsyncMappingKernelManager(
        kernel_spec_manager=kernelspecs, root_dir=str(work.parent), default_kernel_name="analyst"
    )
    GrantStore().record(str(work / "mileage.ipynb"), str(work / "cars.csv"))
    environment = os.environ | {"JPY_SESSION_NAME": str(work / "mileage.ipynb")}
    kernel_id = await manager.start_kernel(path="work/mileage.ipynb", env=environment)
    kernel = manager.get_kernel(kernel_id)
    await asyncio.wait_for(asyncio.wrap_future(kernel.ready), DEADLINE)
    provisioner = kernel.provisioner
    assert isinstance(provisioner, AnalystProvisioner)
    assert provisioner.sandbox_report is not None
    assert provisioner.sandbox_report.level == "isolated"
    assert provisioner.grants == (str(work / "cars.csv"),)
    client = kernel.client()
    client.start_channels()
    await client.wait_for_ready(timeout=DEADLINE)
    seen: list[str] = []
    await client.execute_interactive(
        LOOK, timeout=DEADLINE, output_hook=lambda m: seen.append(m["content"].get("text", ""))
    )
    assert "a,b\n1,2 FileNotFoundError mileage_files True\n" in seen
    family = psutil.Process(provisioner.pid).children(recursive=True)
    await manager.restart_kernel(kernel_id, now=True)
    await client.wait_for_ready(timeout=DEADLINE)
    await manager.interrupt_kernel(kernel_id)
    folder = os.path.dirname(os.path.dirname(str(provisioner.connection_info["ip"])))
    assert os.path.isdir(folder)
    family += psutil.Process(provisioner.pid).children(recursive=True)
    client.stop_channels()
    await manager.shutdown_kernel(kernel_id, now=True)
    _gone, alive = psutil.wait_procs(family, timeout=DEADLINE)
    assert alive == []
    assert not os.path.exists(folder)
    client.context.destroy(linger=0)
    manager.context.destroy(linger=0)


@pytest.mark.usefixtures("jupyter_path")
async def test_nbclient_runs_inside(work: Path) -> None:
    from nbclient import NotebookClient

    cell = nbformat.v4.new_code_cell(LOOK)
    runner = NotebookClient(
        nbformat.v4.new_notebook(cells=[cell]),
        kernel_name="analyst",
        timeout=DEADLINE,
        resources={"metadata": {"path": str(work)}},
    )
    await runner.async_execute()
    text = runner.nb.cells[0].outputs[0]["text"]
    assert "FileNotFoundError FileNotFoundError mileage_files True" in text
