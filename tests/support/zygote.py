"""What tests do to the pool of prepared kernels beyond what a server does."""

from __future__ import annotations

from analyst_kernel.sandbox.zygote.pool import KernelPool


def discard_spare(pool: KernelPool) -> None:
    """End the spare, if there is one, so that the next kernel is forked on request."""
    with pool._change:
        spare, pool._spare = pool._spare, None
    if spare is not None:
        spare.discard()
