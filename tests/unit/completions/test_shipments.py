"""Completions that have to wait, sealed so that whoever keeps them cannot read them."""

import os

import pytest

from gateway.completions import Envelopes, Shipment
from gateway.tokens import InvalidToken, TokenKey
from tests.unit.completions.senders import ADDRESS, TENANT

K1, K2 = TokenKey(id="k1", secret=bytes(32)), TokenKey(id="k2", secret=bytes(range(32)))


def a_shipment(body: bytes = b'{"x":1}') -> Shipment:
    return Shipment(
        id="ngd_1",
        tenant=TENANT,
        address=ADDRESS,
        url="https://hooks.test/secret-path?key=secret-query",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        headers=(("Nexus-Link", "<a>"), ("Nexus-Link", "<b>"), ("token", "secret-token"), ("x-ü", "ü")),
        body=body,
        hops=1,
    )


@pytest.mark.parametrize("body", [b"", b'{"x":1}', bytes(range(256)), os.urandom(2 << 20)], ids=len)
def test_what_was_sealed_is_opened_to_the_byte(body: bytes) -> None:
    shipment = a_shipment(body)
    assert shipment == Envelopes([K1]).open("ngd_1", Envelopes([K1]).seal(shipment))


def test_nothing_of_it_can_be_read() -> None:
    sealed = Envelopes([K1]).seal(a_shipment())
    assert b"secret" not in sealed
    assert sealed != Envelopes([K1]).seal(a_shipment())
    assert "secret-token" not in repr(a_shipment())


def test_it_is_opened_after_a_rotation_and_not_once_the_key_is_gone() -> None:
    sealed = Envelopes([K1]).seal(a_shipment())
    assert a_shipment() == Envelopes([K2, K1]).open("ngd_1", sealed)
    with pytest.raises(InvalidToken):
        Envelopes([K2]).open("ngd_1", sealed)


@pytest.mark.parametrize("change", [0, 3, 10, 40, -1])
def test_an_altered_one_is_not_opened(change: int) -> None:
    sealed = bytearray(Envelopes([K1]).seal(a_shipment()))
    sealed[change] ^= 1
    with pytest.raises(InvalidToken):
        Envelopes([K1]).open("ngd_1", bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"k1", b"k1.", b"k1.short", b"."])
def test_what_is_no_envelope_is_not_opened(sealed: bytes) -> None:
    with pytest.raises(InvalidToken):
        Envelopes([K1]).open("ngd_1", sealed)


def test_it_is_bound_to_its_id() -> None:
    with pytest.raises(InvalidToken):
        Envelopes([K1]).open("ngd_2", Envelopes([K1]).seal(a_shipment()))
