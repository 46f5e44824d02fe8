"""What a request may look like, what it may not, and what a handler sees of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from nexusrpc import HandlerErrorType, Link

from gateway.protocol import (
    CancelOperation,
    FailureForm,
    FetchResult,
    Headers,
    Limits,
    LocalProtocolError,
    NexusRequest,
    RemoteProtocolError,
    StartOperation,
    decode_request,
    encode_request,
)

SEED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
SECRET = "s3cr3t"


def start(*headers: tuple[str, str], query: str = "") -> StartOperation:
    request = decode_request("POST", f"/s/o{query}", Headers(headers))
    assert isinstance(request, StartOperation)
    return request


def refusal(
    *headers: tuple[str, str], method: str = "POST", target: str = "/s/o", limits: Limits | None = None
) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_request(method, target, Headers(headers), limits or Limits())
    return caught.value


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/s/o"),
        ("HEAD", "/s/o"),
        ("post", "/s/o"),
        ("POST", "/s/o/result"),
        ("GET", "/s/o/cancel"),
        ("DELETE\x00\x1b[31m" + "x" * 500, "/s/o"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_not_implemented(method: str, target: str) -> None:
    error = refusal(method=method, target=target)
    assert HandlerErrorType.NOT_IMPLEMENTED is error.to_handler_error().type
    assert error.message.isprintable()
    assert len(error.message) < 200


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        pytest.param((name, value), name, id=f"{name}: {value[:20]!r}")
        for name, value in [
            ("Request-Timeout", "0s"),
            ("Request-Timeout", ""),
            ("Request-Timeout", "1e3s"),
            ("Operation-Timeout", "-1s"),
            ("Operation-Timeout", "NaNs"),
            ("Temporal-Nexus-Failure-Support", "yes"),
            ("Temporal-Nexus-Failure-Support", ""),
            ("Nexus-Link", "<a>"),
            ("Nexus-Request-Id", ""),
            ("Nexus-Request-Id", "x" * 1001),
            ("Nexus-Request-Id", "ü" * 501),
            ("Nexus-Request-Id", "a\x00b"),
            ("Nexus-Request-Id", "a\udcffb"),
            ("Prefer", "wait=1.5"),
            ("Prefer", "wait"),
            ("Prefer", "wait=99999999999"),
            ("Prefer", 'wait="1'),
            ("Prefer", "(wait=1"),
            ("Traceparent", ""),
            ("Traceparent", f"{SEED}-01-x"),
            ("Traceparent", f"ff{SEED[2:]}-01"),
            ("Traceparent", f"{SEED.upper()}-01"),
            ("Traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01"),
            ("Traceparent", f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01"),
            ("Tracestate", "no value"),
            ("Tracestate", ",".join(f"k{n}=v" for n in range(33))),
            ("Baggage", "no value"),
            ("Baggage", "k=v=\x7f"),
            ("Baggage", ",".join(f"k{n}=v" for n in range(181))),
            ("Baggage", "k=" + "v" * 8192),
            ("Content-Type", "application"),
            ("Content-Encoding", "gzip"),
            ("X-Custom", "a\nb"),
        ]
    ],
)
def test_a_malformed_header_is_refused_by_its_name(headers: tuple[str, str], named: str) -> None:
    error = refusal(headers)
    assert error.message.startswith(f"{named}: ")
    assert HandlerErrorType.BAD_REQUEST is error.error_type
    assert error.message.isprintable()
    assert len(error.message) < 300


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Host",
        "Nexus-Callback-Token",
        "Nexus-Operation-Token",
        "Nexus-Request-Id",
        "Operation-Timeout",
        "Request-Timeout",
        "Temporal-Nexus-Failure-Support",
        "Traceparent",
        "User-Agent",
    ],
)
def test_a_header_of_which_there_is_one_may_not_come_twice(name: str) -> None:
    error = refusal((name, SECRET), (name.lower(), "other"))
    assert f"{name}: sent more than once; send it once" == error.message


def test_header_names_are_read_in_any_case() -> None:
    request = start(("NEXUS-request-ID", "r"), ("rEQUEST-tIMEOUT", "1s"), ("NEXUS-CALLBACK-X-Y", "v"))
    assert ("r", timedelta(seconds=1), {"x-y": "v"}) == (
        request.request_id,
        request.request_timeout,
        request.callback_headers,
    )


def test_credentials_hops_and_the_gateways_own_headers_never_reach_a_handler() -> None:
    withheld = [
        "Accept-Encoding",
        "Authorization",
        "Connection",
        "Content-Language",
        "Content-Type",
        "Cookie",
        "Expect",
        "Forwarded",
        "Host",
        "Keep-Alive",
        "Nexus-Callback-Token",
        "Nexus-Gateway-Principal",
        "Nexus-Operation-Token",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Set-Cookie",
        "TE",
        "Temporal-Namespace",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Real-IP",
    ]
    kept = {
        "accept": "*/*",
        "user-agent": "curl",
        "x-custom": "v",
        "nexus-request-id": "r",
        "traceparent": f"{SEED}-01",
    }
    request = start(*((name, "a/b") for name in withheld), *kept.items())
    assert kept == request.headers


def test_what_the_connection_names_as_its_own_ends_here() -> None:
    request = start(("Connection", "close, X-Hop"), ("x-hop", "1"), ("x-end", "2"))
    assert {"x-end": "2"} == request.headers


def test_a_list_header_that_came_in_parts_reaches_the_handler_whole() -> None:
    assert {"baggage": "a=1, b=2"} == start(("Baggage", "a=1"), ("Baggage", "b=2")).headers


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ((), FailureForm.CURRENT),
        ((("User-Agent", "curl/8"),), FailureForm.CURRENT),
        ((("User-Agent", "temporalio/server"),), FailureForm.OLDER),
        ((("User-Agent", "temporalio/server"), ("Temporal-Nexus-Failure-Support", "true")), FailureForm.CURRENT),
        ((("Temporal-Nexus-Failure-Support", "False"),), FailureForm.OLDER),
    ],
)
def test_the_form_of_failures_is_what_the_sender_understands(
    headers: tuple[tuple[str, str], ...], form: FailureForm
) -> None:
    assert form is start(*headers).failure_form


@pytest.mark.parametrize(
    ("fields", "wait"),
    [
        (("wait=10",), 10),
        (("respond-async, WAIT = 10; x=1",), 10),
        (('foo; bar="a,b\\";", wait="7",',), 7),
        (("handling=lenient", "wait=3, wait=4"), 3),
        (("wait=0",), 0),
        (("",), None),
        (("respond-async;wait=3",), None),
    ],
)
def test_a_preferred_wait_is_found_among_other_preferences(fields: tuple[str, ...], wait: int | None) -> None:
    expected = None if wait is None else timedelta(seconds=wait)
    assert expected == start(*(("Prefer", field) for field in fields)).prefer_wait


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("/s/o?callback=http%3A%2F%2Fa&callback=http%3A%2F%2Fa", "callback"),
        ("/s/o?%63allback=http%3A%2F%2Fa&callback=b", "callback"),
        ("/s/o?token=a&token=a", "token"),
        ("/s/o?wait=1s&wait=1s", "wait"),
        ("/s/o?x=%zz", "query"),
        ("/s/o?%f=1", "query"),
        ("/s/o?x=%ff", "query"),
        ("/s/o?x=\udcff", "query"),
    ],
)
def test_a_query_that_is_malformed_or_says_things_twice_is_refused(target: str, part: str) -> None:
    assert part in refusal(target=target).message


def test_other_query_parameters_are_ignored_even_when_repeated() -> None:
    assert (
        "http://a.test/x y".replace(" ", "%20") == start(query="?x=1&x=2&&callback=http://a.test/x%2520y").callback_url
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "HTTPS://A.test:65535/",
        "http://[::1]:8080/cb?x=1&y=%20",
        "http://127.0.0.1:1?x",
        "https://a.test/@me;v=1,2",
    ],
)
def test_an_absolute_http_url_may_be_a_callback(url: str) -> None:
    assert url == start(query="?callback=" + url.replace("%", "%25").replace("&", "%26")).callback_url


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "absolute"),
        ("/relative", "absolute"),
        ("//a.test/", "absolute"),
        ("ftp://a.test/", "absolute"),
        ("javascript:alert(1)", "absolute"),
        (" http://a.test/", "absolute"),
        ("http://", "not a valid URL"),
        ("http:///path", "not a valid URL"),
        ("http://a.test:/", "not a valid URL"),
        ("http://a.test:x/", "not a valid URL"),
        ("http://a.test:0/", "port"),
        ("http://a.test:65536/", "port"),
        (f"http://user:{SECRET}@a.test/", "user"),
        (f"http://a.test/?{SECRET}#fragment", "fragment"),
        ("http://a.test#", "fragment"),
        ("http://a.test\\@b.test/", "user"),
        ("http://a.test\\b.test/", "not a valid URL"),
        ("http://a.test/a b", "not a valid URL"),
        ("http://a.test/\r\nx: y", "not a valid URL"),
        ("http://a.test/\x00", "not a valid URL"),
        ("http://ü.test/", "not a valid URL"),
        ("http://a.test/%zz", "not a valid URL"),
        ("http://[fe80::1%25eth0]/", "not a valid URL"),
        ("http://a.test\n", "not a valid URL"),
    ],
)
def test_a_callback_that_is_no_plain_http_url_is_refused_without_being_quoted(url: str, fault: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in url.encode())
    error = refusal(target=f"/s/o?callback={escaped}")
    assert error.message.startswith("query parameter callback: ")
    assert fault in error.message
    assert SECRET not in error.message


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "Connection",
        "Content-Length",
        "Content-Type",
        "Host",
        "Nexus-Link",
        "Nexus-Operation-State",
        "Nexus-Operation-Token",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ],
)
def test_a_callback_header_that_no_callback_could_carry_is_refused(name: str) -> None:
    error = refusal((f"Nexus-Callback-{name}", SECRET))
    assert error.message.startswith(f"Nexus-Callback-{name.title()}: ")
    assert SECRET not in error.message


@pytest.mark.parametrize("value", ["a\x00", "a\x1b[1m", "a\udc80"])
def test_a_callback_header_that_could_not_be_sent_on_is_refused(value: str) -> None:
    assert refusal(("Nexus-Callback-X", value)).message.startswith("Nexus-Callback-X: ")


def test_callback_url_and_headers_are_limited_together() -> None:
    url = "http://a.test/"
    fits = 4096 - len(url) - len("x-y") - len("üü".encode())
    headers = (("Nexus-Callback-X-Y", "üü"), ("Nexus-Callback-Z", "v" * (fits - 1)))
    assert 2 == len(start(*headers, query=f"?callback={url}").callback_headers)
    error = refusal(*headers, ("Nexus-Callback-1", ""), target=f"/s/o?callback={url}")
    assert "4097 bytes together; at most 4096" in error.message


def token_of(target: str, *headers: tuple[str, str]) -> str:
    request = decode_request("GET", target, Headers(headers))
    assert isinstance(request, FetchResult)
    return request.token


def test_the_token_comes_from_the_header_or_the_query() -> None:
    assert "a" == token_of("/s/o/result", ("Nexus-Operation-Token", "a"))
    assert "a b+c" == token_of("/s/o/result?token=a+b%2Bc")
    assert "a" == token_of("/s/o/result?token=a", ("Nexus-Operation-Token", "a"))
    assert "a" == token_of("/s/o/result?token=", ("Nexus-Operation-Token", "a"))


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", ()),
        ("?token=", (("Nexus-Operation-Token", ""),)),
        (f"?token={'x' * 4097}", ()),
        (f"?token={SECRET}%0A", ()),
        (f"?token={SECRET}%00", ()),
        ("", (("Nexus-Operation-Token", f"{SECRET}\udc80"),)),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/s/o/cancel"), ("GET", "/s/o/result"), ("GET", "/s/o")])
def test_a_token_that_is_missing_doubtful_or_too_long_is_refused_without_being_quoted(
    method: str, path: str, query: str, headers: tuple[tuple[str, str], ...]
) -> None:
    error = refusal(*headers, method=method, target=path + query)
    assert error.message.startswith("Nexus-Operation-Token: ")
    assert SECRET not in error.message


@pytest.mark.parametrize("wait", ["30", "-1s", "", "1h", "s", "1.5.5s", "٣s"])
def test_a_malformed_wait_is_refused_by_its_name(wait: str) -> None:
    error = refusal(method="GET", target=f"/s/o/result?token=t&wait={wait}")
    assert error.message.startswith("query parameter wait: ")


def test_trace_headers_are_checked_on_every_request() -> None:
    for method, target in [("POST", "/s/o/cancel"), ("GET", "/s/o/result"), ("GET", "/s/o")]:
        error = refusal(("Nexus-Operation-Token", "t"), ("traceparent", "x"), method=method, target=target)
        assert error.message.startswith("Traceparent: ")


@pytest.mark.parametrize(
    "header",
    [
        ("traceparent", f"{SEED}-03"),
        ("traceparent", f"cc{SEED[2:]}-01-and-more"),
        ("traceparent", f"01{SEED[2:]}-ff"),
        ("tracestate", ""),
        ("tracestate", "rojo=00f067aa0ba902b7, ,1a@congo=t61 x!,"),
        ("baggage", ""),
        ("baggage", 'userId=alice; p1 = v ;p2,k = "quoted\\" , empty='),
    ],
)
def test_well_formed_trace_headers_are_passed_on_as_they_are(header: tuple[str, str]) -> None:
    assert dict([header]) == start(header).headers


@pytest.mark.parametrize(
    ("limits", "target", "headers"),
    [
        (Limits(name_bytes=2), "/s/abc", ()),
        (Limits(name_bytes=2), "/%C3%BC%C3%BC/o", ()),
        (Limits(links=1), "/s/o", (("Nexus-Link", "<a>;type=a,<b>;type=b"),)),
        (Limits(request_id_bytes=2), "/s/o", (("Nexus-Request-Id", "abc"),)),
        (Limits(callback_bytes=2), "/s/o", (("Nexus-Callback-A", "bc"),)),
        (Limits(token_bytes=2), "/s/o/cancel?token=abc", ()),
    ],
)
def test_limits_can_be_set(limits: Limits, target: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert HandlerErrorType.BAD_REQUEST is refusal(*headers, target=target, limits=limits).error_type


def test_a_link_of_a_request_is_read() -> None:
    assert (Link(url="a:b", type="t"),) == start(("nexus-link", "<a:b>; type=t")).links


@pytest.mark.parametrize(
    "request_",
    [
        StartOperation(service="", operation="o"),
        StartOperation(service="s", operation="a\nb"),
        StartOperation(service="s", operation="\ud800"),
        StartOperation(service="s" * 1001, operation="o"),
        StartOperation(service="s", operation="o", request_id=""),
        StartOperation(service="s", operation="o", request_id="a\r\nb: c"),
        StartOperation(service="s", operation="o", request_timeout=timedelta(0)),
        StartOperation(service="s", operation="o", operation_timeout=timedelta(seconds=-1)),
        StartOperation(service="s", operation="o", prefer_wait=timedelta(milliseconds=1)),
        StartOperation(service="s", operation="o", prefer_wait=timedelta(seconds=-1)),
        StartOperation(service="s", operation="o", callback_headers={"a b": "c"}),
        StartOperation(service="s", operation="o", callback_headers={"a": "c\x00"}),
        StartOperation(service="s", operation="o", content_headers={"x-custom": "c"}),
        StartOperation(service="s", operation="o", links=(Link(url="a b", type="t"),)),
        StartOperation(service="s", operation="o", headers={"content-type": "a/b"}),
        StartOperation(service="s", operation="o", headers={"Nexus-Callback-X": "y"}),
        StartOperation(service="s", operation="o", headers={"Nexus-Link": "<a>; type=b"}),
        StartOperation(service="s", operation="o", headers={"host": "elsewhere"}),
        StartOperation(service="s", operation="o", headers={"x": " padded"}),
        StartOperation(service="s", operation="o", headers={"x": "\ud800"}),
        CancelOperation(service="s", operation="o", token=""),
        CancelOperation(service="s", operation="o", token="a\nb"),
    ],
)
def test_what_could_not_be_read_is_not_sent(request_: NexusRequest) -> None:
    with pytest.raises(LocalProtocolError):
        encode_request(request_)


def test_a_client_may_send_credentials_and_its_fields_win_over_its_headers() -> None:
    request = StartOperation(
        service="s",
        operation="o",
        request_timeout=timedelta(seconds=1),
        headers={"Authorization": "Bearer x", "Request-Timeout": "9s"},
    )
    headers = Headers(encode_request(request).headers)
    assert ("Bearer x", ("1s",)) == (headers["authorization"], headers.get_all("Request-Timeout"))


def test_no_secret_is_in_a_requests_repr() -> None:
    request = start(("Nexus-Callback-Token", SECRET), ("X-Key", SECRET), query=f"?callback=http://a.test/{SECRET}")
    assert SECRET not in repr(request)
    assert SECRET not in repr(CancelOperation(service="s", operation="o", token=SECRET))
    assert SECRET not in repr(encode_request(request))
