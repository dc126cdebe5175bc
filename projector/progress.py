"""How far a projection has come, whichever processes do the work."""

from confluent_kafka import KafkaException

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from projector.errors import ReadModelAway, ReadModelUnavailable
from projector.index import ReadModelIndex
from projector.lag import GroupLag


class Progress:
    """Asks Elasticsearch and Kafka."""

    def __init__(self, name: str, index: ReadModelIndex, lag: GroupLag) -> None:
        self._name = name
        self._index = index
        self._lag = lag

    async def status(self) -> pb.ProjectionStatus:
        """What is known now.

        Raises:
            ReadModelUnavailable: the index or Kafka cannot be reached.
        """
        try:
            index = await self._index.current()
            count = await self._index.count()
            lag = await self._lag.read()
        except (ReadModelAway, KafkaException) as error:
            raise ReadModelUnavailable("how far the projection has come cannot be read now") from error
        status = pb.ProjectionStatus(
            name=self._name,
            index=index.name,
            generation=index.generation,
            document_count=count,
            lag_events=lag.messages,
        )
        status.lag_duration.FromTimedelta(lag.age)
        return status
