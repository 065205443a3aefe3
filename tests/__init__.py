"""Tests of Analyst Kernel."""
