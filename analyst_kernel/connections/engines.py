"""The engines: what drives each, and what a notebook says to reach it without this package.

An engine is a row here and a module for the worker, which wraps a query so that it can only read.
Only engines whose wall was tested against a real server are listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Engine:
    """One kind of database.

    Attributes:
        title: Its name for users.
        driver: The module that connects, which a notebook imports too; ``connect`` takes an
            address and returns a connection of the Python database interface with Arrow.
        extra: The extra of this package that installs the driver.
        module: Our module with ``run(task)``, for the worker.
        example: An address.
    """

    title: str
    driver: str
    extra: str
    module: str
    example: str

    @property
    def install(self) -> str:
        """The command that installs the driver."""
        return f"pip install 'analyst-kernel[{self.extra}]'"

    @property
    def is_installed(self) -> bool:
        """Return whether the driver can be imported."""
        return find_spec(self.driver.partition(".")[0]) is not None


ENGINES = {
    "postgresql": Engine(
        title="PostgreSQL",
        driver="adbc_driver_postgresql.dbapi",
        extra="postgresql",
        module="analyst_kernel.connections.postgres",
        example="postgresql://reader@db.example.org:5432/shop",
    ),
}
"""By the name that an address begins with."""
