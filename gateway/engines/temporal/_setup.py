"""Registers the gateway's search attributes in a namespace; done again, it changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.service import RPCError

from gateway.engines.temporal._attributes import ATTRIBUTES, usable

if TYPE_CHECKING:
    from temporalio.client import Client

_TIMEOUT: Final = timedelta(seconds=10)


class SetUpFailed(Exception):
    """A namespace could not be set up; the message says why, for an operator."""


async def register_attributes(client: Client) -> tuple[str, ...]:
    """Register what is missing in the client's namespace, and return the names of that; empty when all was there.

    Raises:
        SetUpFailed: the server cannot be reached or refuses, or an attribute is there with another type.
    """
    namespace = client.namespace
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=namespace), timeout=_TIMEOUT
        )
        known = usable(listed.custom_attributes.items())
        missing = {name: kind for name, kind in ATTRIBUTES.items() if name not in known}
        taken = [name for name in missing if name in listed.custom_attributes]
        if taken:
            raise SetUpFailed(
                f"namespace {namespace}: {', '.join(taken)} is registered with another type; remove or rename it first"
            )
        if missing:
            request = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
            await client.operator_service.add_search_attributes(request, timeout=_TIMEOUT)
    except (RPCError, RuntimeError) as error:
        message = error.message if isinstance(error, RPCError) else str(error)
        raise SetUpFailed(f"namespace {namespace}: {message}") from error
    return tuple(missing)
