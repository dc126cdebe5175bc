"""Views in Redis, guarded so that an entry never goes back in version."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from importlib.resources import files
from itertools import islice
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

_SCRIPTS = files("service_kit")
_PUT_IF_NEWER = _SCRIPTS.joinpath("view_put_if_newer.lua").read_text()
_PUT_ABSENT = _SCRIPTS.joinpath("view_put_absent.lua").read_text()
_LEASE = _SCRIPTS.joinpath("view_lease.lua").read_text()
_DISCARD_IF_SAME = _SCRIPTS.joinpath("view_discard_if_same.lua").read_text()
_FIELDS = ("generation", "version", "source_version", "project_time_us", "view", "absent")
_JITTER = 0.1
_PUT_AT_ONCE = 50
"""Views that one call of the script puts: a call costs this side as much as several views, and others wait for it."""


@dataclass(frozen=True, slots=True)
class CachedView:
    """A view's bytes and what they were made from.

    Args:
        generation: of the index that the view belongs to; a rebuild makes the next one, which counts where the
            versions are the same.
        version: of the aggregate itself.
        source_version: of the aggregate that enriched the view; 0 while there is none.
        project_time_us: when the projection wrote the view, in microseconds since 1970; 0 where that is unknown.
    """

    generation: int
    version: int
    source_version: int
    view: bytes
    project_time_us: int = 0


class Absent:
    """Stands for a view that the read model did not have a moment ago."""


ABSENT = Absent()


class Lease(IntEnum):
    """Who is to read a view; the numbers are the script's."""

    ANOTHERS = 0
    OURS = 1
    NOBODYS = 2
    """There is an entry, or something that is none."""


class ViewCache:
    """A cache of views by id; the writer of the read model puts always, readers put what they fetched.

    Args:
        prefix: of the keys, e.g. `order:read:`.
        time_to_live: of an entry, give or take a tenth, so that entries of one moment do not expire together.
    """

    def __init__(self, redis: "Redis", *, prefix: str, time_to_live: timedelta) -> None:
        self._redis = redis
        self._prefix = prefix
        self._milliseconds = _milliseconds(time_to_live)
        self._put_if_newer = redis.register_script(_PUT_IF_NEWER)
        self._put_absent = redis.register_script(_PUT_ABSENT)
        self._lease = redis.register_script(_LEASE)
        self._discard_if_same = redis.register_script(_DISCARD_IF_SAME)

    async def get(self, view_id: str) -> CachedView | None:
        """The cached view; None where there is none or the entry is not readable as one.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        found = await self.look_up(view_id)
        return found if isinstance(found, CachedView) else None

    async def look_up(self, view_id: str) -> CachedView | Absent | None:
        """The cached view, or that there is none in the read model; None where the cache does not know.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        return _found(await cast("Any", self._redis.hmget(self._prefix + view_id, list(_FIELDS))))

    async def look_up_all(self, view_ids: Sequence[str]) -> Sequence[CachedView | Absent | None]:
        """Looks many views up, each as `look_up` does, in one round trip; None also for what is no entry at all.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            for view_id in view_ids:
                pipeline.hmget(self._prefix + view_id, list(_FIELDS))
            answers = await pipeline.execute(raise_on_error=False)
        return [None if isinstance(each, ResponseError) else _found(each) for each in answers]

    async def lease(self, view_id: str, longest: timedelta) -> Lease:
        """Who is to read the view that is not cached, so that of many who miss it one does.

        Args:
            longest: after which somebody else may; whatever is put ends it sooner.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        return Lease(await self._lease(keys=[self._prefix + view_id], args=[_milliseconds(longest)]))

    async def release(self, view_id: str) -> None:
        """Ends a lease whose holder has nothing to put; an entry stays what it is.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        await cast("Any", self._redis.hdel(self._prefix + view_id, "leased"))

    async def put_absent(self, view_id: str, time_to_live: timedelta) -> None:
        """Notes that the read model has no such view, unless the cache holds one; a view put later replaces it.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        await self._put_absent(keys=[self._prefix + view_id], args=[_milliseconds(time_to_live)])

    async def put(self, view_id: str, entry: CachedView) -> bool:
        """Puts the view unless a newer one is there; True when it was put.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        return bool(await self._put_if_newer(keys=[self._prefix + view_id], args=self._arguments(entry)))

    async def put_all(self, entries: Mapping[str, CachedView]) -> None:
        """Puts many views by id, each as `put` does, in one round trip.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow; some may have been put.
        """
        left = iter(entries.items())
        async with self._redis.pipeline(transaction=False) as pipeline:
            while some := dict(islice(left, _PUT_AT_ONCE)):
                keys = [self._prefix + view_id for view_id in some]
                arguments = [each for entry in some.values() for each in self._arguments(entry)]
                await self._put_if_newer(keys=keys, args=arguments, client=pipeline)
            await pipeline.execute()

    async def discard(self, view_id: str, entry: CachedView) -> bool:
        """Deletes a view that was read, whatever its version; False where another has taken its place.

        Raises:
            redis.exceptions.RedisError: the cache is away or slow.
        """
        read = (entry.generation, entry.version, entry.source_version, entry.view)
        return bool(await self._discard_if_same(keys=[self._prefix + view_id], args=read))

    def _arguments(self, entry: CachedView) -> Sequence[int | bytes]:
        """What the script takes, in its order."""
        spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        return (
            entry.generation,
            entry.version,
            entry.source_version,
            int(self._milliseconds * spread),
            entry.view,
            entry.project_time_us,
        )


def _found(fields: Sequence[bytes | None]) -> CachedView | Absent | None:
    """What the fields of an entry say; None where they are none of ours."""
    *values, view, absent = fields
    if view is None:
        return None if absent is None else ABSENT
    try:
        generation, version, source_version, project_time_us = (int(value or b"") for value in values)
    except ValueError:
        return None
    return CachedView(generation, version, source_version, view, project_time_us)


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
