"""When calls to a neighbor are spared."""

from contextlib import suppress

import pytest

from projector.circuit_breaker import CircuitBreaker
from projector.errors import CustomersAway


class _Neighbor:
    """Is called, fails or not, at a time that is told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls = 0
        self.breaker = CircuitBreaker("it", CustomersAway, failures=3, pause_seconds=10, clock=lambda: self.now)

    def called(self, *, fails: bool, error: type[BaseException] = CustomersAway) -> bool:
        """Whether the call was let through."""
        before = self.calls
        with suppress(CustomersAway, error), self.breaker.call():
            self._answer(error if fails else None)
        return self.calls > before

    def _answer(self, error: type[BaseException] | None) -> None:
        self.calls += 1
        if error is not None:
            raise error


def test_calls_go_through_until_several_in_a_row_have_failed() -> None:
    it = _Neighbor()
    assert [it.called(fails=True) for _ in range(5)] == [True, True, True, False, False]
    with pytest.raises(CustomersAway):
        it.breaker.check()


def test_failures_that_are_not_in_a_row_spare_nothing() -> None:
    it = _Neighbor()
    assert [it.called(fails=each) for each in [True, True, False] * 3] == [True] * 9


def test_after_a_pause_one_call_goes_through_and_its_success_lets_all_through() -> None:
    it = _Neighbor()
    for _ in range(3):
        it.called(fails=True)
    it.now += 9.9
    assert not it.called(fails=False)
    it.now += 0.2
    it.breaker.check()
    assert [it.called(fails=False) for _ in range(3)] == [True, True, True]


def test_after_a_pause_the_failure_of_one_call_begins_another_pause() -> None:
    it = _Neighbor()
    for _ in range(3):
        it.called(fails=True)
    it.now += 11
    assert [it.called(fails=True), it.called(fails=False)] == [True, False]
    it.now += 11
    assert it.called(fails=False)


def test_while_that_one_call_is_on_its_way_others_do_not_go_through() -> None:
    it = _Neighbor()
    for _ in range(3):
        it.called(fails=True)
    it.now += 11
    with it.breaker.call():
        assert not it.called(fails=False)


def test_a_call_that_is_cancelled_says_nothing_and_another_follows() -> None:
    it = _Neighbor()
    for _ in range(3):
        it.called(fails=True)
    it.now += 11
    assert it.called(fails=True, error=KeyboardInterrupt)
    assert not it.called(fails=False)
    it.now += 11
    assert it.called(fails=False)
