"""The notebook of an analysis: its document, storage, export and verification.

``document`` is pure, ``storage`` reads and writes files. Nothing here runs code: ``verify`` takes a
function that does.
"""
