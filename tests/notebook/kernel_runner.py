"""A real python3 kernel as the function that verification takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from pydantic import TypeAdapter

from analyst_kernel.agent.ports import Execution
from analyst_kernel.notebook.verify.verify import Execute
from analyst_kernel.protocol.outputs import CellError, ErrorOutput, Output

OUTPUT: TypeAdapter[Output] = TypeAdapter(Output)
SHOWN = ("stream", "display_data", "execute_result", "error")


@asynccontextmanager
async def python_kernel(folder: Path) -> AsyncIterator[Execute]:
    """Start a kernel in ``folder`` and yield a function that runs code in it."""
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()

    async def execute(code: str) -> Execution:
        outputs: list[Output] = []

        def show(message: dict[str, Any]) -> None:
            kind, content = message["header"]["msg_type"], dict(message["content"])
            content.pop("transient", None)
            if kind in SHOWN:
                outputs.append(OUTPUT.validate_python({"output_type": kind, **content}))

        running: Any = client.execute_interactive(code, output_hook=show, timeout=120)
        reply = (await running)["content"]
        errors = [o for o in outputs if isinstance(o, ErrorOutput)]
        error = CellError(name=errors[-1].ename, message=errors[-1].evalue) if errors else None
        outcome: Any = "ok" if reply["status"] == "ok" else "error"
        return Execution(outcome, tuple(outputs), error, 0.0, reply.get("execution_count"))

    try:
        await client.wait_for_ready(timeout=120)
        yield execute
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        if manager.context is not None:
            manager.context.destroy(linger=0)
