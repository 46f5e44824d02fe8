"""``nexus-gateway serve``: the gateway alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gateway import app
from gateway.app import ConfigSource
from gateway.cli._options import add_config, port, processes, settings_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gateway.settings import Settings


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Run the gateway against the engines that FILE names, until SIGTERM or SIGINT.\n"
        "When FILE changes, or on SIGHUP, issuers, rules and limits are taken over without a restart."
    )
    parser.epilog = "example:\n  nexus-gateway serve --config config/gateway.yaml --port 8080"
    add_config(parser)
    parser.add_argument("--host", metavar="H", help="listen on this address instead of the configured one")
    parser.add_argument("--port", metavar="P", type=port, help="listen on this port instead of the configured one")
    parser.add_argument(
        "--processes", metavar="N", type=processes, default=1, help="share the port among N processes (default: 1)"
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Serve, and return the exit code."""

    def read() -> Settings:
        return settings_of(arguments).listening_on(host=arguments.host, port=arguments.port)

    source = ConfigSource(path=arguments.config, read=read)
    return app.run(read(), os.environ, processes=arguments.processes, source=source)
