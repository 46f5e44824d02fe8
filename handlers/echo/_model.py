"""What the echo operations take and give."""

from typing import Annotated, Literal

from nexusrpc import HandlerErrorType, OperationErrorState
from pydantic import BaseModel, ConfigDict, Field

_STRICT = ConfigDict(extra="forbid", frozen=True)


class HandlerFailure(BaseModel):
    """Asks for a ``nexusrpc.HandlerError``: the request was not handled."""

    model_config = _STRICT

    kind: Literal["handler"]
    type: HandlerErrorType = HandlerErrorType.INTERNAL
    message: str = "asked to fail"
    retryable: bool | None = None


class OperationFailure(BaseModel):
    """Asks for a ``nexusrpc.OperationError``: the operation was handled, and failed or was canceled."""

    model_config = _STRICT

    kind: Literal["operation"]
    state: OperationErrorState = OperationErrorState.FAILED
    message: str = "asked to fail"


class Crash(BaseModel):
    """Asks for an exception that no handler should let out; its message is nobody's business but the log's."""

    model_config = _STRICT

    kind: Literal["crash"]
    message: str = "asked to crash"


class Ask(BaseModel):
    """The input of ``fail``: which failure, by its ``kind``."""

    model_config = _STRICT

    failure: Annotated[HandlerFailure | OperationFailure | Crash, Field(discriminator="kind")]


class Nap(BaseModel):
    """The input of ``sleep``."""

    model_config = _STRICT

    seconds: float = Field(ge=0, le=3600)


class Caller(BaseModel):
    """The verified caller, without its credential."""

    issuer: str
    subject: str
    namespace: str
    permissions: list[str]


class Headers(BaseModel):
    """The output of ``headers``: what of a request reaches a handler. ``caller`` is null outside the gateway."""

    headers: dict[str, str]
    callback_headers: dict[str, str]
    request_id: str
    caller: Caller | None
