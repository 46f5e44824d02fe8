"""Destinations kept apart: room, breaker, and the way back."""

from gateway.completions import Lanes

A, B = "https://a.test", "https://b.test"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def failing(lanes: Lanes, origin: str, times: int) -> None:
    for _ in range(times):
        assert lanes.enter(origin) is None
        lanes.leave(origin, failed=True)


def test_a_lane_has_room_for_so_many_and_the_next_is_as_empty_as_before() -> None:
    lanes = Lanes(room=2)
    assert [None, None] == [lanes.enter(A), lanes.enter(A)]
    assert lanes.enter(A)
    assert lanes.enter(B) is None
    lanes.leave(A, failed=False)
    assert lanes.enter(A) is None


def test_a_lane_closes_after_failures_in_a_row_and_says_for_how_long() -> None:
    clock = Clock()
    lanes = Lanes(patience=3, cooldown=5.0, clock=clock)
    failing(lanes, A, 2)
    assert lanes.enter(A) is None
    lanes.leave(A, failed=False)
    failing(lanes, A, 3)
    clock.now = 2.0
    assert 3.0 == lanes.enter(A)
    assert lanes.enter(B) is None


def test_one_attempt_shows_whether_a_closed_lane_can_be_opened() -> None:
    """While it is under way nobody else may; when it fails the lane closes for twice as long, up to a limit."""
    clock = Clock()
    lanes = Lanes(patience=1, cooldown=5.0, longest=12.0, clock=clock)
    failing(lanes, A, 1)
    clock.now += 5.0
    for waiting in (10.0, 12.0, 12.0):
        assert lanes.enter(A) is None
        assert lanes.enter(A)
        lanes.leave(A, failed=True)
        assert waiting == lanes.enter(A)
        clock.now += waiting
    assert lanes.enter(A) is None
    lanes.leave(A, failed=False)
    assert [None, None] == [lanes.enter(A), lanes.enter(A)]


def test_attempts_that_were_under_way_when_a_lane_closed_do_not_close_it_for_longer() -> None:
    clock = Clock()
    lanes = Lanes(patience=2, cooldown=5.0, clock=clock)
    assert [None] * 4 == [lanes.enter(A) for _ in range(4)]
    for _ in range(4):
        lanes.leave(A, failed=True)
    assert 5.0 == lanes.enter(A)


def test_lanes_that_nobody_uses_are_forgotten() -> None:
    lanes = Lanes()
    assert lanes.enter(A) is None
    for number in range(10_000):
        assert lanes.enter(f"https://{number}.test") is None
        lanes.leave(f"https://{number}.test", failed=False)
    assert 5000 > len(lanes._lanes)
    lanes.leave(A, failed=False)
