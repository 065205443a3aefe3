"""Tables whose rows lie in files of many folders, named like ``year=2024/month=01``."""
