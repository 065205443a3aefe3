"""Keys of model providers and the addresses that they were given for.

A key is bound to one host. It is handed to its own provider alone and only while that provider's
requests go to that host: not to the browser, a log, the journal, this process's environment or a
kernel.
"""
