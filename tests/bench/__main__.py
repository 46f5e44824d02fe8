"""Measure in interleaved rounds and print the medians with their ratios."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gateway.devstack import HOST, DevstackError
from tests.bench import _stack
from tests.bench._figures import Figures
from tests.bench._load import COUNTER, Load
from tests.bench._starts import Starts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_ORDER: Final = '{"order_id":"%s","card":"card_bench","lines":[{"sku":"tea","quantity":2}]}'
_BODY: Final = '{"greeting":"hello","names":["ada","grace"],"count":2}'
_PAUSE: Final = 0.5
_COMPARED: Final = (
    ("gateway sync", "bare echo"),
    ("gateway sync", "temporal sync"),
    ("gateway start", "direct start"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One row: the module that makes the load, and what it reads, made anew for each round."""

    module: str
    stdin: Callable[[], str]


def _cases(stack: _stack.Stack, connections: int, seconds: float) -> Mapping[str, _Case]:
    json_body = {"Content-Type": "application/json"}
    authorized = {**json_body, "Authorization": f"Bearer {stack.token}"}
    mounted = "/nexus/endpoints/bench/services"
    dispatch = f"/namespaces/{_stack.NAMESPACE}/task-queues/{_stack.TASK_QUEUE}/nexus-services"

    def load(port: int, path: str, headers: Mapping[str, str], body: str = _BODY, status: int = 200) -> str:
        return Load(
            host=HOST,
            port=port,
            path=path,
            headers=headers,
            body=body,
            status=status,
            connections=connections,
            seconds=seconds,
        ).to_json()

    def gateway_start() -> str:
        order = _ORDER % f"{secrets.token_hex(4)}-{COUNTER}"
        return load(stack.gateway, f"{mounted}/orders.v1/process", authorized, order, 201)

    def direct_start() -> str:
        return Starts(
            address=stack.temporal,
            namespace=_stack.NAMESPACE,
            task_queue=_stack.TASK_QUEUE,
            order=_ORDER % COUNTER,
            prefix=secrets.token_hex(4),
            connections=connections,
            seconds=seconds,
        ).to_json()

    by_http = "tests.bench._load"
    return {
        "bare echo": _Case(module=by_http, stdin=lambda: load(stack.echo, "/echo", json_body)),
        "gateway sync": _Case(
            module=by_http,
            stdin=lambda: load(stack.gateway, f"{mounted}/echo.v1/echo", authorized),
        ),
        "temporal sync": _Case(
            module=by_http,
            stdin=lambda: load(stack.temporal_http, f"{dispatch}/echo.v1/echo", json_body),
        ),
        "direct start": _Case(module="tests.bench._starts", stdin=direct_start),
        "gateway start": _Case(module=by_http, stdin=gateway_start),
    }


async def _measure(case: _Case) -> Figures:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", case.module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate(case.stdin().encode())
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise DevstackError(err.decode(errors="replace").strip().rpartition("\n")[2])
    # What a measurement leaves behind, such as an export under way, is not to burden the next one.
    await asyncio.sleep(_PAUSE)
    return Figures.from_json(out.decode())


async def _run(arguments: argparse.Namespace, console: Console) -> Mapping[str, Sequence[Figures]]:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("starting the servers", total=None)
        async with _stack.running() as stack:
            cases = {
                name: case
                for name, case in _cases(stack, arguments.connections, arguments.seconds).items()
                if not arguments.only or name in arguments.only
            }
            progress.update(task, total=arguments.rounds * len(cases))
            results: dict[str, list[Figures]] = {name: [] for name in cases}
            for _ in range(arguments.rounds):
                for name, case in cases.items():
                    progress.update(task, description=name)
                    try:
                        results[name].append(await _measure(case))
                    except DevstackError as error:
                        raise DevstackError(f"{name}: {error}") from None
                    progress.advance(task)
            if stack.exports() == 0 and any(name.startswith("gateway") for name in cases):
                raise DevstackError("the collector got no telemetry: the gateway's figures would be too good")
            return results


def _table(results: Mapping[str, Sequence[Figures]]) -> Table:
    table = Table("", "requests/s", "p50 ms", "p99 ms", "slowest round", "fastest round")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figures in results.items():
        table.add_row(
            name,
            f"{_rate(figures):,.0f}",
            f"{median(each.p50 for each in figures):.1f}",
            f"{median(each.p99 for each in figures):.1f}",
            f"{min(each.rate for each in figures):,.0f}",
            f"{max(each.rate for each in figures):,.0f}",
        )
    return table


def _rate(figures: Sequence[Figures]) -> float:
    return median(each.rate for each in figures)


def _ratios(results: Mapping[str, Sequence[Figures]]) -> Sequence[str]:
    return [
        f"{one} : {other} = {_rate(results[one]) / _rate(results[other]):.2f}"
        for one, other in _COMPARED
        if one in results and other in results
    ]


def main() -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="times that each measurement is repeated (default: 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement (default: 3)")
    parser.add_argument("--connections", type=int, default=32, help="requests under way at once (default: 32)")
    parser.add_argument("--only", action="append", metavar="ROW", help="measure this row alone; may be repeated")
    arguments = parser.parse_args()
    console = Console()
    try:
        results = asyncio.run(_run(arguments, console))
    except DevstackError as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 1
    console.print(f"medians of {arguments.rounds} rounds, {arguments.connections} connections")
    console.print(_table(results))
    console.print(*_ratios(results), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
