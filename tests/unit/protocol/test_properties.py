"""What holds for any message: values come back from the wire, and junk raises RemoteProtocolError or nothing."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from nexusrpc import Content, HandlerError, Link, OperationError, OperationErrorState

from gateway.model import OperationState
from gateway.protocol import (
    STATUS,
    CancelAccepted,
    CancelOperation,
    Completion,
    FailureForm,
    FetchInfo,
    FetchResult,
    HandlerFailed,
    Headers,
    NexusRequest,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationStarted,
    OperationSucceeded,
    RemoteProtocolError,
    StartOperation,
    decode_completion,
    decode_request,
    decode_response,
    encode_completion,
    encode_request,
    encode_response,
    join_target,
    split_target,
)
from tests.unit.protocol.cases import COMPLETIONS, REQUESTS, RESPONSES
from tests.unit.protocol.comparing import comparable, outcome

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=30)
KEYS = st.from_regex(r"\Ax-[a-z0-9]{1,10}\Z")
CUSTOM = st.dictionaries(KEYS, VALUES, max_size=3)
TIMEOUTS = st.none() | st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=36500))
LINKS = st.lists(
    st.builds(
        Link,
        url=st.from_regex(r"\A[a-z]{1,5}:[!-$&-+\--;=?-~]{0,20}\Z"),
        type=st.from_regex(r"\A[\w./]{1,20}\Z", alphabet=st.characters(max_codepoint=127)),
    ),
    max_size=3,
).map(tuple)
FORMS = st.sampled_from(FailureForm)
CONTENT_HEADERS = st.sampled_from(
    [
        {},
        {"content-type": "application/json"},
        {"content-type": "application/octet-stream"},
        {"content-type": "application/x-protobuf; message-type=a.B"},
        {"content-type": "application/json; format=protobuf; message-type=a.B"},
        {"content-type": "text/plain; charset=utf-8"},
    ]
)
CONTENTS = st.builds(Content, CONTENT_HEADERS, st.binary(min_size=1)).map(
    lambda content: content if content.headers else Content({}, b"")
)
URLS = st.from_regex(r"\Ahttps?://[a-z0-9.]{1,20}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9?&=/%20.]{0,20})?\Z").filter(
    lambda url: "%" not in url
)
STARTS = st.builds(
    StartOperation,
    service=NAMES,
    operation=NAMES,
    request_id=st.none() | VALUES,
    callback_url=st.none() | URLS,
    callback_headers=CUSTOM,
    links=LINKS,
    request_timeout=TIMEOUTS,
    operation_timeout=TIMEOUTS,
    prefer_wait=st.none() | st.integers(0, 10_000).map(lambda seconds: timedelta(seconds=seconds)),
    failure_form=FORMS,
    content_headers=CONTENT_HEADERS,
    headers=CUSTOM,
)
ON_TOKENS = {
    "service": NAMES,
    "operation": NAMES,
    "token": VALUES,
    "request_timeout": TIMEOUTS,
    "failure_form": FORMS,
    "headers": CUSTOM,
}
REQUESTS_OF_ANY_KIND: st.SearchStrategy[NexusRequest] = st.one_of(
    STARTS,
    st.builds(CancelOperation, **ON_TOKENS),
    st.builds(FetchResult, wait=TIMEOUTS | st.just(timedelta(0)), **ON_TOKENS),
    st.builds(FetchInfo, **ON_TOKENS),
)
OUTCOMES = st.builds(OperationError, st.text(), state=st.sampled_from(OperationErrorState))
ERRORS = st.builds(
    HandlerError,
    st.text(),
    type=st.sampled_from(list(STATUS)),
    retryable_override=st.sampled_from([None, True, False]),
)
START = StartOperation(service="s", operation="o")
CANCEL = CancelOperation(service="s", operation="o", token="t")
RESULT = FetchResult(service="s", operation="o", token="t")
INFO = FetchInfo(service="s", operation="o", token="t")
ANSWERS: st.SearchStrategy[tuple[NexusRequest, NexusResponse]] = st.one_of(
    st.tuples(st.sampled_from([START, RESULT]), st.builds(OperationSucceeded, CONTENTS, LINKS)),
    st.tuples(st.sampled_from([START, RESULT]), st.builds(OperationFailed, OUTCOMES, LINKS)),
    st.tuples(st.just(START), st.builds(OperationStarted, VALUES, LINKS, st.none() | URLS)),
    st.tuples(st.just(RESULT), st.just(OperationRunning())),
    st.tuples(st.just(CANCEL), st.just(CancelAccepted())),
    st.tuples(st.just(INFO), st.builds(OperationInfo, VALUES, st.sampled_from(OperationState))),
    st.tuples(st.sampled_from([START, CANCEL, RESULT, INFO]), st.builds(HandlerFailed, ERRORS, CUSTOM)),
)
COMPLETIONS_OF_ANY_KIND = st.builds(
    Completion,
    state=st.just(OperationState.SUCCEEDED),
    content=CONTENTS,
    token=st.none() | VALUES,
    start_time=st.none() | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0)),
    close_time=st.datetimes(timezones=st.just(UTC)),
    close_time_nanoseconds=st.integers(0, 999),
    links=LINKS,
    headers=CUSTOM,
)

WIRE_FIELDS = [
    *(field for request_case in REQUESTS for field in request_case.headers),
    *(field for response_case in RESPONSES for field in response_case.headers),
    *(field for completion_case in COMPLETIONS for field in completion_case.headers),
]
WIRE_NAMES = sorted({name for name, _ in WIRE_FIELDS})
WIRE_VALUES = sorted({value for _, value in WIRE_FIELDS})
JUNK_VALUES = st.sampled_from(WIRE_VALUES) | st.text(max_size=40) | st.text('<>;,="\\ %09azT:-.\x00\udc80', max_size=40)
JUNK_HEADERS = st.lists(
    st.tuples(
        st.sampled_from([*WIRE_NAMES, "Baggage", "Connection", "Content-Encoding"]) | st.text(max_size=20), JUNK_VALUES
    ),
    max_size=8,
).map(Headers)
JUNK_TARGETS = st.one_of(
    st.text(max_size=60),
    st.text("/?&=%.#:;abcs20\x00ü\udc80", max_size=60),
    st.sampled_from([case.target for case in REQUESTS]),
    st.builds(
        "/s/o{}?{}={}".format,
        st.sampled_from(["", "/cancel", "/result"]),
        st.sampled_from(["callback", "token", "wait"]),
        st.text(max_size=40) | st.sampled_from(["http%3A%2F%2Fa", "http://", "5s"]),
    ),
)
JUNK_BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([case.body for case in RESPONSES]),
    st.dictionaries(
        st.sampled_from(["message", "metadata", "details", "cause", "stackTrace", "token", "state"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(st.just("type"), inner)
        ),
    ).map(lambda value: json.dumps(value).encode()),
)


def read_request(request: NexusRequest) -> NexusRequest:
    encoded = encode_request(request)
    return decode_request(encoded.method, encoded.target, Headers(encoded.headers))


@given(REQUESTS_OF_ANY_KIND)
@settings(deadline=None)
def test_every_request_comes_back(request: NexusRequest) -> None:
    """What the handler sees beside its caller's own headers are fields of the request in their wire form."""
    read = read_request(request)
    assert request == dataclasses.replace(read, headers=request.headers)
    assert dict(request.headers) == {name: value for name, value in read.headers.items() if name.startswith("x-")}
    assert read == read_request(read)


