"""The cache of views on a real Redis: an entry never goes back, and what is no entry gives way."""

import asyncio
import random
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service_kit.view_cache import ABSENT, CachedView, Lease, ViewCache
from tests.support.eventually import eventually
from tests.support.servers import REDIS_URL

TIME_TO_LIVE = timedelta(seconds=60)
ENTRY = CachedView(
    generation=2, version=5, source_version=3, view=b"\x00\xff view", project_time_us=1_775_000_000_123_456
)


class Cache(ViewCache):
    """A cache whose keys are the test's own."""

    def __init__(self, redis: "Redis") -> None:
        self.prefix = f"test-{uuid.uuid4().hex}:"
        super().__init__(redis, prefix=self.prefix, time_to_live=TIME_TO_LIVE)


@pytest.fixture
async def redis() -> AsyncIterator["Redis"]:
    client = Redis.from_url(REDIS_URL)
    yield client
    await client.aclose()


@pytest.fixture
async def cache(redis: "Redis") -> AsyncIterator[Cache]:
    cache = Cache(redis)
    yield cache
    keys = [key async for key in redis.scan_iter(f"{cache.prefix}*")]
    if keys:
        await redis.delete(*keys)


async def test_a_view_comes_back_as_it_was_put(cache: Cache) -> None:
    assert await cache.get("o-1") is None
    assert await cache.put("o-1", ENTRY)
    assert await cache.get("o-1") == ENTRY
    assert await cache.get("o-2") is None


async def test_an_empty_view_is_a_view(cache: Cache) -> None:
    await cache.put("o-1", replace(ENTRY, view=b""))
    assert await cache.get("o-1") == replace(ENTRY, view=b"")


@pytest.mark.parametrize(
    ("changes", "put"),
    [
        ({}, True),
        ({"version": 6}, True),
        ({"source_version": 4}, True),
        ({"version": 6, "source_version": 4}, True),
        ({"version": 4}, False),
        ({"source_version": 2}, False),
        ({"version": 6, "source_version": 2}, False),
        ({"version": 4, "source_version": 4}, False),
        ({"generation": 3}, True),
        ({"generation": 1}, False),
        ({"generation": 3, "version": 4}, False),
        ({"generation": 3, "source_version": 2}, False),
        ({"generation": 1, "version": 6}, True),
        ({"generation": 1, "source_version": 4}, True),
        ({"generation": 1, "version": 6, "source_version": 2}, False),
        ({"version": 10, "source_version": 10}, True),
    ],
)
async def test_an_entry_gives_way_only_to_one_that_is_not_older(
    cache: Cache, changes: dict[str, int], *, put: bool
) -> None:
    other = replace(ENTRY, view=b"other", **cast("Any", changes))
    await cache.put("o-1", ENTRY)
    assert await cache.put("o-1", other) is put
    assert await cache.get("o-1") == (other if put else ENTRY)


async def test_many_views_are_put_at_once_by_the_same_rule(cache: Cache) -> None:
    await cache.put("newer", replace(ENTRY, version=9))
    await cache.put_all({"newer": ENTRY, "older": ENTRY, "none": ENTRY})
    await cache.put_all({"older": replace(ENTRY, version=6)})
    await cache.put_all({})
    found = {each: await cache.get(each) for each in ("newer", "older", "none")}
    assert found == {"newer": replace(ENTRY, version=9), "older": replace(ENTRY, version=6), "none": ENTRY}


async def test_the_script_is_loaded_again_by_a_server_that_has_forgotten_it(cache: Cache, redis: "Redis") -> None:
    await cache.put("o-1", ENTRY)
    await redis.script_flush()
    assert await cache.put("o-1", replace(ENTRY, version=6))
    await redis.script_flush()
    await cache.put_all({"o-1": replace(ENTRY, version=7)})
    assert await cache.get("o-1") == replace(ENTRY, version=7)


