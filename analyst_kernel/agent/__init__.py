"""The core: how a question becomes a checked answer.

Async, without side effects of its own: it reaches the world through
:mod:`analyst_kernel.agent.ports` only.
"""
