"""Databases: the user's list of connections, and queries that can only read.

A query runs in a process of its own (``worker``), with the user's credentials and a network; the
kernel, which has neither, gets the rows as Arrow. Engines are rows of ``engines.ENGINES``.
"""
