"""A collector that is away, or hangs, costs requests nothing and the log one line a minute."""

from __future__ import annotations

import asyncio
import io
import socket
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from gateway.telemetry import Telemetry, configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("INFO", stream)
    return stream


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def environ(port: int) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_BSP_SCHEDULE_DELAY": "10",
        "OTEL_BSP_MAX_QUEUE_SIZE": "64",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32",
    }


async def some_requests(subject: Telemetry) -> float:
    """Seconds that the third slowest of many requests took; one or two may be held up by the machine."""
    took: list[float] = []
    for count in range(3000):
        started = perf_counter()
        with subject.request_span("start", {}) as span:
            span.outcome("succeeded")
        took.append(perf_counter() - started)
        if count % 100 == 0:
            await asyncio.sleep(0.001)
    return sorted(took)[-3]


async def test_a_collector_that_refuses_slows_no_request_and_logs_one_line(log: io.StringIO, closed_port: int) -> None:
    async with Telemetry.from_environment("t", environ(closed_port), shutdown_timeout=0.5) as subject:
        # Generous: the machine may be busy. A connection attempt with its retries takes a second and more.
        assert 0.5 > await some_requests(subject)
    assert 1 == len(log.getvalue().splitlines()), log.getvalue()


async def test_a_collector_that_hangs_delays_the_end_by_the_bound_and_not_the_loop(
    log: io.StringIO, silent_port: int
) -> None:
    subject = Telemetry.from_environment("t", environ(silent_port), shutdown_timeout=0.5)
    assert 0.5 > await some_requests(subject)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    turning = asyncio.create_task(turn())
    started = perf_counter()
    await subject.aclose()
    elapsed = perf_counter() - started
    turning.cancel()
    assert 0.4 < elapsed < 5
    assert turns > 3
    assert len(log.getvalue().splitlines()) <= 1


async def test_closing_twice_is_harmless() -> None:
    subject = Telemetry.from_environment("t", {})
    await subject.aclose()
    await subject.aclose()