@given(ANSWERS, FORMS)
@settings(deadline=None)
def test_every_response_comes_back(answer: tuple[NexusRequest, NexusResponse], form: FailureForm) -> None:
    request, response = answer
    encoded = encode_response(response, form)
    read = decode_response(request, encoded.status, Headers(encoded.headers), encoded.body)
    if isinstance(response, HandlerFailed) and not response.error.message:
        return
    assert comparable(response) == comparable(read)


@given(COMPLETIONS_OF_ANY_KIND)
@settings(deadline=None)
def test_every_completion_comes_back(completion: Completion) -> None:
    encoded = encode_completion(completion)
    assert completion == decode_completion(Headers(encoded.headers), encoded.body)


@given(st.sampled_from(["GET", "POST"]) | st.text(max_size=10), JUNK_TARGETS, JUNK_HEADERS)
@settings(deadline=None, max_examples=500)
def test_junk_is_a_request_that_everyone_behind_can_read_or_the_peers_error(
    method: str, target: str, headers: Headers
) -> None:
    request = outcome(lambda: decode_request(method, target, headers))
    if not isinstance(request, RemoteProtocolError):
        for text in (request.service, request.operation, *request.headers.values()):
            assert text == text.encode().decode()


@given(JUNK_TARGETS | JUNK_TARGETS.map(lambda target: f"/nexus/endpoints{target}/services{target}"))
@settings(deadline=None)
def test_junk_is_an_endpoints_target_or_the_peers_error(target: str) -> None:
    split = outcome(lambda: split_target(target))
    if not isinstance(split, RemoteProtocolError):
        endpoint, rest = split
        assert split == split_target(join_target(endpoint, rest))


@given(
    st.sampled_from([START, CANCEL, RESULT, INFO]),
    st.integers(100, 599) | st.sampled_from([200, 201, 424, 500]),
    JUNK_HEADERS,
    JUNK_BODIES,
)
@settings(deadline=None, max_examples=500)
def test_junk_is_a_response_or_the_peers_error(
    request: NexusRequest, status: int, headers: Headers, body: bytes
) -> None:
    response = outcome(lambda: decode_response(request, status, headers, body))
    assert isinstance(response, RemoteProtocolError | NexusResponse)


@given(JUNK_HEADERS, st.sampled_from([None, "succeeded", "failed", "canceled"]), JUNK_BODIES)
@settings(deadline=None, max_examples=500)
def test_junk_is_a_completion_or_the_peers_error(headers: Headers, state: str | None, body: bytes) -> None:
    if state is not None:
        others = [(name, value) for name, value in headers.items() if name != "nexus-operation-state"]
        headers = Headers([("Nexus-Operation-State", state), *others])
    completion = outcome(lambda: decode_completion(headers, body))
    assert isinstance(completion, RemoteProtocolError) or OperationState.RUNNING is not completion.state
