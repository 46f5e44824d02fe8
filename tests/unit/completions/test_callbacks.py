"""What a start registers, and what is believed of it afterwards."""

from datetime import timedelta

import pytest
from nexusrpc import HandlerError, HandlerErrorType

from gateway.completions import Callback, Callbacks
from gateway.model import OperationAddress, Tenant
from gateway.protocol import Headers as ProtocolHeaders
from gateway.protocol import StartOperation, decode_request
from gateway.telemetry import Telemetry
from gateway.tokens import InvalidToken, TokenKey, TokenSealer
from tests.unit.completions.senders import ADDRESS, TENANT, policy
from tests.unit.completions.test_callback_headers import REFUSED

URL = "https://hooks.test/done?key=secret"
SEAL = "nexus-gateway-callback"
K1, K2 = TokenKey(id="k1", secret=bytes(32)), TokenKey(id="k2", secret=bytes(range(32)))


def some_callbacks(*keys: TokenKey, now: float = 1000.0) -> Callbacks:
    return Callbacks(
        TokenSealer(keys or (K1,)),
        policy("https://hooks.test"),
        "https://gateway.test/",
        Telemetry.from_environment("test", {}),
        lifetime=timedelta(hours=1),
        clock=lambda: now,
    )


def a_start(url: str | None = URL, **headers: str) -> StartOperation:
    query = "" if url is None else f"?callback={url.replace('?', '%3F').replace('&', '%26')}"
    received = ProtocolHeaders([(f"Nexus-Callback-{name.replace('_', '-')}", value) for name, value in headers.items()])
    request = decode_request("POST", f"/orders.v1/process{query}", received)
    assert isinstance(request, StartOperation)
    return request


def registered(callbacks: Callbacks, request: StartOperation, request_id: str = "r1") -> Callback:
    callback = callbacks.register(TENANT, ADDRESS, request, request_id)
    assert callback is not None
    return callback


def test_the_engine_learns_the_gateways_address_and_a_seal() -> None:
    callback = registered(some_callbacks(), a_start(token="t"))
    assert "https://gateway.test/nexus/callback" == callback.url
    assert [SEAL] == list(callback.headers)
    assert "hooks.test" not in callback.headers[SEAL]


def test_what_was_sealed_is_opened() -> None:
    callbacks = some_callbacks()
    callback = registered(callbacks, a_start(token="t", x_note="ü"))
    delivery = callbacks.open(callback.headers[SEAL])
    assert (TENANT, ADDRESS, URL) == (delivery.tenant, delivery.address, delivery.url)
    assert {"token": "t", "x-note": "ü"} == delivery.headers
    assert callback.headers == delivery.registered
    assert "k1" == delivery.key_id


def test_the_same_start_has_one_delivery_and_another_has_another() -> None:
    """Also when it was sealed at another time."""
    callbacks, later = some_callbacks(), some_callbacks(now=2000.0)
    first = callbacks.open(registered(callbacks, a_start()).headers[SEAL])
    again = later.open(registered(later, a_start()).headers[SEAL])
    other = callbacks.open(registered(callbacks, a_start(), "r2").headers[SEAL])
    assert first.id == again.id
    assert first.id != other.id


def test_the_id_of_a_delivery_stays_through_a_rotation_and_takes_the_key_to_work_out() -> None:
    seal = registered(some_callbacks(K1), a_start()).headers[SEAL]
    known = some_callbacks(K1).open(seal).id
    assert known == some_callbacks(K2, K1).open(seal).id
    same_name = some_callbacks(TokenKey(id="k1", secret=b"k" * 32))
    assert known != same_name.open(registered(same_name, a_start()).headers[SEAL]).id
    assert len("ngd_") + 32 == len(known)


def test_a_seal_outlives_a_rotation_and_says_which_key_it_was() -> None:
    seal = registered(some_callbacks(K1), a_start()).headers[SEAL]
    assert "k1" == some_callbacks(K2, K1).open(seal).key_id
    with pytest.raises(InvalidToken):
        some_callbacks(K2).open(seal)


def test_a_seal_expires() -> None:
    seal = registered(some_callbacks(), a_start()).headers[SEAL]
    assert TENANT == some_callbacks(now=1000.0 + 3600).open(seal).tenant
    with pytest.raises(InvalidToken):
        some_callbacks(now=1000.0 + 3601).open(seal)


def test_an_altered_seal_is_none() -> None:
    callbacks = some_callbacks()
    seal = registered(callbacks, a_start()).headers[SEAL]
    for altered in (
        seal[:-1] + ("A" if seal[-1] != "A" else "B"),
        seal + "A",
        seal[:-4],
        "",
        "ng1.k1.AAAA",
        seal.upper(),
    ):
        with pytest.raises(InvalidToken):
            callbacks.open(altered)


def test_an_operation_token_is_no_seal() -> None:
    with pytest.raises(InvalidToken):
        some_callbacks().open(TokenSealer([K1]).seal_operation(TENANT, ADDRESS, "token"))


def test_without_a_callback_nothing_is_registered() -> None:
    assert some_callbacks().register(TENANT, ADDRESS, a_start(None), "r1") is None


def test_a_destination_that_is_not_allowed_is_400_and_does_not_repeat_the_url() -> None:
    with pytest.raises(HandlerError, match=r"callbacks\.allow") as refused:
        some_callbacks().register(TENANT, ADDRESS, a_start("https://evil.test/secret"), "r1")
    assert HandlerErrorType.BAD_REQUEST is refused.value.type
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("name", [name for name in REFUSED if name.replace("_", "-") == name])
def test_a_header_that_is_not_for_a_caller_is_400_and_named(name: str) -> None:
    """Some by the protocol, which lets nobody set them, and all others by policy; with a callback and without."""
    for url in (URL, None):
        with pytest.raises(Exception, match=f"(?i)nexus-callback-{name}"):
            some_callbacks().register(TENANT, ADDRESS, a_start(url, **{name: "x"}), "r1")


def test_too_many_headers_are_400() -> None:
    headers = {f"x-{number}": "1" for number in range(33)}
    with pytest.raises(HandlerError, match="33 headers; at most 32") as refused:
        some_callbacks().register(TENANT, ADDRESS, a_start(**headers), "r1")
    assert HandlerErrorType.BAD_REQUEST is refused.value.type


def test_what_does_not_fit_into_a_seal_is_400() -> None:
    """Names of a thousand bytes each, and the longest URL and headers there may be."""
    tenant, address = Tenant("i" * 500, "ü" * 500), OperationAddress("e" * 200, "ü" * 500, "ü" * 500)
    request = a_start("https://hooks.test/" + "a" * 1000, **{"x-a": "ü" * 1500})
    with pytest.raises(HandlerError, match="too long together") as refused:
        some_callbacks().register(tenant, address, request, "r" * 36)
    assert HandlerErrorType.BAD_REQUEST is refused.value.type


def test_the_longest_callback_fits() -> None:
    request = a_start("https://hooks.test/" + "a" * 3000, **{"x-a": '"\\' * 500})
    callback = registered(some_callbacks(), request)
    assert 8192 > sum(len(name) + len(value) for name, value in callback.headers.items())
