"""The notebook of an analysis: its cells, document, file, export and verification.

``cells`` and ``document`` are pure; ``disk`` and ``file_writer`` touch files. Nothing here runs
code: ``verify`` is handed something that does.
"""
