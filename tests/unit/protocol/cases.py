"""Messages as values and as they stand on the wire. Each case is run in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nexusrpc import Content, HandlerError, HandlerErrorType, Link, OperationError, OperationErrorState

from gateway.model import OperationState
from gateway.protocol import (
    CancelAccepted,
    CancelOperation,
    Completion,
    FailureForm,
    FetchInfo,
    FetchResult,
    HandlerFailed,
    NexusRequest,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationStarted,
    OperationSucceeded,
    StartOperation,
)

Fields = tuple[tuple[str, str], ...]

SUPPORT = ("Temporal-Nexus-Failure-Support", "true")
NO_SUPPORT = ("Temporal-Nexus-Failure-Support", "false")
JSON = ("Content-Type", "application/json")
RETRY = ("Nexus-Request-Retryable", "true")
NO_RETRY = ("Nexus-Request-Retryable", "false")
SUCCEEDED = ("Nexus-Operation-State", "succeeded")
FAILED = ("Nexus-Operation-State", "failed")
CANCELED = ("Nexus-Operation-State", "canceled")
EVENT = Link(url="temporal:///namespaces/a/workflows/w/r/history?eventID=5&x=1", type="temporal.api.common.v1.Link")
EVENT_FIELD = f'<{EVENT.url}>; type="{EVENT.type}"'
OTHER = Link(url="https://example.test/a;b%2Cc", type="com.example.Page_1")
OTHER_FIELD = f'<{OTHER.url}>; type="{OTHER.type}"'
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"


@dataclass(frozen=True, kw_only=True)
class RequestCase:
    """A request and its wire form."""

    name: str
    value: NexusRequest
    method: str
    target: str
    headers: Fields


@dataclass(frozen=True, kw_only=True)
class ResponseCase:
    """A response, its wire form, and the request that it answers."""

    name: str
    value: NexusResponse
    request: NexusRequest
    status: int
    headers: Fields = ()
    body: bytes = b""
    form: FailureForm = FailureForm.CURRENT


@dataclass(frozen=True, kw_only=True)
class CompletionCase:
    """A completion and its wire form."""

    name: str
    value: Completion
    headers: Fields
    body: bytes = b""


START = StartOperation(service="s", operation="o")
CANCEL = CancelOperation(service="s", operation="o", token="t")
RESULT = FetchResult(service="s", operation="o", token="t")
INFO = FetchInfo(service="s", operation="o", token="t")

REQUESTS = [
    RequestCase(name="bare start", value=START, method="POST", target="/s/o", headers=(SUPPORT,)),
    RequestCase(
        name="start with everything",
        value=StartOperation(
            service="Ser/vic e",
            operation="ü?#%&",
            request_id="12c0268f-6d8a-4287-8da8-08edaa828a40",
            callback_url="https://caller.test:8443/cb?x=1&y=%2F",
            callback_headers={"token": '{"v":1,"d":"CiQ=="}', "x-req": "Abc"},
            links=(EVENT, OTHER),
            request_timeout=timedelta(milliseconds=9999),
            operation_timeout=timedelta(minutes=5),
            prefer_wait=timedelta(seconds=10),
            failure_form=FailureForm.OLDER,
            content_headers={"content-type": "application/json"},
            headers={
                "nexus-request-id": "12c0268f-6d8a-4287-8da8-08edaa828a40",
                "request-timeout": "9999ms",
                "operation-timeout": "5m",
                "prefer": "wait=10",
                "traceparent": TRACEPARENT,
                "tracestate": "vendor=1",
                "baggage": "k=v",
                "x-custom": "v1",
            },
        ),
        method="POST",
        target="/Ser%2Fvic%20e/%C3%BC%3F%23%25%26?callback=https%3A%2F%2Fcaller.test%3A8443%2Fcb%3Fx%3D1%26y%3D%252F",
        headers=(
            JSON,
            ("Nexus-Callback-token", '{"v":1,"d":"CiQ=="}'),
            ("Nexus-Callback-x-req", "Abc"),
            ("Nexus-Link", EVENT_FIELD),
            ("Nexus-Link", OTHER_FIELD),
            ("Nexus-Request-Id", "12c0268f-6d8a-4287-8da8-08edaa828a40"),
            ("Operation-Timeout", "5m"),
            ("Prefer", "wait=10"),
            ("Request-Timeout", "9999ms"),
            NO_SUPPORT,
            ("traceparent", TRACEPARENT),
            ("tracestate", "vendor=1"),
            ("baggage", "k=v"),
            ("x-custom", "v1"),
        ),
    ),
    RequestCase(
        name="start of an operation called cancel",
        value=StartOperation(service="s", operation="cancel"),
        method="POST",
        target="/s/cancel",
        headers=(SUPPORT,),
    ),
    RequestCase(
        name="start of an operation called result",
        value=StartOperation(service="result", operation="result"),
        method="POST",
        target="/result/result",
        headers=(SUPPORT,),
    ),
    RequestCase(
        name="names that are dots",
        value=StartOperation(service=".", operation=".."),
        method="POST",
        target="/%2E/%2E%2E",
        headers=(SUPPORT,),
    ),
    RequestCase(
        name="cancel",
        value=CANCEL,
        method="POST",
        target="/s/o/cancel",
        headers=(("Nexus-Operation-Token", "t"), SUPPORT),
    ),
    RequestCase(
        name="cancel with a token that is not ASCII",
        value=CancelOperation(
            service="s",
            operation="cancel",
            token="tok ü/+=%",
            request_timeout=timedelta(seconds=90),
            failure_form=FailureForm.OLDER,
            headers={"request-timeout": "90s", "x-custom": "v1"},
        ),
        method="POST",
        target="/s/cancel/cancel",
        headers=(("Nexus-Operation-Token", "tok ü/+=%"), ("Request-Timeout", "90s"), NO_SUPPORT, ("x-custom", "v1")),
    ),
    RequestCase(
        name="result",
        value=RESULT,
        method="GET",
        target="/s/o/result",
        headers=(("Nexus-Operation-Token", "t"), SUPPORT),
    ),
    RequestCase(
        name="result with a wait",
        value=FetchResult(
            service="s",
            operation="o",
            token="t",
            wait=timedelta(seconds=30),
            request_timeout=timedelta(microseconds=250),
            headers={"request-timeout": "0.25ms"},
        ),
        method="GET",
        target="/s/o/result?wait=30s",
        headers=(("Nexus-Operation-Token", "t"), ("Request-Timeout", "0.25ms"), SUPPORT),
    ),
    RequestCase(
        name="result with no wait, said aloud",
        value=FetchResult(service="s", operation="o", token="t", wait=timedelta(0)),
        method="GET",
        target="/s/o/result?wait=0s",
        headers=(("Nexus-Operation-Token", "t"), SUPPORT),
    ),
    RequestCase(
        name="info", value=INFO, method="GET", target="/s/o", headers=(("Nexus-Operation-Token", "t"), SUPPORT)
    ),
]

RESPONSES = [
    ResponseCase(
        name="result in JSON",
        value=OperationSucceeded(Content({"content-type": "application/json"}, b'{"msg":"echo bob"}')),
        request=START,
        status=200,
        headers=(JSON, SUCCEEDED),
        body=b'{"msg":"echo bob"}',
    ),
    ResponseCase(
        name="null result with links",
        value=OperationSucceeded(Content({}, b""), (EVENT, OTHER)),
        request=RESULT,
        status=200,
        headers=(SUCCEEDED, ("Nexus-Link", EVENT_FIELD), ("Nexus-Link", OTHER_FIELD)),
    ),
    ResponseCase(
        name="no bytes at all",
        value=OperationSucceeded(Content({"content-type": "application/octet-stream"}, b"")),
        request=RESULT,
        status=200,
        headers=(("Content-Type", "application/octet-stream"), SUCCEEDED),
    ),
    ResponseCase(
        name="result in protobuf",
        value=OperationSucceeded(
            Content({"content-type": "application/x-protobuf; message-type=com.example.MyMessage"}, b"\x08\x01")
        ),
        request=START,
        status=200,
        headers=(("Content-Type", "application/x-protobuf; message-type=com.example.MyMessage"), SUCCEEDED),
        body=b"\x08\x01",
    ),
    ResponseCase(
        name="result in protobuf's JSON",
        value=OperationSucceeded(
            Content({"content-type": "application/json; format=protobuf; message-type=com.example.MyMessage"}, b"{}")
        ),
        request=START,
        status=200,
        headers=(("Content-Type", "application/json; format=protobuf; message-type=com.example.MyMessage"), SUCCEEDED),
        body=b"{}",
    ),
    ResponseCase(
        name="result as a Temporal payload",
        value=OperationSucceeded(Content({"content-type": "application/x-temporal-payload"}, b"\n\x00")),
        request=START,
        status=200,
        headers=(("Content-Type", "application/x-temporal-payload"), SUCCEEDED),
        body=b"\n\x00",
    ),
    ResponseCase(
        name="result of another type",
        value=OperationSucceeded(Content({"content-type": "image/png"}, b"\x89PNG")),
        request=START,
        status=200,
        headers=(("Content-Type", "image/png"), SUCCEEDED),
        body=b"\x89PNG",
    ),
    ResponseCase(
        name="started",
        value=OperationStarted("tok-1", (EVENT,)),
        request=START,
        status=201,
        headers=(JSON, ("Nexus-Link", EVENT_FIELD)),
        body=b'{"token":"tok-1","state":"running"}',
    ),
    ResponseCase(
        name="started and to be waited for",
        value=OperationStarted("tok ü", location="http://gateway.test/s/o/result?token=tok"),
        request=START,
        status=201,
        headers=(JSON, ("Location", "http://gateway.test/s/o/result?token=tok"), ("Retry-After", "0")),
        body='{"token":"tok ü","state":"running"}'.encode(),
    ),
    ResponseCase(
        name="failed",
        value=OperationFailed(OperationError("declined", state=OperationErrorState.FAILED), (EVENT,)),
        request=START,
        status=424,
        headers=(JSON, FAILED, ("Nexus-Link", EVENT_FIELD)),
        body=b'{"message":"declined","metadata":{"type":"nexus.OperationError"},"details":{"state":"failed"}}',
    ),
    ResponseCase(
        name="canceled",
        value=OperationFailed(OperationError("enough", state=OperationErrorState.CANCELED)),
        request=RESULT,
        status=424,
        headers=(JSON, CANCELED),
        body=b'{"message":"enough","metadata":{"type":"nexus.OperationError"},"details":{"state":"canceled"}}',
    ),
    ResponseCase(
        name="failed in the older form",
        value=OperationFailed(OperationError("declined", state=OperationErrorState.FAILED)),
        request=START,
        status=424,
        headers=(JSON, FAILED),
        body=b'{"message":"declined"}',
        form=FailureForm.OLDER,
    ),
    ResponseCase(
        name="canceled in the older form",
        value=OperationFailed(OperationError("enough", state=OperationErrorState.CANCELED)),
        request=RESULT,
        status=424,
        headers=(JSON, CANCELED),
        body=b'{"message":"enough"}',
        form=FailureForm.OLDER,
    ),
    ResponseCase(name="still running", value=OperationRunning(), request=RESULT, status=412),
    ResponseCase(name="cancel accepted", value=CancelAccepted(), request=CANCEL, status=202),
    *(
        ResponseCase(
            name=f"info {state.value}",
            value=OperationInfo("tok-1", state),
            request=INFO,
            status=200,
            headers=(JSON,),
            body=f'{{"token":"tok-1","state":"{state.value}"}}'.encode(),
        )
        for state in OperationState
    ),
    ResponseCase(
        name="handler failed, with ids",
        value=HandlerFailed(HandlerError("broken", type=HandlerErrorType.INTERNAL), {"requestId": "r", "traceId": "t"}),
        request=START,
        status=500,
        headers=(JSON, RETRY),
        body=b'{"message":"broken","metadata":{"type":"nexus.HandlerError"},'
        b'"details":{"requestId":"r","traceId":"t","type":"INTERNAL"}}',
    ),
    ResponseCase(
        name="handler failed for good",
        value=HandlerFailed(HandlerError("no", type=HandlerErrorType.INTERNAL, retryable_override=False)),
        request=CANCEL,
        status=500,
        headers=(JSON, NO_RETRY),
        body=b'{"message":"no","metadata":{"type":"nexus.HandlerError"},'
        b'"details":{"type":"INTERNAL","retryableOverride":false}}',
    ),
    ResponseCase(
        name="handler failed for now, the same in the older form",
        value=HandlerFailed(HandlerError("later", type=HandlerErrorType.BAD_REQUEST, retryable_override=True)),
        request=INFO,
        status=400,
        headers=(JSON, RETRY),
        body=b'{"message":"later","metadata":{"type":"nexus.HandlerError"},'
        b'"details":{"type":"BAD_REQUEST","retryableOverride":true}}',
        form=FailureForm.OLDER,
    ),
]

FAILURE = b'{"message":"declined"}'

COMPLETIONS = [
    CompletionCase(
        name="bare null",
        value=Completion(state=OperationState.SUCCEEDED, content=Content({}, b"")),
        headers=(SUCCEEDED,),
    ),
    CompletionCase(
        name="success with everything",
        value=Completion(
            state=OperationState.SUCCEEDED,
            content=Content({"content-type": "application/json"}, b'{"msg":"hello zed"}'),
            token="tok-1",
            start_time=datetime(2026, 11, 22, 3, 12, 47, tzinfo=UTC),
            close_time=datetime(2026, 11, 22, 3, 12, 47, 574880, tzinfo=UTC),
            close_time_nanoseconds=849,
            links=(EVENT, OTHER),
            headers={"token": "my-signed-cb-token", "x-req": "Abc", "user-agent": "temporalio/server"},
        ),
        headers=(
            JSON,
            SUCCEEDED,
            ("Nexus-Operation-Token", "tok-1"),
            ("Nexus-Operation-Start-Time", "Sun, 22 Nov 2026 03:12:47 GMT"),
            ("Nexus-Operation-Close-Time", "2026-11-22T03:12:47.574880849Z"),
            ("Nexus-Link", EVENT_FIELD),
            ("Nexus-Link", OTHER_FIELD),
            ("token", "my-signed-cb-token"),
            ("x-req", "Abc"),
            ("user-agent", "temporalio/server"),
        ),
        body=b'{"msg":"hello zed"}',
    ),
    CompletionCase(
        name="failed",
        value=Completion(state=OperationState.FAILED, content=Content({"content-type": "application/json"}, FAILURE)),
        headers=(JSON, FAILED),
        body=FAILURE,
    ),
    CompletionCase(
        name="canceled",
        value=Completion(state=OperationState.CANCELED, content=Content({"content-type": "application/json"}, FAILURE)),
        headers=(JSON, CANCELED),
        body=FAILURE,
    ),
]
