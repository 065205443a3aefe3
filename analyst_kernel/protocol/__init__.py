"""The wire: words, records, commands and events. No IO, no Jupyter, nothing but pydantic.

Commands are imperative and travel from a user to an analysis; events are past tense and travel
back. Everything else in the package imports this; this imports nothing of it.
"""
