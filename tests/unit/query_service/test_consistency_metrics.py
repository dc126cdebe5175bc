"""A wait for what a query must see is measured; a query that sees it at once is not."""

from collections.abc import Iterator

import pytest

from query_service import consistency
from query_service.deadline import Deadline
from query_service.errors import EventualConsistencyTimeout
from tests.support.measured import Measured, measured

WAIT = "orderflow.consistency.wait"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    with measured(monkeypatch) as found:
        monkeypatch.setattr(consistency, "_waits", found.provider.get_meter("test").create_histogram(WAIT, unit="s"))
        yield found


async def wait(misses: int, *, longest_seconds: float) -> None:
    async def attempt() -> bool:
        nonlocal misses
        misses -= 1
        if misses >= 0:
            raise EventualConsistencyTimeout("order/1", wanted=2, seen=1)
        return True

    await consistency.wait_until_visible(attempt, longest_seconds, Deadline(None))


async def test_what_is_seen_at_once_is_not_measured(found: Measured) -> None:
    await wait(0, longest_seconds=5)
    assert found.metric(WAIT) is None


async def test_a_wait_that_ends_well_is_measured(found: Measured) -> None:
    await wait(1, longest_seconds=20)
    ((labels, point),) = found.histograms(WAIT)
    assert labels == {"orderflow.consistency.outcome": "seen"}
    assert (point.count, point.sum > 0) == (1, True)


async def test_a_wait_in_vain_is_measured(found: Measured) -> None:
    with pytest.raises(EventualConsistencyTimeout):
        await wait(1000, longest_seconds=0.2)
    ((labels, point),) = found.histograms(WAIT)
    assert labels == {"orderflow.consistency.outcome": "not_seen"}
    assert point.count == 1
