"""The challenge of a 401 is a well-formed header, whoever wrote the message."""

import pytest
from nexusrpc import HandlerError, HandlerErrorType

from gateway.protocol import FailureForm, HandlerFailed, Headers
from gateway.telemetry import OTHER, Telemetry
from gateway.web._edge import _answer


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("the token has expired; get a new one", "the token has expired; get a new one"),
        ('say "please"\\', "say ?please??"),
        ("one\r\nX-Injected: two", "one??X-Injected: two"),
        ("größer €", "gr??er ?"),
    ],
)
def test_a_challenge_holds_only_what_it_may(message: str, shown: str) -> None:
    """A handler may refuse its caller too, and its words may hold anything (RFC 6750, section 3)."""
    error = HandlerError(message, type=HandlerErrorType.UNAUTHENTICATED)
    with Telemetry.from_environment("test", {}).request_span(OTHER, Headers([])) as span:
        response = _answer(HandlerFailed(error), FailureForm.CURRENT, span)
    assert f'Bearer error="invalid_token", error_description="{shown}"' == response.headers["WWW-Authenticate"]
