"""How far a projection has come, told while its generations change."""

from datetime import timedelta
from typing import Any

import pytest

from projector.errors import ReadModelAway, ReadModelUnavailable
from projector.freshness import Reading
from projector.generations import Generation
from projector.heartbeat import Heartbeat
from projector.lag import Lag
from projector.progress import Progress

_OLD, _NEW = (Generation(f"test-orders-00000{number}", "writers", "hash", live=number == 2) for number in (1, 2))
_NO_LAG = Lag(0, timedelta(0), {})


class _World:
    """Two generations in Elasticsearch and Kafka, of which the old one cannot be read."""

    mapping_hash = "hash"

    def __init__(self, *, removed: bool) -> None:
        self._all = [_OLD, _NEW]
        self._removed = removed

    async def all(self) -> list[Generation]:
        return list(self._all)

    async def count(self, generation: Generation) -> int:
        if generation is _OLD:
            if self._removed:
                self._all = [_NEW]
            raise ReadModelAway("index_not_found_exception")
        return 7

    async def lag(self, _: Generation) -> Lag:
        return _NO_LAG

    async def read(self) -> Reading:
        return Reading(_NO_LAG, 0, 0)


def _progress(world: Any) -> Progress:
    return Progress("orders", world, world, world, Heartbeat())


async def test_a_generation_that_is_removed_meanwhile_is_left_out() -> None:
    status = await _progress(_World(removed=True)).status()
    assert [each.generation for each in status.generations] == [2]
    assert status.document_count == 7


async def test_one_that_cannot_be_read_is_an_outage() -> None:
    with pytest.raises(ReadModelUnavailable):
        await _progress(_World(removed=False)).status()
