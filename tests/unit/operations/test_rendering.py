"""Operations as JSON."""

import json
from datetime import UTC, datetime

from gateway.engines import OperationEvent
from gateway.operations import json_text
from gateway.operations._events import encode_event


def test_numbers_that_json_does_not_have_are_null() -> None:
    """Wherever a workflow has put them; everything else stays as it is."""
    value = {"a": float("nan"), "b": [1.5, float("inf"), {"c": (-float("inf"), "NaN")}], "d": None}
    assert {"a": None, "b": [1.5, None, {"c": [None, "NaN"]}], "d": None} == json.loads(json_text(value))


def test_an_event_is_strict_json_in_one_line() -> None:
    event = OperationEvent(
        id="1.1", type="progress", time=datetime(2026, 1, 31, tzinfo=UTC), data={"progress": {"at": float("nan")}}
    )
    encoded = encode_event(event).decode()
    assert 'data: {"time":"2026-01-31T00:00:00.000Z","progress":{"at":null}}' == encoded.splitlines()[2]
