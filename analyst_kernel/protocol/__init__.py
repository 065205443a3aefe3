"""The wire: identifiers, records, commands, events and errors. It depends on pydantic only.

Commands are in the imperative and travel from a user to an analysis; events are in the past tense
and travel back. The rest of the package imports this package, which imports nothing of it.
"""
