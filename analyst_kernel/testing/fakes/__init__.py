"""Fake servers that speak the wires of models, for tests: scripted turns, faults, refusals."""
