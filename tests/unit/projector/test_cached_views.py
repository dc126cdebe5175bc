"""Views that Redis could not take."""

from collections.abc import Mapping

from redis.exceptions import ConnectionError as RedisAway

from orderflow.orders.v1 import views_pb2
from projector.bulk import State
from projector.cached_views import CachedViews
from projector.documents import Document
from read_models.orders import ORDERS
from service_kit.view_cache import CachedView, ViewCache


class CacheInMemory(ViewCache):
    """May be away."""

    def __init__(self) -> None:
        self.away = False
        self.calls = 0
        self.versions: dict[str, int] = {}

    async def put_all(self, entries: Mapping[str, CachedView]) -> None:
        """Counts the call."""
        self.calls += 1
        if self.away:
            raise RedisAway
        self.versions.update({id_: entry.version for id_, entry in entries.items()})


async def _live() -> bool:
    return True


def _documents(*ids: str, version: int = 1) -> dict[str, Document[views_pb2.OrderView]]:
    return {id_: Document(views_pb2.OrderView(order_id=id_, version=version), 0, State(0, 1)) for id_ in ids}


async def test_while_the_cache_is_away_it_is_not_asked_by_every_batch() -> None:
    cache = CacheInMemory()
    views = CachedViews(ORDERS, cache, generation=1, live=_live)
    cache.away = True
    for version in (1, 2, 3):
        await views.put(_documents("a", version=version))
    assert cache.calls == 1


async def test_what_is_owed_is_the_newest_state_of_each_view() -> None:
    cache = CacheInMemory()
    views = CachedViews(ORDERS, cache, generation=1, live=_live)
    cache.away = True
    await views.put(_documents("a", "b"))
    await views.put(_documents("a", version=2))
    cache.away = False
    await views.pay()
    assert cache.versions == {"a": 2, "b": 1}


async def test_no_more_is_owed_than_is_agreed_and_the_newest_stay() -> None:
    cache = CacheInMemory()
    views = CachedViews(ORDERS, cache, generation=1, live=_live, most_owed=2)
    cache.away = True
    await views.put(_documents("a", "b", "c"))
    cache.away = False
    await views.pay()
    assert cache.versions == {"b": 1, "c": 1}


async def test_no_view_of_a_generation_that_readers_do_not_see_is_put() -> None:
    live = False

    async def is_live() -> bool:
        return live

    cache = CacheInMemory()
    views = CachedViews(ORDERS, cache, generation=2, live=is_live)
    await views.put(_documents("a"))
    assert cache.calls == 0
    live = True
    await views.put(_documents("a", version=2))
    assert cache.versions == {"a": 2}


async def test_what_was_read_longer_ago_does_not_replace_what_is_owed() -> None:
    cache = CacheInMemory()
    views = CachedViews(ORDERS, cache, generation=1, live=_live)
    cache.away = True
    await views.put(_documents("a", version=2))
    await views.put(_documents("a", version=1))
    cache.away = False
    await views.pay()
    assert cache.versions == {"a": 2}


async def test_a_call_has_as_many_views_as_the_cache_takes_in_time() -> None:
    cache = CacheInMemory()
    views = CachedViews(ORDERS, cache, generation=1, live=_live)
    large = {id_: views_pb2.OrderView(order_id=id_, version=1, address_full="x" * 600_000) for id_ in "abc"}
    await views.put({id_: Document(view, 0, State(0, 1)) for id_, view in large.items()})
    assert (cache.calls, cache.versions) == (3, {"a": 1, "b": 1, "c": 1})
