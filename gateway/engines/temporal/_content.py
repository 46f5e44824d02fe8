"""Bodies of Nexus messages and Temporal payloads: the same bytes under two ways of naming their type.

Follows the content types of the Nexus specification and Temporal's own table for them. A payload in an encoding that
has no content type of its own, such as one that a payload codec has encrypted, travels whole.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, Message
from nexusrpc import Content, HandlerError, HandlerErrorType
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from gateway.annotations import adapter_of
from gateway.engines._base import InvalidInput
from gateway.engines.temporal._json_inputs import read_json
from gateway.protocol import RemoteProtocolError, check_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temporalio.converter import PayloadConverter

_MAX_FAULTS = 5
# Above that they are counted only: to tell of each of a million takes seconds.
_MAX_TOLD = 200

_ENCODING_BY_TYPE: Mapping[str, bytes] = {
    "application/json": b"json/plain",
    "application/octet-stream": b"binary/plain",
    "application/x-protobuf": b"binary/protobuf",
}
_TYPE_BY_ENCODING: Mapping[str, str] = {
    "json/plain": "application/json",
    "binary/plain": "application/octet-stream",
    "json/protobuf": "application/json; format=protobuf; message-type={message_type}",
    "binary/protobuf": "application/x-protobuf; message-type={message_type}",
}
_TYPED_BY_SENDER = (bytes, Message, type(None))
_WHOLE_PAYLOAD = "application/x-temporal-payload"
# What Temporal's server calls a body of any other type; the type is beside it in the metadata.
_UNKNOWN = "unknown/nexus-content"


class UnknownContentType(Exception):
    """The media type has no payload encoding."""


def payload_of(content: Content) -> Payload:
    """The payload with the bytes of a body, whose headers the codec has brought to one spelling.

    Raises:
        UnknownContentType: the media type is none of those that Temporal knows.
        HandlerError: BAD_REQUEST, the body is no whole payload although its type says so.
    """
    header = content.headers.get("content-type", "")
    media_type, parameters = _parse(header)
    if not header:
        return Payload(metadata={"encoding": b"binary/null"})
    if media_type == _WHOLE_PAYLOAD:
        return _whole(content.data)
    encoding = _ENCODING_BY_TYPE.get(media_type)
    if encoding is None:
        raise UnknownContentType(media_type)
    message_type = parameters.get("message-type")
    if message_type is None:
        return Payload(metadata={"encoding": encoding}, data=content.data)
    metadata = {"encoding": b"%s/protobuf" % encoding.partition(b"/")[0], "messageType": message_type.encode()}
    return Payload(metadata=metadata, data=content.data)


def content_of(payload: Payload | None) -> Content:
    """The body with the bytes of a payload; null for none."""
    encoding = _text(payload.metadata.get("encoding", b"")) if payload is not None else "binary/null"
    if payload is None or encoding == "binary/null":
        return Content(headers={}, data=b"")
    if encoding == _UNKNOWN and "content-type" in payload.metadata:
        return Content(headers={"content-type": _text(payload.metadata["content-type"])}, data=payload.data)
    template = _TYPE_BY_ENCODING.get(encoding)
    # Further metadata is part of the value: only the whole payload can carry it.
    if template is None or payload.metadata.keys() - {"encoding", "messageType"}:
        return Content(headers={"content-type": _WHOLE_PAYLOAD}, data=payload.SerializeToString())
    content_type = template.format(message_type=_text(payload.metadata.get("messageType", b"")))
    return Content(headers={"content-type": content_type}, data=payload.data)


class PayloadSerializer:
    """nexusrpc's Serializer over a Temporal payload converter.

    An operation whose input type is ``nexusrpc.Content`` takes any content type, as it came; one that returns a
    ``Content`` answers with exactly that. The same goes for Temporal's ``RawValue``, which a worker can handle too.
    """

    def __init__(self, converter: PayloadConverter) -> None:
        self._converter = converter

    async def serialize(self, value: Any) -> Content:  # noqa: ANN401 - whatever a handler returns
        """The body for a handler's result.

        Raises:
            Exception: the converter has no way to write the value; the handler is at fault.
        """
        if isinstance(value, Content):
            return value
        return content_of(self._converter.to_payload(value))

    async def deserialize(self, content: Content, as_type: type[Any] | None = None) -> Any:  # noqa: ANN401
        """The handler's input of the declared type.

        Raises:
            HandlerError: BAD_REQUEST, naming the field that does not fit, without its value.
        """
        if as_type is Content:
            return content
        try:
            payload = payload_of(content)
        except UnknownContentType as error:
            if as_type in (None, Any):
                return content
            if as_type is RawValue:
                return RawValue(_unknown(content))
            raise _bad(f"this operation takes no body of type {error}; send application/json") from None
        try:
            if payload.metadata["encoding"] == b"json/plain" and as_type not in (None, Any, RawValue):
                return read_json(payload.data, as_type)
            value = self._converter.from_payload(payload, as_type)  # type: ignore[arg-type] # the stub leaves None out
            # The converters for null, binary bodies and messages return what they hold, whatever the type asked for.
            return _checked(value, as_type) if isinstance(value, _TYPED_BY_SENDER) else value
        except ValidationError as error:
            raise _misfit(error) from None
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            encoding = _text(payload.metadata["encoding"])
            raise InvalidInput(
                f"the input cannot be read as {encoding}", [("", f"cannot be read as {encoding}")]
            ) from error


def _checked(value: bytes | Message | None, as_type: Any) -> Any:  # noqa: ANN401
    if as_type in (None, Any, type(value)):
        return value
    return _adapter(as_type).validate_python(value, strict=True)


@functools.lru_cache(maxsize=1024)
def _adapter(as_type: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any annotation
    try:
        return adapter_of(as_type)
    except PydanticUserError:
        # A class that pydantic has no schema for, such as a protocol buffer: then it is an instance check.
        return TypeAdapter(as_type, config=ConfigDict(arbitrary_types_allowed=True))


def _misfit(error: ValidationError) -> InvalidInput:
    if error.error_count() > _MAX_TOLD:
        message = f"the input does not fit the operation's type in {error.error_count()} places"
        return InvalidInput(message, [("", "does not fit in too many places to name them")])
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in found[:_MAX_FAULTS]]
    shown = "; ".join(f"{path or 'input'}: {what}" for path, what in faults)
    more = f"; and {len(found) - len(faults)} more" if len(found) > len(faults) else ""
    return InvalidInput(f"the input does not fit the operation's type: {shown}{more}", faults)


def _parse(header: str) -> tuple[str, Mapping[str, str]]:
    media_type, *rest = header.split(";")
    pairs = (part.partition("=") for part in rest)
    return media_type.strip().lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _whole(data: bytes) -> Payload:
    try:
        payload = Payload.FromString(data)
    except DecodeError:
        raise _bad(f"the body is not a {_WHOLE_PAYLOAD}") from None
    if payload.metadata.get("encoding") == b"json/plain":
        try:
            check_json({"content-type": "application/json"}, payload.data)
        except RemoteProtocolError as error:
            raise _bad(error.message) from None
    return payload


def _unknown(content: Content) -> Payload:
    metadata = {"encoding": _UNKNOWN.encode(), "content-type": content.headers["content-type"].encode()}
    return Payload(metadata=metadata, data=content.data)


def _text(metadata: bytes) -> str:
    # What is no UTF-8 stays recognizable as such: no header can carry it.
    return metadata.decode("utf-8", "surrogateescape")


def _bad(message: str) -> HandlerError:
    return HandlerError(message, type=HandlerErrorType.BAD_REQUEST)
