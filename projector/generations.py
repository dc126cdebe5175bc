"""The generations of a read model: an index each, one of them behind the alias that readers name.

What a generation is lies in its mapping's metadata. Its writers name an alias that only this very index has, so
that whoever still believes in an index that was deleted writes into nothing, also after one of the same name was
made; the same alias fences metadata and the switch.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from elasticsearch import AsyncElasticsearch, BadRequestError, NotFoundError
from google.protobuf.json_format import MessageToDict, ParseDict

from orderflow.admin.v1 import rebuild_pb2 as pb
from projector.elasticsearch_errors import as_outage
from projector.errors import GenerationLost, ReadModelAway, RebuildRunning, WrongIndex
from read_models.read_model import ReadModel

_FILLING = {"refresh_interval": "-1"}


class Stage(Enum):
    """Whether somebody is at work on a generation, and what becomes of it when that process dies."""

    BUILDING = "it is deleted"
    SWITCHING = "it stays what it is"
    COMPLETE = "nobody is"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation.

    Args:
        index: its name ends with the generation's number.
        writers: the alias that its writers name.
        mapping_hash: of the mapping that it was made with; empty where it does not say.
        live: readers see it.
        filled: it has the events of the log up to its consumer group's first offsets, and goes on from there.
        replaced: the index that was live before it; empty where none was.
        beat: changes while somebody is at work on it.
        rebuild: that made it, or makes it.
    """

    index: str
    writers: str
    mapping_hash: str
    live: bool = False
    stage: Stage = Stage.COMPLETE
    filled: bool = True
    replaced: str = ""
    beat: str = ""
    rebuild: pb.Rebuild | None = None

    @property
    def number(self) -> int:
        """From 1 on."""
        return int(self.index.rpartition("-")[2])


class Generations:
    """Finds, makes, switches and deletes a read model's generations; its methods raise ReadModelAway.

    Args:
        prefix: of the alias's name.
    """

    def __init__(self, elasticsearch: AsyncElasticsearch, read_model: ReadModel[Any], prefix: str) -> None:
        self.alias = f"{prefix}-{read_model.name}"
        self._elasticsearch = elasticsearch
        self._body = read_model.index_body()
        self.mapping_hash = _mapping_hash(self._body)

    async def check(self) -> None:
        """Returns when there is a live generation."""
        with as_outage():
            if not await self._elasticsearch.indices.exists_alias(name=self.alias):
                raise ReadModelAway(f"there is no {self.alias}")

    async def all(self) -> Sequence[Generation]:
        """All there are, by number.

        Raises:
            WrongIndex: several are live.
        """
        with as_outage():
            found = await self._elasticsearch.indices.get(index=f"{self.alias}-*", expand_wildcards=["open"])
        generations = [
            self._read(index, state)
            for index, state in found.items()
            if index.removeprefix(f"{self.alias}-").isdecimal()
        ]
        if (count := sum(each.live for each in generations)) > 1:
            raise WrongIndex(f"{self.alias} names {count} indices")
        return sorted(generations, key=lambda each: each.number)

    async def live(self) -> Generation:
        """The one that readers see.

        Raises:
            WrongIndex: several are.
        """
        for each in await self.all():
            if each.live:
                return each
        raise ReadModelAway(f"there is no {self.alias}")

    async def is_live(self, generation: Generation) -> bool:
        """Whether readers see it now."""
        with as_outage():
            return bool(await self._elasticsearch.indices.exists_alias(index=generation.index, name=self.alias))

    async def create_first(self) -> None:
        """Makes the first one live; of several processes that do so at once Elasticsearch lets one."""
        await self._create(self._new(1), aliases={self.alias: {}}, settings={})

    async def create_next(self, live: Generation, rebuild: pb.Rebuild) -> Generation:
        """Makes the next one, which is to replace the live one.

        Raises:
            RebuildRunning: another process has just made it.
        """
        generation = replace(
            self._new(int(rebuild.generation)),
            stage=Stage.BUILDING,
            filled=False,
            replaced=live.index,
            beat=uuid.uuid4().hex,
            rebuild=rebuild,
        )
        if not await self._create(generation, aliases={}, settings=_FILLING):
            raise RebuildRunning.of(rebuild.projection)
        return generation

    async def save(self, generation: Generation) -> None:
        """Keeps what has changed about it.

        Raises:
            GenerationLost: it was deleted.
        """
        with as_outage(), _as_loss(generation):
            await self._elasticsearch.indices.put_mapping(index=generation.writers, meta=_meta(generation))

    async def searchable(self, generation: Generation) -> None:
        """Ends the time of filling: from now on writes are found as in any index."""
        settings = {"refresh_interval": self._body["settings"]["index"]["refresh_interval"]}
        with as_outage(), _as_loss(generation):
            await self._elasticsearch.indices.put_settings(index=generation.writers, settings=settings)
        await self.refresh(generation)

    async def refresh(self, generation: Generation) -> None:
        """Makes everything that was written be found."""
        with as_outage():
            answer = await self._elasticsearch.indices.refresh(index=generation.index)
        if answer["_shards"]["failed"]:
            raise ReadModelAway("a shard could not be refreshed")

    async def count(self, generation: Generation) -> int:
        """How many of its documents can be found."""
        with as_outage():
            return int((await self._elasticsearch.count(index=generation.index))["count"])

    async def block(self, generation: Generation) -> None:
        """Returns when nobody writes to it any more; writes in flight have ended, new ones fail as in an outage."""
        with as_outage():
            await self._elasticsearch.indices.add_block(index=generation.index, block="write")

    async def unblock(self, index: str) -> None:
        """Lets writers go on, if the index is still there."""
        with as_outage():
            await self._elasticsearch.indices.put_settings(
                index=index, settings={"index.blocks.write": None}, ignore_unavailable=True, allow_no_indices=True
            )

    async def show(self, generation: Generation, *, instead_of: Generation) -> None:
        """Has readers see it, at once and only if they see the other one now.

        Raises:
            GenerationLost: it was deleted, or the other one is not live.
        """
        fence = {"index": generation.index, "alias": generation.writers}
        actions: list[Mapping[str, Any]] = [
            {"remove": {**fence, "must_exist": True}},
            {"add": fence},
            {"remove": {"index": instead_of.index, "alias": self.alias, "must_exist": True}},
            {"add": {"index": generation.index, "alias": self.alias}},
        ]
        with as_outage(), _as_loss(generation):
            await self._elasticsearch.indices.update_aliases(actions=actions)

    async def delete(self, generation: Generation) -> None:
        """Deletes it, if it is still there."""
        with as_outage():
            await self._elasticsearch.indices.delete(index=generation.index, ignore_unavailable=True)

    async def settle(self, generation: Generation) -> None:
        """Brings it into order after whoever worked on it is gone; see Stage."""
        if generation.replaced:
            await self.unblock(generation.replaced)
        if generation.live or generation.stage is Stage.SWITCHING:
            with suppress(GenerationLost):
                await self.save(replace(generation, stage=Stage.COMPLETE, rebuild=_ended(generation)))
        else:
            await self.delete(generation)

    async def is_read(self, generation: Generation) -> bool:
        """Whether a query holds it open."""
        with as_outage():
            stats = await self._elasticsearch.indices.stats(index=generation.index, metric="search")
        return bool(stats["_all"]["total"]["search"]["open_contexts"])

    def _new(self, number: int) -> Generation:
        index = f"{self.alias}-{number:06d}"
        return Generation(index, f"{index}-{uuid.uuid4().hex[:12]}", self.mapping_hash)

    async def _create(self, generation: Generation, aliases: dict[str, Any], settings: dict[str, Any]) -> bool:
        """Makes the index; False where there is one of the name."""
        index_settings = {**self._body["settings"]["index"], **settings}
        mappings = {**self._body["mappings"], "_meta": _meta(generation)}
        with as_outage():
            try:
                await self._elasticsearch.indices.create(
                    index=generation.index,
                    settings={"index": index_settings},
                    mappings=mappings,
                    aliases={generation.writers: {}, **aliases},
                )
            except BadRequestError as error:
                if error.error != "resource_already_exists_exception":
                    raise
                return False
        return True

    def _read(self, index: str, state: Mapping[str, Any]) -> Generation:
        meta = state["mappings"].get("_meta", {})
        live = self.alias in state.get("aliases", {})
        if "writers" not in meta:  # of an earlier version: nobody here writes it, and a rebuild replaces it
            return Generation(index, index, "", live=live)
        return Generation(
            index,
            writers=meta["writers"],
            mapping_hash=meta["mapping_hash"],
            live=live,
            stage=Stage[meta["stage"]],
            filled=meta["filled"],
            replaced=meta["replaced"],
            beat=meta["beat"],
            rebuild=ParseDict(meta["rebuild"], pb.Rebuild(), ignore_unknown_fields=True) if meta["rebuild"] else None,
        )


