"""The process that asks a database: ``python -P -m analyst_kernel.connections.worker``.

It reads tasks from its input and writes the result of each. It ends, and the statement on the
server with it, when its input ends: so whatever becomes of who started it, no query stays.
A password comes with the task, never as an argument or a variable.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

from analyst_kernel.connections.engines import ENGINES
from analyst_kernel.connections.task import Control, DatabaseRefused, Task


def _result(task: Task, control: Control) -> dict[str, Any]:
    engine = ENGINES[task.engine]
    try:
        return dict(import_module(engine.module).run(task, control))
    except DatabaseRefused as error:
        what, remedy = error.what, error.remedy
    except MemoryError:
        what, remedy = f"What {task.name} gave does not fit into memory.", "Ask for less."
    except ImportError:
        what = f"The driver for {engine.title} cannot be loaded."
        remedy = f"Run {engine.install}."
    except Exception as error:  # noqa: BLE001 - a driver raises what it likes; said in one sentence
        what = f"{task.name} could not be asked: {type(error).__name__}."
        remedy = "Run `analyst connections test`."
    return {"error": task.without_secret(what), "remedy": task.without_secret(remedy)}


def main() -> None:
    """Carry out one task after another, and write the result of each on a line."""
    control = Control()
    while order := control.next_order():
        result = _result(Task.model_validate_json(order), control)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
