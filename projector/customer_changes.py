"""Customers' events, as they change the documents that show customers."""

from collections.abc import Mapping
from typing import Any

from orderflow.customers.v1 import customer_pb2
from projector.aggregate_projection import NO_SKIPS, Failures, Skips
from projector.enrichment import Enrichment
from projector.events import Events, UnreadableEvent
from projector.folding import Failure
from projector.tracing import Spans
from read_models import customers


class CustomerChanges:
    """Brings customers' documents to the customers that the events made, or newer ones.

    A customer's events after one that fails are not followed.
    """

    def __init__(self, enrichment: Enrichment[Any]) -> None:
        self._enrichment = enrichment

    async def project(self, events: Mapping[str, Events], spans: Spans, skips: Skips = NO_SKIPS) -> Failures:
        """See `AggregateProjection`."""
        told, failures = _told(events, skips)
        if told:
            for id_, cause in (await self._enrichment.follow(told, spans)).items():
                failures[id_] = Failure(told[id_].version, cause)
        return failures

    async def shown_version(self, id_: str) -> int | None:  # noqa: ARG002 -- the protocol has it
        """See `AggregateProjection`: each document shows a version of its own."""
        return None


def _told(events: Mapping[str, Events], skips: Skips) -> tuple[dict[str, customer_pb2.Customer], dict[str, Failure]]:
    """The customers as far as their events can be read, and where they cannot be read further."""
    told: dict[str, customer_pb2.Customer] = {}
    failures: dict[str, Failure] = {}
    for id_, versions in events.items():
        for each in versions:
            if each.version in skips.get(id_, ()):
                continue
            if isinstance(each, UnreadableEvent):
                failures[id_] = Failure(each.version, each.cause)
                break
            if id_ not in told or told[id_].version < each.version:
                told[id_] = customers.evolve(told.get(id_), each.event, each.version)
    return told, failures