def kept(generations: Sequence[Generation], count: int) -> Sequence[Generation]:
    """Those that a rollback can return to, the first choice first: the one that was live before, then newer ones."""
    live = next((each for each in generations if each.live), None)
    complete = [each for each in generations if not each.live and each.stage is not Stage.BUILDING]
    complete.sort(key=lambda each: (live is not None and each.index == live.replaced, each.number), reverse=True)
    return complete[:count]


def _ended(generation: Generation) -> pb.Rebuild | None:
    """Its rebuild, which is done as far as readers are concerned."""
    if generation.rebuild is None or generation.rebuild.HasField("end_time"):
        return generation.rebuild
    rebuild = pb.Rebuild()
    rebuild.CopyFrom(generation.rebuild)
    rebuild.phase = pb.REBUILD_PHASE_DONE
    rebuild.end_time.GetCurrentTime()
    return rebuild


def _meta(generation: Generation) -> dict[str, Any]:
    rebuild = generation.rebuild
    return {
        "mapping_hash": generation.mapping_hash,
        "writers": generation.writers,
        "stage": generation.stage.name,
        "filled": generation.filled,
        "replaced": generation.replaced,
        "beat": generation.beat,
        "rebuild": MessageToDict(rebuild, preserving_proto_field_name=True) if rebuild else None,
    }


def _mapping_hash(body: Mapping[str, Any]) -> str:
    """Names everything about an index that only a rebuild can change."""
    fixed = {"mappings": body["mappings"], "analysis": body["settings"]["index"]["analysis"]}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


@contextmanager
def _as_loss(generation: Generation) -> Iterator[None]:
    """Makes "there is no such index or alias" the loss of the generation."""
    try:
        yield
    except NotFoundError as error:
        raise GenerationLost(f"{generation.index} is not what it was any more") from error
