"""The servers that the gateway is measured beside, each as a process of its own."""

from __future__ import annotations

import argparse
import asyncio

from aiohttp import web
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from handlers.echo import EchoHandler


def bare_echo(port: int) -> None:
    """Answer every POST with its body."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), headers={"Content-Type": "application/json"})

    app = web.Application()
    app.router.add_post("/echo", echo)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


async def worker(address: str, namespace: str, task_queue: str) -> None:
    """Serve the echo handler to Temporal's Nexus front."""
    client = await Client.connect(address, namespace=namespace, data_converter=pydantic_data_converter)
    await Worker(client, task_queue=task_queue, nexus_service_handlers=[EchoHandler()]).run()


def main() -> None:
    """Be the server that the arguments name, until killed."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("echo").add_argument("port", type=int)
    for_worker = kinds.add_parser("worker")
    for name in ("address", "namespace", "task_queue"):
        for_worker.add_argument(name)
    arguments = parser.parse_args()
    if arguments.kind == "echo":
        bare_echo(arguments.port)
    else:
        asyncio.run(worker(arguments.address, arguments.namespace, arguments.task_queue))


if __name__ == "__main__":
    main()
