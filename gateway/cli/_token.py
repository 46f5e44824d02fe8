"""``nexus-gateway token``: a token for development, where the configuration has a key to sign it with."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.auth import covers_something, is_claim_text
from gateway.cli._options import add_config, duration, settings_of
from gateway.settings import token_minter

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = "Mint a token with the dev_signing_key_file of an issuer in FILE, and print it."
    parser.epilog = (
        "example:\n"
        "  nexus-gateway token --config dev.yaml --subject alice --namespace checkout \\\n"
        "      --permission 'nexus:orders/orders.v1/*:start' --ttl 8h"
    )
    add_config(parser)
    parser.add_argument("--subject", metavar="S", type=_claim, required=True, help="who calls")
    parser.add_argument("--namespace", metavar="N", type=_claim, required=True, help="the caller's own namespace")
    parser.add_argument(
        "--permission",
        metavar="P",
        type=_permission,
        action="append",
        default=[],
        dest="permissions",
        help="may be given several times",
    )
    parser.add_argument(
        "--ttl",
        type=duration,
        default=timedelta(hours=1),
        metavar="DURATION",
        help="how long it is valid (default: 1h)",
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print a token."""
    minter = token_minter(settings_of(arguments))
    token = minter.mint(
        subject=arguments.subject,
        namespace=arguments.namespace,
        permissions=arguments.permissions,
        ttl=arguments.ttl,
    )
    print(token)
    return 0


def _claim(text: str) -> str:
    if not is_claim_text(text):
        raise ArgumentTypeError("must be 1 to 1000 bytes of text without control characters")
    return text


def _permission(text: str) -> str:
    if not covers_something(text):
        raise ArgumentTypeError(
            f"{text!r} covers nothing; write nexus:ENDPOINT/SERVICE/OPERATION:VERB, each of which may be *,"
            " NAMESPACE:read, NAMESPACE:write or NAMESPACE:admin"
        )
    return text
