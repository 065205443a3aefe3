"""For authors of providers of models: cases that every model must pass, as a pytest plugin.

It is no part of the product's own work, and is loaded only by a test run that asks for it:
``pytest -p analyst_kernel.testing.plugin``. README, *A provider of your own*, shows how.
"""
