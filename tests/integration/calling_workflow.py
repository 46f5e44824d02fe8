"""A workflow that calls one Nexus operation, as a team would that has nothing of the handler's code."""

import asyncio
import base64
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue


@dataclass
class Value:
    """A payload, in a form that every converter can carry; its data in base64."""

    metadata: dict[str, str]
    data: str

    @classmethod
    def of(cls, payload: Payload) -> "Value":
        """The value that a payload is."""
        metadata = {name: value.decode() for name, value in payload.metadata.items()}
        return cls(metadata, base64.b64encode(payload.data).decode())

    def payload(self) -> Payload:
        """The payload that the value is."""
        metadata = {name: value.encode() for name, value in self.metadata.items()}
        return Payload(metadata=metadata, data=base64.b64decode(self.data))


@dataclass
class Call:
    """What to call, with what, and as whom; ``patience`` is the operation's time in seconds, None for any."""

    endpoint: str
    service: str
    operation: str
    value: Value
    headers: dict[str, str] = field(default_factory=dict)
    patience: float | None = 60


@workflow.defn
class CallingWorkflow:
    """Returns the operation's result as the payload that it came in, or fails as the operation did."""

    def __init__(self) -> None:
        self._cancel = False

    @workflow.run
    async def run(self, call: Call) -> Value:
        """Call."""
        client = workflow.create_nexus_client(service=call.service, endpoint=call.endpoint)
        handle = await client.start_operation(
            call.operation,
            RawValue(call.value.payload()),
            output_type=RawValue,
            headers=call.headers,
            schedule_to_close_timeout=None if call.patience is None else timedelta(seconds=call.patience),
        )
        result = asyncio.ensure_future(handle)
        await workflow.wait_condition(lambda: self._cancel or result.done())
        if not result.done():
            handle.cancel()
        return Value.of((await result).payload)

    @workflow.signal
    def cancel(self) -> None:
        """Cancel the operation, and go on waiting for its end."""
        self._cancel = True
