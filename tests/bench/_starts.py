"""Starts workflows straight from the Temporal client: reads a :class:`Starts` as JSON from standard input."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from time import perf_counter

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from handlers.orders import OrderWorkflow
from handlers.orders._model import Order
from tests.bench._figures import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Which server to start on, with how many starts under way; ``order`` is the workflow's input as JSON."""

    address: str
    namespace: str
    task_queue: str
    order: str
    prefix: str
    connections: int
    seconds: float
    warm_up: float = 0.5

    def to_json(self) -> str:
        """For the standard input of the process."""
        return json.dumps(asdict(self))


async def run(starts: Starts) -> Figures:
    """Start workflows for the time given."""
    client = await Client.connect(starts.address, namespace=starts.namespace, data_converter=pydantic_data_converter)
    order = Order.model_validate_json(starts.order)
    latencies: list[float] = []
    begin = perf_counter() + starts.warm_up
    end = begin + starts.seconds

    async def one_after_the_other(lane: int) -> None:
        number = 0
        while (sent := perf_counter()) < end:
            number += 1
            workflow_id = f"{starts.prefix}/{lane}/{number}"
            await client.start_workflow(OrderWorkflow.run, order, id=workflow_id, task_queue=starts.task_queue)
            if begin <= (received := perf_counter()) < end:
                latencies.append(received - sent)

    async with asyncio.TaskGroup() as group:
        for lane in range(starts.connections):
            group.create_task(one_after_the_other(lane))
    return Figures.of(latencies, starts.seconds)


if __name__ == "__main__":
    figures = asyncio.run(run(Starts(**json.load(sys.stdin))))
    print(figures.to_json(), flush=True)  # noqa: T201 - the result, for the parent process
    # The client's own threads may still call into Python while the interpreter is taken down, which then aborts.
    os._exit(0)
