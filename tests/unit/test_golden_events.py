"""Bytes that were ever stored stay readable, and mean what they meant."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from command_service.aggregate import Aggregate
from command_service.customers.aggregate import customer_aggregate
from command_service.fulfillment.aggregate import fulfillment_aggregate
from command_service.inventory.aggregate import stock_item_aggregate
from command_service.orders.aggregate import order_aggregate
from read_models import orders as orders_read_model

EVENTS = Path(__file__).parents[1] / "golden" / "events"
AGGREGATES: list[Aggregate[Any]] = [
    order_aggregate(timedelta(days=5)),
    customer_aggregate(),
    stock_item_aggregate(),
    fulfillment_aggregate(),
]
TYPES: dict[str, type[Message]] = {
    name: each for aggregate in AGGREGATES for name, each in aggregate.events.stored.items()
}
GOLDEN = sorted(EVENTS.glob("*.bin"))
FROM_A_NEWER_WRITER = bytes.fromhex("c8ce0307 d2ce0303414243")
"""Fields 7401 (7) and 7402 ("ABC"), which no contract has."""


def _type_of(path: Path) -> str:
    return path.name.removesuffix(".bin").rpartition(".")[0]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_stored_bytes_say_what_they_said(path: Path) -> None:
    event_type = TYPES[_type_of(path)]
    said = text_format.Parse(path.with_suffix(".txtpb").read_text(), event_type())
    assert event_type.FromString(path.read_bytes()) == said


def test_every_event_that_was_ever_stored_has_golden_bytes() -> None:
    assert {_type_of(path) for path in GOLDEN} == set(TYPES)


def test_every_fold_takes_every_golden_event() -> None:
    for path in GOLDEN:
        [aggregate] = [each for each in AGGREGATES if _type_of(path) in each.events.stored]
        event = aggregate.events.parse(_type_of(path), path.read_bytes())
        assert aggregate.evolve(aggregate.initial, event).version == 1
        if aggregate.name == "order":
            assert orders_read_model.evolve(None, event, 1).version == 1


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_folds_pass_over_what_a_newer_event_says_beside(path: Path) -> None:
    assert _folded(path, path.read_bytes() + FROM_A_NEWER_WRITER) == _folded(path, path.read_bytes())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_folds_take_values_of_enums_that_only_a_newer_writer_knows(path: Path) -> None:
    event = TYPES[_type_of(path)].FromString(path.read_bytes())
    for field in event.DESCRIPTOR.fields:
        if field.enum_type and not field.is_repeated:
            setattr(event, field.name, 99)
    assert _folded(path, event.SerializeToString())


def _folded(path: Path, stored: bytes) -> list[Any]:
    """What each fold of the event's aggregate makes of it."""
    [aggregate] = [each for each in AGGREGATES if _type_of(path) in each.events.stored]
    event = aggregate.events.parse(_type_of(path), stored)
    folded: list[Any] = [aggregate.evolve(aggregate.initial, event)]
    if aggregate.name == "order":
        folded.append(orders_read_model.evolve(None, event, 1))
    return folded
