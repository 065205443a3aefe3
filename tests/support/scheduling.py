"""How a whole run is shared out among workers, and how it survives the death of one."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker a file at a time, and one of them all the browser's tests.

    Those share two servers, a browser and a page on each, which would else run once a worker. The
    cases of answers, hundreds in one file, are given file by file of their own.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if file == "tests/answers/test_cases.py":
                return file + nodeid.partition("[")[2].partition(":")[0]
            return "tests/ui/" if file.startswith("tests/ui/") else file

        def remove_node(self, node: Any) -> str | None:
            """Take back what a worker that died had not done.

            xdist takes back its finished files too; the next worker that is given one of those, with
            nothing to run in it, waits for ever.
            """
            given = self.assigned_work[node]
            for scope in [scope for scope, tests in given.items() if all(tests.values())]:
                del given[scope]
            return super().remove_node(node)

        def schedule(self) -> None:
            """Give each worker files until it has several tests, or the run is over.

            A worker begins its last test only when it knows what comes behind it; one that takes the
            place of a dead one gets a single file from xdist, which may hold a single test.
            """
            super().schedule()
            for node in self.nodes:
                for _ in range(3):
                    self._reschedule(node)

    # As they were collected, instead of those files first that hold the most tests.
    config.option.loadscopereorder = False
    return Scheduling(config, log)
