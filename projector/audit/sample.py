"""Chooses the aggregates that an audit looks at: at random, some from the event log and some from the index."""

import random
import uuid
from collections.abc import Collection
from typing import Any

from elasticsearch import AsyncElasticsearch

from projector.elasticsearch_errors import as_outage
from projector.generations import Generation
from projector.rebuild.log_reader import Heads, LogReader
from read_models.read_model import ReadModel

_PLACES = 5
_OF_INDEX = 0.2


class Sample:
    """Takes four fifths from random places of the log, and one from the index, which may have what the log has not.

    An aggregate with many events is taken more often than one with few.

    Args:
        size: how many at most, one of the index at least.
    """

    def __init__(
        self, read_model: ReadModel[Any], log: LogReader, elasticsearch: AsyncElasticsearch, *, size: int
    ) -> None:
        self._read_model = read_model
        self._log = log
        self._elasticsearch = elasticsearch
        self._of_index = max(1, int(size * _OF_INDEX))
        self._of_log = max(1, size - self._of_index)

    async def take(self, generation: Generation) -> Collection[str]:
        """Ids of aggregates.

        Raises:
            EventLogAway: the log does not answer.
            ReadModelAway: Elasticsearch does not answer.
        """
        heads = {shard: head for shard, head in (await self._log.heads()).items() if head}
        places = min(_PLACES, self._of_log)
        found: set[str] = set()
        for left in range(places, 0, -1) if heads else ():
            found |= await self._at_random_place(heads, most=-(-(self._of_log - len(found)) // left))
        return found | await self._in_index(generation)

    async def _at_random_place(self, heads: Heads, *, most: int) -> set[str]:
        (shard,) = random.choices(list(heads), weights=list(heads.values()))  # noqa: S311
        place = random.randrange(heads[shard])  # noqa: S311
        reader = self._log.shard(shard, heads[shard], self._read_model.aggregate.type, after=place)
        try:
            while (events := await reader.next()) is not None:
                if ids := {each.aggregate_id for each in events}:
                    return set(random.sample(sorted(ids), min(most, len(ids))))
        finally:
            reader.close()
        return set()

    async def _in_index(self, generation: Generation) -> set[str]:
        """The documents that come after a random id: found without looking at all of them."""
        id_field = self._read_model.id_field
        with as_outage():
            answer = await self._elasticsearch.search(
                index=generation.index,
                query={"range": {id_field: {"gte": str(uuid.UUID(int=random.getrandbits(128)))}}},
                sort=[{id_field: "asc"}],
                size=self._of_index,
                source=False,
                track_total_hits=False,
                allow_partial_search_results=False,
            )
        return {hit["_id"] for hit in answer["hits"]["hits"]}
