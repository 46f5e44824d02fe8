"""The command line: ``nexus-gateway``, or ``python -m gateway``."""

from gateway.cli._main import main

__all__ = ("main",)
