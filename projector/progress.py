"""How far a projection has come, whichever processes do the work."""

import time
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from orderflow.admin.v1 import rebuild_pb2
from projector.errors import Outage, ReadModelAway, ReadModelUnavailable
from projector.freshness import Freshness
from projector.generations import Generation, Generations, Stage
from projector.groups import Groups
from projector.heartbeat import Heartbeat


class Progress:
    """Asks Elasticsearch and Kafka."""

    def __init__(
        self, name: str, generations: Generations, groups: Groups, freshness: Freshness, heartbeat: Heartbeat
    ) -> None:
        self._name = name
        self._freshness = freshness
        self._heartbeat = heartbeat
        self._generations = generations
        self._groups = groups

    async def status(self) -> pb.ProjectionStatus:
        """What is known now.

        Raises:
            ReadModelUnavailable: the index or Kafka cannot be reached.
        """
        try:
            generations = await self._all()
            live = next((each for each in generations if each.state == rebuild_pb2.GENERATION_STATE_LIVE), None)
            if live is None:
                raise ReadModelAway("there is no live generation")
            reading = await self._freshness.read()
        except Outage as error:
            raise ReadModelUnavailable("how far the projection has come cannot be read now") from error
        status = pb.ProjectionStatus(
            name=self._name,
            index=live.index,
            generation=live.generation,
            document_count=live.document_count,
            lag_events=live.lag_events,
            lag_duration=live.lag_duration,
            generations=generations,
            unindexed_positions=reading.unindexed_positions,
            quarantined_count=reading.quarantined,
        )
        age = self._heartbeat.age()
        if age is not None:
            status.heartbeat_time.FromNanoseconds(time.time_ns() - int(age * 1e9))
        return status

    async def _all(self) -> Sequence[rebuild_pb2.Generation]:
        """All generations; read anew where one of them is removed meanwhile."""
        while True:
            known = await self._generations.all()
            try:
                return [await self._generation(each) for each in known]
            except Outage:
                if {each.index for each in await self._generations.all()} == {each.index for each in known}:
                    raise

    async def _generation(self, generation: Generation) -> rebuild_pb2.Generation:
        age, messages = Duration(), 0
        if generation.filled:
            lag = await self._groups.lag(generation)
            messages = lag.messages
            age.FromTimedelta(lag.age)
        return rebuild_pb2.Generation(
            generation=generation.number,
            index=generation.index,
            state=_state(generation),
            document_count=await self._generations.count(generation),
            lag_events=messages,
            lag_duration=age,
            mapping_current=generation.mapping_hash == self._generations.mapping_hash,
            rebuild=generation.rebuild,
        )


def _state(generation: Generation) -> "rebuild_pb2.GenerationState.ValueType":
    if generation.live:
        return rebuild_pb2.GENERATION_STATE_LIVE
    if generation.stage is Stage.BUILDING:
        return rebuild_pb2.GENERATION_STATE_BUILDING
    return rebuild_pb2.GENERATION_STATE_KEPT
