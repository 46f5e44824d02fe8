"""``nexus-gateway config``: what can be configured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.cli._parser import OneLineParser
from gateway.settings import settings_schema

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    example = "example:\n  nexus-gateway config schema > gateway.schema.json"
    parser.description = "Describe the configuration."
    parser.epilog = example
    topics = parser.add_subparsers(title="topics", metavar="TOPIC", required=True, parser_class=OneLineParser)
    schema = topics.add_parser(
        "schema",
        help="print the configuration's JSON Schema",
        description="Print the configuration's JSON Schema, for editors and for validation in a pipeline.",
        epilog=example,
    )
    schema.set_defaults(run=run)


def run(_arguments: Namespace) -> int:
    """Print the schema."""
    print(json.dumps(settings_schema(), indent=2))
    return 0
