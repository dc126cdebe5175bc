"""Customers' orders in figures: exact, of one moment, and as fresh as a token asks."""

import pytest
from google.type.money_pb2 import Money

from orderflow.orders.v1.order_pb2 import (
    ORDER_STATUS_CANCELLED,
    ORDER_STATUS_CONFIRMED,
    ORDER_STATUS_DELIVERED,
    ORDER_STATUS_PENDING,
)
from orderflow.orders.v1.queries_pb2 import GetCustomerSummaryRequest, ListCustomerSummariesRequest, OrderFilter
from orderflow.orders.v1.views_pb2 import CustomerSummary, OrderStatusCount
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.tokens import token
from tests.integration.query_service.views import CREATE_TIME_US, CUSTOMER_ID, an_order, euros


def _customer(number: int) -> str:
    return f"0190c0de-0000-7000-8000-{number:012d}"


async def _summary(queries: Queries, customer_id: str, *tokens: str) -> CustomerSummary:
    request = GetCustomerSummaryRequest(customer_id=customer_id, consistency_tokens=tokens)
    answer = await queries.stub.GetCustomerSummary(request)
    assert answer.freshness.tokens_seen == len(tokens)
    assert answer.freshness.HasField("as_of_time")
    return answer.summary


async def test_a_summary_counts_by_status_and_sums_by_currency_what_is_not_cancelled(
    read_model: ReadModel, queries: Queries
) -> None:
    yen = Money(currency_code="JPY", units=1234)
    await read_model.put(
        an_order(total_amount=euros(12, 34), create_time_us=CREATE_TIME_US - 7, customer_name="Before"),
        an_order(total_amount=euros(87, 67), status=ORDER_STATUS_DELIVERED),
        an_order(total_amount=euros(1000), status=ORDER_STATUS_CANCELLED),
        an_order(total_amount=yen, create_time_us=CREATE_TIME_US + 9, customer_name="Zoë", customer_email="z@x.org"),
        an_order(customer_id=_customer(2)),
    )
    expected = CustomerSummary(
        customer_id=CUSTOMER_ID,
        customer_name="Zoë",
        customer_email="z@x.org",
        order_count=4,
        status_counts=[
            OrderStatusCount(status=ORDER_STATUS_PENDING, order_count=2),
            OrderStatusCount(status=ORDER_STATUS_DELIVERED, order_count=1),
            OrderStatusCount(status=ORDER_STATUS_CANCELLED, order_count=1),
        ],
        total_amounts=[euros(100, 1), yen],
    )
    expected.first_order_time.FromMicroseconds(CREATE_TIME_US - 7)
    expected.last_order_time.FromMicroseconds(CREATE_TIME_US + 9)
    assert await _summary(queries, CUSTOMER_ID.upper()) == expected


async def test_sums_are_exact_however_large(read_model: ReadModel, queries: Queries) -> None:
    large = 10**14 - 1
    await read_model.put(*(an_order(total_amount=euros(large, 99)) for _ in range(1001)))
    (total,) = (await _summary(queries, CUSTOMER_ID)).total_amounts
    cents = (large * 100 + 99) * 1001
    assert (total.units, total.nanos) == (cents // 100, cents % 100 * 10**7)


async def test_a_customer_without_orders_has_zeros(queries: Queries) -> None:
    assert await _summary(queries, CUSTOMER_ID) == CustomerSummary(customer_id=CUSTOMER_ID)


async def test_a_summary_waits_for_what_it_must_count(read_model: ReadModel, start_service: StartService) -> None:
    queries = await start_service(consistency_wait_seconds=0.1)
    await read_model.client.indices.put_settings(index=read_model.index, settings={"refresh_interval": "-1"})
    order = an_order()
    wanted = token("order", order.order_id, 1)
    request = GetCustomerSummaryRequest(customer_id=CUSTOMER_ID, consistency_tokens=[wanted])
    assert (await refusal_of(queries.call(request))).reason == "EVENTUAL_CONSISTENCY_TIMEOUT"
    await read_model.write([order])
    patient = await start_service(consistency_wait_seconds=20)
    assert (await _summary(patient, CUSTOMER_ID, wanted)).order_count == 1


@pytest.fixture
async def customers(read_model: ReadModel) -> list[str]:
    """250 customers: one order each, and a confirmed one more for every fifth."""
    ids = [_customer(number) for number in range(250)]
    confirmed = [an_order(customer_id=each, status=ORDER_STATUS_CONFIRMED) for each in ids[::5]]
    await read_model.put(*(an_order(customer_id=each) for each in ids), *confirmed)
    return ids


async def _list(queries: Queries, **fields: object) -> tuple[list[str], list[str]]:
    """The customers' ids and the chunks' tokens."""
    chunks = await queries.call(ListCustomerSummariesRequest(**fields))  # type: ignore[arg-type]
    assert [chunk.HasField("freshness") for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    return [each.customer_id for chunk in chunks for each in chunk.summaries], [each.resume_token for each in chunks]


async def test_all_customers_come_in_order_of_their_id(
    customers: list[str], read_model: ReadModel, queries: Queries
) -> None:
    found, tokens = await _list(queries)
    assert found == customers
    assert [bool(each) for each in tokens] == [True, True, False]
    assert await read_model.open_points_in_time() == 0


async def test_only_orders_that_the_filter_admits_count(customers: list[str], queries: Queries) -> None:
    asked = OrderFilter(statuses=[ORDER_STATUS_CONFIRMED])
    chunks = await queries.call(ListCustomerSummariesRequest(filter=asked))
    assert [(each.customer_id, each.order_count) for each in chunks[0].summaries] == [
        (each, 1) for each in customers[::5]
    ]
    assert len(chunks) == 1


async def test_a_list_goes_on_after_any_chunk_and_its_limit_counts_over_all_calls(
    customers: list[str], queries: Queries, start_service: StartService
) -> None:
    other = await start_service()
    _, (first, second, _) = await _list(queries)
    assert (await _list(other, resume_token=first))[0] == customers[100:]
    assert (await _list(other, resume_token=second, limit=10))[0] == customers[200:210]
    found, (middle, last) = await _list(queries, limit=150)
    assert found == customers[:150]
    assert (await _list(queries, limit=999, resume_token=middle))[0] == customers[100:150]
    assert (await _list(queries, resume_token=last))[0] == customers[150:]
    refusal = await refusal_of(_list(queries, resume_token=first, filter=OrderFilter(customer_id=CUSTOMER_ID)))
    assert refusal.reason == "TOKEN_INVALID"


async def test_no_customers_are_an_empty_chunk(queries: Queries) -> None:
    assert await _list(queries) == ([], [""])