async def test_entries_of_one_moment_do_not_expire_together_and_a_put_begins_the_time_anew(
    cache: Cache, redis: "Redis"
) -> None:
    await cache.put_all({str(number): ENTRY for number in range(50)})
    lives = {await redis.pttl(f"{cache.prefix}{number}") for number in range(50)}
    assert len(lives) > 10
    assert min(lives) > 53_000
    assert max(lives) <= 66_000
    await redis.pexpire(f"{cache.prefix}0", 1000)
    await cache.put("0", ENTRY)
    assert await redis.pttl(f"{cache.prefix}0") > 53_000


async def test_a_refused_put_prolongs_nothing(cache: Cache, redis: "Redis") -> None:
    await cache.put("o-1", ENTRY)
    await redis.pexpire(f"{cache.prefix}o-1", 1000)
    assert not await cache.put("o-1", replace(ENTRY, version=1))
    assert await redis.pttl(f"{cache.prefix}o-1") <= 1000


WHOLE = {"generation": "9", "version": "9", "source_version": "9", "view": "view", "project_time_us": "1"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"something": "else"},
        *[{name: value for name, value in WHOLE.items() if name != missing} for missing in WHOLE],
        *[{**WHOLE, name: "nine"} for name in WHOLE if name != "view"],
        *[{**WHOLE, name: ""} for name in WHOLE if name != "view"],
        {**WHOLE, "generation": "0x9"},
        {**WHOLE, "version": "9.5"},
        {**WHOLE, "version": "1e3"},
        {**WHOLE, "generation": "nan"},
        {**WHOLE, "generation": "inf"},
    ],
    ids=str,
)
async def test_a_hash_that_is_no_entry_is_not_read_and_gives_way(
    cache: Cache, redis: "Redis", fields: dict[str, str]
) -> None:
    key = f"{cache.prefix}o-1"
    if fields:
        await cast("Any", redis.hset(key, mapping=cast("Any", fields)))
    assert await cache.get("o-1") is None
    assert await cache.put("o-1", ENTRY)
    assert await cache.get("o-1") == ENTRY
    assert await redis.pttl(key) > 0


async def test_a_value_of_another_type_gives_way(cache: Cache, redis: "Redis") -> None:
    await redis.set(f"{cache.prefix}o-1", "a string")
    assert await cache.put("o-1", ENTRY)
    assert await cache.get("o-1") == ENTRY
    await cast("Any", redis.rpush(f"{cache.prefix}o-2", "a list"))
    await cache.put_all({"o-2": ENTRY})
    assert await cache.get("o-2") == ENTRY


async def test_writers_in_any_order_leave_the_newest_and_readers_never_see_it_go_back(cache: Cache) -> None:
    versions = [*range(1, 201)]
    random.Random(5).shuffle(versions)  # noqa: S311
    seen: list[int] = []
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            entry = await cache.get("o-1")
            seen.append(entry.version if entry else 0)

    async def write(some: list[int]) -> None:
        for each in some:
            await cache.put("o-1", replace(ENTRY, version=each))

    reading = asyncio.create_task(read())
    await asyncio.gather(*[write(versions[start::8]) for start in range(8)])
    done.set()
    await reading
    assert (await cache.get("o-1")) == replace(ENTRY, version=200)
    assert seen == sorted(seen)


def test_a_cache_that_is_away_is_an_error_of_redis() -> None:
    async def ask() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            client = Redis.from_url(f"redis://127.0.0.1:{nobody.getsockname()[1]}")
            cache = Cache(client)
            for call in (cache.get("o-1"), cache.put("o-1", ENTRY), cache.put_all({"o-1": ENTRY})):
                with pytest.raises(RedisError):
                    await cast("Any", call)
            await client.aclose()

    asyncio.run(ask())


_ENTRIES = st.builds(
    CachedView,
    generation=st.integers(0, 3),
    version=st.integers(1, 4),
    source_version=st.integers(0, 3),
    view=st.binary(max_size=4),
    project_time_us=st.integers(0, 2**53),
)


