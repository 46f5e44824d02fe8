"""``nexus-gateway setup``: make the engines ready for operations to be found."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from gateway.app import set_up
from gateway.cli._options import add_config, settings_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Register the search attributes that operations are listed by, in each namespace that an endpoint of FILE\n"
        "runs in. What is there already stays as it is, so that the command can be repeated at will."
    )
    parser.epilog = "example:\n  nexus-gateway setup --config config/gateway.yaml"
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Set up, say what was done, and return the exit code."""
    for line in asyncio.run(set_up(settings_of(arguments), os.environ)):
        print(line)
    return 0
