"""An independent checker: every document equals the fold of its order's events and its customer."""

from collections import defaultdict

from elasticsearch import AsyncElasticsearch

from event_schemas.orders import EVENT_TYPES
from orderflow.customers.v1 import customer_pb2
from orderflow.customers.v1 import queries_pb2 as customer_queries
from orderflow.events.v1 import event_log_pb2
from orderflow.orders.v1 import views_pb2
from read_models import orders
from read_models.orders_index import view_of
from tests.support.system import Clients

_BATCH = 500


async def history(clients: Clients, aggregate_type: str) -> dict[str, list[event_log_pb2.RecordedEvent]]:
    """The events of every aggregate of a type, read from the event log."""
    events: dict[str, list[event_log_pb2.RecordedEvent]] = defaultdict(list)
    request = event_log_pb2.ReadLogRequest(aggregate_types=[aggregate_type])
    async for chunk in clients.log.ReadLog(request):
        for event in chunk.events:
            events[event.aggregate_id].append(event)
    return events


async def assert_versions_have_no_gap(clients: Clients) -> None:
    """Guarantee 3: the versions of an aggregate are 1..n."""
    for order_id, events in (await history(clients, "order")).items():
        assert [event.version for event in events] == list(range(1, len(events) + 1)), order_id


async def assert_documents_equal_the_log(clients: Clients, read_es_url: str) -> None:
    """Guarantee 6: nothing is missing, behind, ahead or otherwise than its events and its customer say."""
    events = await history(clients, "order")
    folded = {order_id: _fold(each) for order_id, each in events.items()}
    customers = await _customers(clients, {view.customer_id for view in folded.values()})
    expected = {
        order_id: orders.with_customer(view, customers.get(view.customer_id)) for order_id, view in folded.items()
    }
    indexed = await _documents(read_es_url, list(expected))
    different = [order_id for order_id, view in expected.items() if indexed.get(order_id) != view]
    assert not different, f"{len(different)} of {len(expected)} documents differ, e.g. {different[0]}"


def _fold(events: list[event_log_pb2.RecordedEvent]) -> views_pb2.OrderView:
    view = None
    for event in events:
        view = orders.evolve(view, EVENT_TYPES.parse(event.event_type, event.event_data), event.version)
    assert view is not None
    return view


async def _customers(clients: Clients, customer_ids: set[str]) -> dict[str, customer_pb2.Customer]:
    found: dict[str, customer_pb2.Customer] = {}
    wanted = sorted(customer_ids)
    for start in range(0, len(wanted), _BATCH):
        request = customer_queries.BatchGetCustomersRequest(customer_ids=wanted[start : start + _BATCH])
        answer = await clients.customers.BatchGetCustomers(request)
        found.update({customer.customer_id: customer for customer in answer.customers})
    return found


async def _documents(read_es_url: str, order_ids: list[str]) -> dict[str, views_pb2.OrderView]:
    found: dict[str, views_pb2.OrderView] = {}
    async with AsyncElasticsearch(read_es_url) as elasticsearch:
        for start in range(0, len(order_ids), _BATCH):
            answer = await elasticsearch.mget(index="orderflow-orders", ids=order_ids[start : start + _BATCH])
            for document in answer["docs"]:
                if document.get("found"):
                    found[document["_id"]] = view_of(document["_source"])
    return found
