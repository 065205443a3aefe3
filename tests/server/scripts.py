"""Recorded scripts for the model ``scripted``, and the notebooks that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat


def valid_notebook(text: str | bytes) -> Any:
    """Read a notebook's text and check that it is valid."""
    reads: Any = nbformat.reads
    book = reads(text if isinstance(text, str) else text.decode(), as_version=4)
    nbformat.validate(book)
    return book


def python(code: str, purpose: str = "Look") -> dict[str, Any]:
    """Return a turn that runs a cell."""
    return tool("run_python", code=code, purpose=purpose)


def tool(name: str, **given: Any) -> dict[str, Any]:
    """Return a turn with one tool call."""
    return {"blocks": [{"type": "tool_use", "name": name, "input": given}]}


def say(text: str) -> dict[str, Any]:
    """Return a turn that answers."""
    return {"blocks": [{"type": "text", "text": text}]}


def plan(*goals: str) -> dict[str, Any]:
    """Return a turn that makes a plan."""
    return tool("update_plan", steps=list(goals), datasets=[], reason="")


def script(folder: Path, *turns: dict[str, Any], pace: float = 0.0, name: str = "script") -> str:
    """Write a script and return the model's name."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"version": 1, "pace": pace, "turns": list(turns)}))
    return f"scripted:{path}"
