"""``nexus-gateway callbacks``: the completions that could not be delivered at once, and what became of them."""

from __future__ import annotations

import asyncio
import os
from argparse import ArgumentTypeError
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from gateway.app import VERSION, delivery_books
from gateway.cli._options import add_config, duration, settings_of
from gateway.cli._parser import OneLineParser
from gateway.engines import DeliveryState
from gateway.telemetry import Telemetry

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime

    from gateway.engines import DeliveryBook, KeptDelivery

_LIST_EXAMPLE: Final = "  nexus-gateway callbacks list --config config/gateway.yaml --state dead --since 24h"
_SHOW_EXAMPLE: Final = (
    "  nexus-gateway callbacks show --config config/gateway.yaml ngd_0123456789abcdef0123456789abcdef"
)
_REDELIVER_EXAMPLE: Final = (
    "  nexus-gateway callbacks redeliver --config config/gateway.yaml --all-dead \\\n"
    "      --destination 'https://hooks.example.com*'"
)
_FILTERS: Final = ("endpoint", "service", "operation", "namespace", "destination")


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Show and repeat the completion callbacks that could not be delivered at once. Each is a workflow of the\n"
        "engine: pending ones are tried, dead ones were refused for good or are too old, delivered ones came late."
    )
    parser.epilog = f"example:\n{_LIST_EXAMPLE}"
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=OneLineParser)
    listing = _action(actions, "list", "list deliveries, the newest first", _LIST_EXAMPLE)
    listing.add_argument(
        "--state", choices=[*DeliveryState], action="append", help="only those in this state; may be repeated"
    )
    _add_filters(listing)
    listing.set_defaults(run=list_deliveries)
    showing = _action(actions, "show", "show one delivery", _SHOW_EXAMPLE)
    showing.add_argument("id", metavar="ID", help="the delivery's id, which receivers see as webhook-id")
    showing.set_defaults(run=show)
    redelivering = _action(actions, "redeliver", "begin anew with dead deliveries", _REDELIVER_EXAMPLE)
    redelivering.add_argument("ids", metavar="ID", nargs="*", help="ids of dead deliveries")
    redelivering.add_argument("--all-dead", action="store_true", help="all dead ones that the filters let through")
    _add_filters(redelivering)
    redelivering.set_defaults(run=redeliver, parser=redelivering)


def _action(actions: _SubParsersAction[OneLineParser], name: str, summary: str, example: str) -> OneLineParser:
    sentence = f"{summary[0].upper()}{summary[1:]}."
    parser = actions.add_parser(name, help=summary, description=sentence, epilog=f"example:\n{example}")
    add_config(parser)
    return parser


def _add_filters(parser: ArgumentParser) -> None:
    for name in _FILTERS:
        parser.add_argument(f"--{name}", metavar="GLOB", help=f"only those whose {name} matches")
    parser.add_argument("--since", metavar="AGE", type=duration, help="only those of this time, such as 24h")
    parser.add_argument(
        "--limit", metavar="N", type=_count, default=1000, help="look at so many at most (default: 1000)"
    )


def list_deliveries(arguments: Namespace) -> int:
    """Print a line for each delivery."""
    kept = asyncio.run(_found(arguments, [DeliveryState(state) for state in arguments.state or DeliveryState]))
    for one in kept:
        print(_line(one))
    return 0


def show(arguments: Namespace) -> int:
    """Print all that is known of one delivery."""
    one = asyncio.run(_one(arguments))
    if one is None:
        print(f"there is no delivery {arguments.id}")
        return 1
    for line in _lines(one):
        print(line)
    return 0


def redeliver(arguments: Namespace) -> int:
    """Begin anew with those that are named, or with all dead ones that the filters let through."""
    if bool(arguments.ids) == arguments.all_dead:
        arguments.parser.error("name deliveries by their ids, or say --all-dead")
    return asyncio.run(_redelivered(arguments))


async def _found(arguments: Namespace, states: Sequence[DeliveryState]) -> Sequence[KeptDelivery]:
    async with _books(arguments) as books:
        found = [one for book in books for one in await book.list(states, arguments.since, arguments.limit)]
    globs = {name: glob for name in _FILTERS if (glob := getattr(arguments, name)) is not None}
    matching = [one for one in found if all(fnmatchcase(one.about.get(name, ""), glob) for name, glob in globs.items())]
    return sorted(matching, key=lambda one: one.since, reverse=True)


async def _one(arguments: Namespace) -> KeptDelivery | None:
    async with _books(arguments) as books:
        for book in books:
            found = await book.show(arguments.id)
            if found is not None:
                return found
    return None


async def _redelivered(arguments: Namespace) -> int:
    exit_code = 0
    ids = arguments.ids or [one.id for one in await _found(arguments, [DeliveryState.DEAD])]
    async with _books(arguments) as books:
        for parcel_id in ids:
            for book in books:
                if await book.redeliver(parcel_id):
                    print(f"{parcel_id} is delivered anew")
                    break
            else:
                print(f"{parcel_id} is no dead delivery")
                exit_code = 1
    return exit_code


@asynccontextmanager
async def _books(arguments: Namespace) -> AsyncIterator[Sequence[DeliveryBook]]:
    settings = settings_of(arguments)
    # Nobody needs a trace of somebody looking.
    async with (
        Telemetry.from_environment(settings.telemetry.service_name, {}, version=VERSION) as telemetry,
        delivery_books(settings, os.environ, telemetry) as books,
    ):
        yield books


def _line(one: KeptDelivery) -> str:
    about = one.about
    where = f"{about.get('endpoint', '')} {about.get('service', '')}/{about.get('operation', '')}"
    return (
        f"{one.state:9}  {_time(one.since)}  {one.id}  {where}  {about.get('namespace', '')}"
        f"  {about.get('destination', '')}  {one.reason or ''}".rstrip()
    )


def _lines(one: KeptDelivery) -> Iterator[str]:
    facts = {
        "id": one.id,
        "state": one.state,
        **one.about,
        "since": _time(one.since),
        "ended": _time(one.ended),
        "attempts": one.tries,
        "last": one.reason,
        "next attempt": _time(one.next_try),
    }
    width = max(map(len, facts))
    yield from (f"{name:{width}}  {value}" for name, value in facts.items() if value not in (None, ""))


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)
