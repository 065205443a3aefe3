"""The core: how a question becomes a checked answer.

Pure and async; it touches the world only through :mod:`analyst_kernel.agent.ports`.
"""