@settings(deadline=None)  # how long Redis takes is not what is tested
@given(st.lists(_ENTRIES, max_size=12))
def test_whatever_is_put_no_version_goes_back_and_of_the_same_versions_no_generation(entries: list[CachedView]) -> None:
    async def put_all() -> None:
        async with Redis.from_url(REDIS_URL) as client:
            cache = Cache(client)
            held: CachedView | None = None
            for entry in entries:
                await cache.put("o-1", entry)
                now = await cache.get("o-1")
                assert now is not None
                if held is not None:
                    assert now.version >= held.version
                    assert now.source_version >= held.source_version
                    if (now.version, now.source_version) == (held.version, held.source_version):
                        assert now.generation >= held.generation
                held = now
            await client.delete(f"{cache.prefix}o-1")

    asyncio.run(put_all())


async def test_one_asker_at_a_time_may_read_what_is_not_cached(cache: Cache) -> None:
    assert [await cache.lease("o-1", TIME_TO_LIVE) for _ in range(3)] == [Lease.OURS, Lease.ANOTHERS, Lease.ANOTHERS]
    assert await cache.lease("o-2", TIME_TO_LIVE) == Lease.OURS
    assert await cache.look_up("o-1") is None


async def test_what_is_put_ends_the_lease_and_stays_what_it_is_when_leased_again(redis: "Redis", cache: Cache) -> None:
    await cache.lease("o-1", timedelta(seconds=1))
    await cache.lease("o-2", timedelta(seconds=1))
    await cache.put("o-1", ENTRY)
    await cache.put_absent("o-2", TIME_TO_LIVE)
    for view_id in ("o-1", "o-2"):
        assert await cache.lease(view_id, timedelta(seconds=1)) == Lease.NOBODYS
        assert await redis.pttl(f"{cache.prefix}{view_id}") > 5000
    assert (await cache.look_up("o-1"), await cache.look_up("o-2")) == (ENTRY, ABSENT)


async def test_a_lease_given_back_is_free_at_once_and_what_is_put_stays(redis: "Redis", cache: Cache) -> None:
    await cache.lease("o-1", TIME_TO_LIVE)
    await cache.release("o-1")
    assert not await redis.exists(f"{cache.prefix}o-1")
    assert await cache.lease("o-1", TIME_TO_LIVE) == Lease.OURS
    await cache.put("o-1", ENTRY)
    await cache.put_absent("o-2", TIME_TO_LIVE)
    for view_id in ("o-1", "o-2", "o-3"):
        await cache.release(view_id)
    assert [await cache.look_up(view_id) for view_id in ("o-1", "o-2", "o-3")] == [ENTRY, ABSENT, None]


async def test_a_lease_that_nobody_ends_ends_by_itself(redis: "Redis", cache: Cache) -> None:
    await cache.lease("o-1", timedelta(milliseconds=1))

    async def is_ours() -> bool:
        return await cache.lease("o-1", TIME_TO_LIVE) == Lease.OURS

    await eventually(is_ours)
    assert await redis.pttl(f"{cache.prefix}o-1") > 5000


async def test_what_is_absent_gives_way_to_a_view_and_never_replaces_one(redis: "Redis", cache: Cache) -> None:
    await cache.put_absent("o-1", TIME_TO_LIVE)
    assert await cache.look_up("o-1") is ABSENT
    assert await cache.get("o-1") is None
    assert 0 < await redis.pttl(f"{cache.prefix}o-1") <= 60_000
    assert await cache.put("o-1", ENTRY)
    await cache.put_absent("o-1", TIME_TO_LIVE)
    assert await cache.look_up("o-1") == ENTRY


async def test_a_key_of_another_type_may_be_read_around_and_is_replaced(redis: "Redis", cache: Cache) -> None:
    await redis.set(f"{cache.prefix}o-1", "a string", ex=60)
    assert await cache.lease("o-1", TIME_TO_LIVE) == Lease.NOBODYS
    await cache.put_absent("o-1", TIME_TO_LIVE)
    assert await cache.look_up("o-1") is ABSENT
