"""``nexus-gateway dev``: a gateway to play with."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from gateway.cli._display import Display
from gateway.cli._options import port
from gateway.cli._signals import run_until_stopped
from gateway.devstack import Stack, StackOptions, running_stack

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

_TOKEN_LIFETIME: Final = timedelta(days=1)
_BASKET: Final = {"lines": [{"sku": "tea", "quantity": 2}]}


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Run a Temporal server, a worker, an OpenTelemetry collector and the gateway until SIGINT or SIGTERM.\n"
        "When all are ready, one line says 'ready URL'; a token and curl lines to paste follow."
    )
    parser.epilog = "example:\n  nexus-gateway dev --port 8080 --db-file dev.db --plugin my_module:plugin"
    parser.add_argument("--port", metavar="P", type=port, default=8080, help="the gateway's port (default: 8080)")
    parser.add_argument(
        "--plugin",
        metavar="MODULE:ATTRIBUTE",
        dest="plugins",
        action="append",
        default=[],
        help="mount this plugin, too, at the endpoint 'plugins'; several can be given",
    )
    server = parser.add_mutually_exclusive_group()
    server.add_argument(
        "--temporal-address", metavar="A", help="use this server, HOST:PORT, and its namespace 'default'"
    )
    server.add_argument(
        "--db-file", metavar="F", type=Path, help="keep the embedded server's data in F, and the keys in F.gateway"
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run until a signal; the exit code."""
    with _directory(arguments.db_file) as directory:
        options = StackOptions(
            directory=Path(directory),
            port=arguments.port,
            plugins=arguments.plugins,
            temporal_address=arguments.temporal_address,
            database=arguments.db_file,
            echo=_echo,
        )
        return run_until_stopped(_dev(options)) or 0


def _directory(database: Path | None) -> AbstractContextManager[str | Path]:
    if database is None:
        return TemporaryDirectory(prefix="nexus-gateway-")
    return nullcontext(database.absolute().with_name(f"{database.name}.gateway"))


def _echo(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _dev(options: StackOptions) -> int:
    with Display(stderr=True) as display:
        async with running_stack(options, display.part) as stack:
            display.settled()
            print("\n".join(_instructions(stack)), flush=True)
            await stack.run()
    return 0


def _instructions(stack: Stack) -> Iterator[str]:
    orders = f"{stack.gateway.endpoint_url('orders')}/orders.v1"
    yield f"ready {stack.gateway.url}"
    yield ""
    yield f"export TOKEN={stack.token(ttl=_TOKEN_LIFETIME)}"
    yield ""
    yield "# what a basket costs"
    yield _curl(f"{orders}/quote", _BASKET)
    yield "# an order: the answer has a token, and the URL where its result can be waited for as its Location"
    yield _curl(f"{orders}/process", {**_BASKET, "order_id": "order-1", "card": "card-ok"}, "-i")
    yield "# an order and its result in one, where that comes within ten seconds"
    yield _curl(f"{orders}/process", {**_BASKET, "order_id": "order-2", "card": "card-ok"}, "-H", "Prefer: wait=10")
    yield "# how it stands"
    yield _curl(f"{orders}/status", {"order_id": "order-2"})
    yield ""
    yield f"# Temporal is at {stack.temporal_address}; health and metrics are at {stack.gateway.admin_url}"


def _curl(url: str, body: object, *options: str) -> str:
    words = ["curl", "-sS", "-w", r"\n", *options, "-H", "Content-Type: application/json", "-d", json.dumps(body), url]
    # The shell that this is pasted into has to fill in the token.
    return f'{shlex.join(words)} -H "Authorization: Bearer $TOKEN"'
