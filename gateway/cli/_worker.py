"""``nexus-gateway worker``: what the operations start, run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gateway.app import ConfigSource, run_worker
from gateway.cli._options import add_config, settings_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Run the workflows and activities of the installed plugins: a worker for each namespace and task queue\n"
        "of the endpoints in FILE, until SIGTERM or SIGINT."
    )
    parser.epilog = "example:\n  nexus-gateway worker --config config/gateway.yaml"
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Work, and return the exit code."""
    source = ConfigSource(path=arguments.config, read=lambda: settings_of(arguments))
    return run_worker(source.read(), os.environ, source=source)
