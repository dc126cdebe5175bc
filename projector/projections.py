"""The projections that a process runs, as operators name them."""

import asyncio
from collections.abc import Sequence

from orderflow.admin.v1 import projection_admin_service_pb2 as pb
from projector.errors import ProjectionNotFound
from projector.quarantines import Quarantines
from projector.rebuild.rebuilds import Rebuilds
from projector.runner import Runner


class Projections:
    """Finds them by name; `quarantines` has all of theirs."""

    def __init__(self, runners: Sequence[Runner]) -> None:
        self._runners = {each.name: each for each in sorted(runners, key=lambda each: each.name)}
        self.quarantines = Quarantines({name: each.quarantine for name, each in self._runners.items()})

    async def statuses(self) -> Sequence[pb.ProjectionStatus]:
        """How far each is, in order of name.

        Raises:
            ReadModelUnavailable: an index or Kafka cannot be reached.
        """
        return await asyncio.gather(*(each.progress.status() for each in self._runners.values()))

    def rebuilds(self, name: str) -> Rebuilds:
        """Those of a projection.

        Raises:
            ProjectionNotFound: there is none of this name here.
        """
        if name not in self._runners:
            raise ProjectionNotFound(name)
        return self._runners[name].rebuilds
