"""What brings the events of one type of aggregate into a generation."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Protocol, TypeAlias

from projector.events import Events
from projector.folding import Failure
from projector.tracing import Spans

Failures: TypeAlias = Mapping[str, Failure]
"""By aggregate, where it cannot be projected."""
Skips: TypeAlias = Mapping[str, Collection[int]]
"""The versions that an operator has passed over, by aggregate."""

NO_SKIPS: Skips = MappingProxyType({})


class AggregateProjection(Protocol):
    """Projects the events of one type of aggregate; to repeat a call changes nothing.

    Its methods raise Outage when the process is to stop before their work is done.
    """

    async def project(self, events: Mapping[str, Events], spans: Spans, skips: Skips = NO_SKIPS) -> Failures:
        """Brings events to where they are shown; answers the aggregates for which that fails, where and why.

        Args:
            events: by aggregate, each one's as they came: repeats and gaps may be among them.
            spans: by aggregate.
        """

    async def shown_version(self, id_: str) -> int | None:
        """The version up to which an aggregate is shown, 0 where it is not; None where that cannot be said."""


AggregateProjections: TypeAlias = Mapping[str, AggregateProjection]
"""By the types of aggregates: the read model's own first, then those of its sources."""
