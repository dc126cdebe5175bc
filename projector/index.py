"""The index behind a read model's alias."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from elasticsearch import AsyncElasticsearch, BadRequestError

from projector.elasticsearch_errors import as_outage
from projector.errors import ReadModelAway, WrongIndex

_HASH = "mapping_hash"


@dataclass(frozen=True, slots=True)
class Index:
    """A concrete index: writers name it, readers name its alias.

    Args:
        generation: the number at the end of the name; a rebuild makes the next one.
        mapping_hash: of the mapping that it was made with; empty where it does not say.
    """

    name: str
    generation: int
    mapping_hash: str


class ReadModelIndex:
    """Finds the index behind an alias, and creates the first one."""

    def __init__(self, elasticsearch: AsyncElasticsearch, alias: str) -> None:
        self._elasticsearch = elasticsearch
        self._alias = alias

    async def open(self, body: dict[str, Any]) -> Index:
        """The index, created where there is none.

        Several processes may do so at once: Elasticsearch lets one of them create it, with its alias.

        Args:
            body: settings and mappings for a new index.

        Raises:
            ReadModelAway: Elasticsearch is.
            WrongIndex: the index has another mapping.
        """
        wanted = _mapping_hash(body)
        with as_outage():
            if not await self._elasticsearch.indices.exists_alias(name=self._alias):
                await self._create(body, wanted)
        index = await self.current()
        if index.mapping_hash != wanted:
            raise WrongIndex(f"{index.name} has another mapping than this version writes: it needs a rebuild")
        return index

    async def current(self) -> Index:
        """The index that readers see now.

        Raises:
            ReadModelAway: Elasticsearch is, or there is no index yet.
            WrongIndex: the alias names several.
        """
        with as_outage():
            found = await self._elasticsearch.indices.get(index=self._alias)
        if len(found) != 1:
            raise WrongIndex(f"{self._alias} names {len(found)} indices: {', '.join(sorted(found))}")
        name, state = next(iter(found.items()))
        mapping_hash = state["mappings"].get("_meta", {}).get(_HASH, "")
        return Index(name, int(name.rpartition("-")[2]), mapping_hash)

    async def check(self) -> None:
        """Returns when there is an index to write to.

        Raises:
            ReadModelAway: there is not.
        """
        with as_outage():
            if not await self._elasticsearch.indices.exists_alias(name=self._alias):
                raise ReadModelAway(f"there is no {self._alias}")

    async def count(self) -> int:
        """How many documents can be found.

        Raises:
            ReadModelAway: Elasticsearch is, or there is no index yet.
        """
        with as_outage():
            return int((await self._elasticsearch.count(index=self._alias))["count"])

    async def _create(self, body: dict[str, Any], mapping_hash: str) -> None:
        mappings = {**body["mappings"], "_meta": {_HASH: mapping_hash}}
        try:
            await self._elasticsearch.indices.create(
                index=f"{self._alias}-000001", settings=body["settings"], mappings=mappings, aliases={self._alias: {}}
            )
        except BadRequestError as error:
            if error.error != "resource_already_exists_exception":
                raise


def _mapping_hash(body: dict[str, Any]) -> str:
    """Names everything about an index that only a rebuild can change."""
    fixed = {"mappings": body["mappings"], "analysis": body["settings"]["index"]["analysis"]}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()
