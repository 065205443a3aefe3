"""Data: finding, granting, reading and describing the files a user analyses.

Public entry points: ``catalog.LocalCatalog``, ``found.find_files``, ``grants.GrantStore``. Heavy
libraries are imported inside functions, so importing this package costs next to nothing.
"""
