"""What valid callers notice of a flood of invalid tokens at their own rate: ``python -m tests.bench.flood``."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from gateway.devstack import StackOptions, running_stack
from tests.bench._figures import Figures
from tests.bench._flood import Flood
from tests.bench._load import Load

if TYPE_CHECKING:
    from gateway.devstack import Stack

_ROUNDS: Final = 3
_SECONDS: Final = 2.0
_CONNECTIONS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodRound:
    """One measurement without the flood, and one with it."""

    alone: float
    beside: float
    flood: dict[str, int]

    @property
    def ratio(self) -> float:
        """Valid throughput beside the flood, as a share of what it is without."""
        return self.beside / self.alone


async def measure(stack: Stack, seconds: float = _SECONDS, connections: int = _CONNECTIONS) -> FloodRound:
    """Valid calls as fast as they are answered, alone, and then beside as many calls with invalid tokens."""
    target = urlsplit(f"{stack.gateway.endpoint_url('echo')}/echo.v1/echo")
    host, port = str(target.hostname), target.port or 80
    load = Load(
        host=host,
        port=port,
        path=target.path,
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {stack.token()}"},
        body='{"greeting":"hello"}',
        status=200,
        connections=connections,
        seconds=seconds,
    )
    alone = await _run("tests.bench._load", load.to_json())
    rate = Figures(**alone).rate
    flood = Flood(
        host=host,
        port=port,
        path=target.path,
        token=stack.token(),
        rate=rate,
        connections=connections,
        seconds=seconds + 1,
    )
    beside, answered = await asyncio.gather(
        _run("tests.bench._load", load.to_json()), _run("tests.bench._flood", flood.to_json())
    )
    return FloodRound(alone=rate, beside=Figures(**beside).rate, flood=answered)


async def _run(module: str, stdin: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    out, error = await process.communicate(stdin.encode())
    if process.returncode:
        raise RuntimeError(error.decode())
    return json.loads(out)


async def _main() -> None:
    with TemporaryDirectory() as directory:
        async with running_stack(StackOptions(directory=Path(directory))) as stack:
            rounds = [await measure(stack) for _ in range(_ROUNDS)]
    for one in rounds:
        print(f"alone {one.alone:7.0f}/s   beside the flood {one.beside:7.0f}/s   {one.ratio:4.2f}   {one.flood}")  # noqa: T201
    print(f"median ratio {median(one.ratio for one in rounds):4.2f}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main())
