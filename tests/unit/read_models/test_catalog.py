"""What all read models have to keep to, so that one runner can run them."""

from copy import deepcopy
from typing import Any

import pytest
from google.protobuf.message import Message

from event_schemas.aggregates import AGGREGATES, Aggregate
from read_models.catalog import READ_MODELS
from read_models.read_model import ReadModel
from tests.unit.read_models.builders import (
    CUSTOMER,
    ORDER,
    STOCK_ITEM,
    created,
    customer,
    erased,
    one_of_each,
    one_of_each_of_stock,
    registered,
    stocked,
    updated,
)

_FIRST: dict[str, Message] = {"order": created(), "customer": registered(), "stock_item": stocked()}
_IDS = {"order": ORDER, "customer": CUSTOMER, "stock_item": STOCK_ITEM}
_EVENTS: dict[type[Message], Message] = {
    type(each): each for each in (*one_of_each(), registered("Ada"), updated(), erased(), *one_of_each_of_stock())
}
_ALL = [pytest.param(each, id=each.name) for each in READ_MODELS]


_TABLE = [
    pytest.param(read_model, aggregate, event, id=f"{read_model.name}-{event.DESCRIPTOR.name}")
    for read_model in READ_MODELS
    for aggregate in AGGREGATES
    for event in aggregate.events
]


def _shown(read_model: ReadModel[Any]) -> Any:
    view = read_model.evolve(None, _FIRST[read_model.aggregate.type], 1)
    return read_model.enrich(view, customer())


@pytest.mark.parametrize(("read_model", "aggregate", "event"), _TABLE)
def test_every_event_changes_what_is_shown_or_is_named_as_ignored(
    read_model: ReadModel[Any], aggregate: Aggregate[Any], event: type[Message]
) -> None:
    """Of a source the newest state is shown, which each of its events makes another one."""
    if aggregate in read_model.ignored:
        assert aggregate not in read_model.aggregates
        return
    assert aggregate in read_model.aggregates, f"say whether {read_model.name} show a {aggregate.type}"
    if aggregate != read_model.aggregate:
        (source,) = (each for each in READ_MODELS if each.aggregate == aggregate)
        before, after = (read_model.enrich(_shown(read_model), each) for each in _around(source, event))
    else:
        before, after = _around(read_model, event)
    after.ClearField("update_time")
    before.ClearField("update_time")
    assert after != before


def _around(read_model: ReadModel[Any], event: type[Message]) -> tuple[Any, Any]:
    """A view whose version counts an event, without and with what the event says."""
    before = _shown(read_model)
    return read_model.pass_over(before, 2), read_model.evolve(before, _EVENTS[event], 2)


@pytest.mark.parametrize("read_model", _ALL)
def test_a_version_that_is_passed_over_changes_nothing_else(read_model: ReadModel[Any]) -> None:
    view = _shown(read_model)
    expected = deepcopy(view)
    expected.version = 2
    assert read_model.pass_over(view, 2) == expected
    assert view.version == 1


@pytest.mark.parametrize("read_model", _ALL)
def test_a_document_has_exactly_the_fields_of_its_mapping_and_holds_its_view(read_model: ReadModel[Any]) -> None:
    view = _shown(read_model)
    mappings = read_model.index_body()["mappings"]
    document = read_model.document(view, project_time_us=42)
    assert mappings["dynamic"] == "strict"
    assert document.keys() == mappings["properties"].keys()
    assert read_model.view_of(document) == read_model.parse(view.SerializeToString()) == view


@pytest.mark.parametrize("read_model", _ALL)
def test_a_document_has_what_the_runner_goes_by(read_model: ReadModel[Any]) -> None:
    view, id_ = _shown(read_model), _IDS[read_model.aggregate.type]
    document = read_model.document(view, project_time_us=42)
    properties = read_model.index_body()["mappings"]["properties"]
    assert read_model.id_of(view) == document[read_model.id_field] == id_
    assert (document["version"], document["project_time_us"]) == (view.version, 42)
    assert {properties[each]["type"] for each in (read_model.id_field, *read_model.listed_by)} == {"keyword"}
    assert document["create_time_us"] > 0
    assert id_.replace("-", " ") in document["search_text"]
    if read_model.enrichment:
        shown = (document["customer_id"], document["customer_version"], document["enrichment"])
        assert shown == (CUSTOMER, read_model.source_version(view), "COMPLETE")
        pending = read_model.document(read_model.enrichment.pending(view), project_time_us=42)
        assert pending["enrichment"] == "PENDING"


def test_names_are_used_once() -> None:
    names = [each.name for each in READ_MODELS]
    prefixes = [each.cache_prefix for each in READ_MODELS if each.cache_prefix]
    assert len(set(names)) == len(names)
    assert len(set(prefixes)) == len(prefixes)
