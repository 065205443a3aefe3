"""Finding, reading and describing the data files of a user.

Entry points: ``catalog.LocalCatalog`` and ``files.find_files``. Heavy libraries are imported inside
functions, so that importing this package takes no time.
"""
