"""Gemini: the SDK, the wire, its events and its failures."""
