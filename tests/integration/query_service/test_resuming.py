"""A list goes on exactly after any of its chunks, on any server, and only with its own token."""

import base64
import time
from typing import Any

import pytest
from itsdangerous import TimestampSigner

from orderflow.orders.v1.order_pb2 import ORDER_STATUS_CANCELLED, ORDER_STATUS_PENDING
from orderflow.orders.v1.queries_pb2 import ListOrdersResponse, OrderFilter, SearchOrdersResponse
from orderflow.orders.v1.resume_token_pb2 import ResumeTokenContents
from tests.integration.query_service.client import Queries, refusal_of
from tests.integration.query_service.conftest import StartService
from tests.integration.query_service.read_model import ReadModel
from tests.integration.query_service.tokens import token as consistency_token
from tests.integration.query_service.views import CREATE_TIME_US, CUSTOMER_ID, an_order, euros

ORDER_COUNT = 430


@pytest.fixture
async def many_orders(read_model: ReadModel) -> None:
    await read_model.put(
        *(
            an_order(
                create_time_us=CREATE_TIME_US + number // 7,
                update_time_us=CREATE_TIME_US + number % 11,
                total_amount=euros(10 + number % 5),
            )
            for number in range(ORDER_COUNT)
        )
    )


def _elasticsearch_id(resume_token: str) -> str:
    payload = resume_token.partition(".")[0]
    contents = ResumeTokenContents.FromString(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return contents.pit_id.split()[1]


def ids(chunks: list[ListOrdersResponse] | list[SearchOrdersResponse]) -> list[str]:
    return [order.order_id for chunk in chunks for order in chunk.orders]


@pytest.mark.usefixtures("many_orders")
@pytest.mark.parametrize("order_by", ["", "create_time asc", "update_time", "total_amount desc, create_time"])
async def test_each_chunk_is_continued_by_exactly_the_rest(order_by: str, queries: Queries) -> None:
    whole = await queries.list_(order_by=order_by)
    assert len(whole) == 5
    for boundary in range(len(whole) - 1):
        rest = await queries.list_(order_by=order_by, resume_token=whole[boundary].resume_token)
        assert rest[0].HasField("freshness")
        assert ids(whole[: boundary + 1]) + ids(rest) == ids(whole)
    assert not whole[-1].resume_token


@pytest.mark.usefixtures("many_orders")
async def test_a_search_by_relevance_is_continued_too(queries: Queries) -> None:
    whole = await queries.search("green te", limit=1000)
    for boundary in range(len(whole) - 1):
        rest = await queries.search("green te", resume_token=whole[boundary].resume_token)
        assert ids(whole[: boundary + 1]) + ids(rest) == ids(whole)


@pytest.mark.usefixtures("many_orders")
async def test_another_server_with_the_same_key_continues(queries: Queries, start_service: StartService) -> None:
    other = await start_service()
    whole = await queries.list_()
    assert ids(whole[:2]) + ids(await other.list_(resume_token=whole[1].resume_token)) == ids(whole)


@pytest.mark.usefixtures("many_orders")
async def test_the_limit_counts_over_both_calls(queries: Queries) -> None:
    whole = await queries.list_()
    limited = await queries.list_(limit=250)
    assert ids(limited) == ids(whole)[:250]
    rest = await queries.list_(limit=999, resume_token=limited[0].resume_token)
    assert ids(limited[:1]) + ids(rest) == ids(whole)[:250]


@pytest.mark.usefixtures("many_orders")
async def test_after_its_limit_a_list_goes_on_with_the_next_calls_limit(queries: Queries) -> None:
    whole = await queries.list_()
    pages: list[str] = []
    token = ""
    while token or not pages:
        chunks = await queries.list_(limit=150, resume_token=token)
        assert len(ids(chunks)) <= 150
        pages += ids(chunks)
        token = chunks[-1].resume_token
    assert pages == ids(whole)


async def test_a_limit_that_takes_all_leaves_nothing_to_continue(read_model: ReadModel, queries: Queries) -> None:
    await read_model.put(*(an_order() for _ in range(3)))
    (chunk,) = await queries.list_(limit=3)
    assert len(chunk.orders) == 3
    assert not chunk.resume_token


@pytest.mark.usefixtures("many_orders")
async def test_new_and_changed_orders_do_not_disturb_the_order_of_creation(
    read_model: ReadModel, queries: Queries
) -> None:
    whole = await queries.list_()
    changed = whole[1].orders[0]
    changed.status = ORDER_STATUS_CANCELLED
    changed.update_time.FromMicroseconds(CREATE_TIME_US + 10**6)
    await read_model.put(changed, an_order(create_time_us=CREATE_TIME_US + 10**6))
    rest = await queries.list_(resume_token=whole[1].resume_token)
    assert ids(whole[:2]) + ids(rest) == ids(whole)


@pytest.mark.usefixtures("many_orders")
async def test_soon_after_a_break_also_changed_orders_come_exactly_once(
    read_model: ReadModel, queries: Queries
) -> None:
    first = await queries.list_(order_by="update_time", limit=250)
    as_of_time = first[0].freshness.as_of_time
    sent_already, to_come = first[0].orders[0], an_order(create_time_us=CREATE_TIME_US)
    sent_already.update_time.FromMicroseconds(CREATE_TIME_US + 10**6)
    await read_model.put(sent_already, to_come)
    rest = await queries.list_(order_by="update_time", resume_token=first[-1].resume_token)
    assert len(ids(first) + ids(rest)) == len({*ids(first), *ids(rest)}) == ORDER_COUNT
    assert rest[0].freshness.as_of_time == as_of_time


@pytest.mark.usefixtures("many_orders")
async def test_when_its_point_in_time_is_gone_a_list_goes_on_in_a_new_one(
    read_model: ReadModel, queries: Queries
) -> None:
    whole = await queries.list_(order_by="update_time")
    first = await queries.list_(order_by="update_time", limit=250)
    await read_model.client.close_point_in_time(id=_elasticsearch_id(first[-1].resume_token))
    assert await read_model.open_points_in_time() == 1, "that of the whole list"
    rest = await queries.list_(order_by="update_time", resume_token=first[-1].resume_token)
    assert ids(first) + ids(rest) == ids(whole)


@pytest.mark.usefixtures("many_orders")
@pytest.mark.parametrize("order_by", ["update_time", "update_time desc", "total_amount", "total_amount desc"])
async def test_a_list_that_was_sent_whole_is_continued_exactly_where_its_reader_lost_it(
    order_by: str, read_model: ReadModel, queries: Queries
) -> None:
    whole = await queries.list_(order_by=order_by)
    changed = [*whole[0].orders[:10], *whole[-1].orders[:10]]
    for order in changed:
        order.update_time.FromMicroseconds(CREATE_TIME_US + 5)
        order.total_amount.CopyFrom(euros(12))
    await read_model.put(*changed, an_order(create_time_us=CREATE_TIME_US))
    for boundary in (0, 3, 3):
        rest = await queries.list_(order_by=order_by, resume_token=whole[boundary].resume_token)
        assert ids(whole[: boundary + 1]) + ids(rest) == ids(whole)
        assert rest[0].freshness.as_of_time == whole[0].freshness.as_of_time


@pytest.mark.usefixtures("many_orders")
async def test_orders_of_others_do_not_disturb_a_search_by_relevance(read_model: ReadModel, queries: Queries) -> None:
    whole = await queries.search("green te", limit=1000)
    await read_model.put(*(an_order(item_names=["Green lamp", "Teapot"]) for _ in range(50)))
    rest = await queries.search("green te", resume_token=whole[0].resume_token)
    assert ids(whole[:1]) + ids(rest) == ids(whole)


@pytest.mark.usefixtures("many_orders")
async def test_a_search_by_relevance_is_not_continued_where_its_places_mean_nothing(
    read_model: ReadModel, queries: Queries
) -> None:
    token = (await queries.search("tea"))[-1].resume_token
    late = an_order()
    await read_model.put(late)
    seen = {"consistency_tokens": [consistency_token("order", late.order_id, 1)]}
    refusal = await refusal_of(queries.search("tea", resume_token=token, **seen))
    assert (refusal.reason, refusal.fields) == ("TOKEN_INVALID", ["resume_token"])
    assert ids(await queries.search("tea", resume_token=token)), "without the other token it goes on"
    await read_model.client.close_point_in_time(id=_elasticsearch_id(token))
    refusal = await refusal_of(queries.search("tea", resume_token=token))
    assert (refusal.reason, refusal.fields) == ("TOKEN_INVALID", ["resume_token"])
    assert await read_model.open_points_in_time() == 0
    await read_model.delete()
    assert (await refusal_of(queries.search("tea", resume_token=token))).reason == "READ_MODEL_UNAVAILABLE"


@pytest.mark.usefixtures("many_orders")
async def test_a_list_whose_tokens_need_no_point_in_time_leaves_none(queries: Queries, read_model: ReadModel) -> None:
    assert len(await queries.list_()) > 1
    few = OrderFilter(max_total=euros(10))
    for answer in (
        await queries.list_(order_by="update_time", filter=few),
        await queries.search("tea", filter=few),
    ):
        assert [chunk.resume_token for chunk in answer] == [""]
    assert await read_model.open_points_in_time() == 0


@pytest.mark.usefixtures("many_orders")
async def test_of_more_than_a_few_points_in_time_the_one_left_longest_ago_is_closed(
    read_model: ReadModel, start_service: StartService
) -> None:
    queries = await start_service(left_points_in_time=2)
    tokens = [(await queries.search("tea"))[-1].resume_token for _ in range(3)]
    assert await read_model.open_points_in_time() == 2
    assert (await refusal_of(queries.search("tea", resume_token=tokens[0]))).reason == "TOKEN_INVALID"
    assert ids(await queries.search("tea", resume_token=tokens[1]))
    await queries.search("tea")
    assert (await refusal_of(queries.search("tea", resume_token=tokens[2]))).reason == "TOKEN_INVALID"
    assert ids(await queries.search("tea", resume_token=tokens[1])), "it was used since"


async def _token(queries: Queries) -> str:
    token: str = (await queries.list_(limit=100))[0].resume_token
    assert token
    return token


@pytest.mark.usefixtures("many_orders")
async def test_a_token_is_refused_when_any_part_of_it_was_changed(queries: Queries) -> None:
    token = await _token(queries)
    payload, stamp, signature = token.rsplit(".", 2)
    other = "B" if stamp.endswith("A") else "A"
    for changed in (
        f"A{token}",
        token[:-1],
        f"{payload[:-4]}AAAA.{stamp}.{signature}",
        f"{payload}.{stamp[:-1]}{other}.{signature}",
        payload,
        "no token",
        "\u00e4.\u00e4.\u00e4",
    ):
        refusal = await refusal_of(queries.list_(resume_token=changed))
        assert (refusal.reason, refusal.fields) == ("TOKEN_INVALID", ["resume_token"]), changed


@pytest.mark.usefixtures("many_orders")
@pytest.mark.parametrize(
    "other",
    [
        {"order_by": "create_time"},
        {"filter": OrderFilter(customer_id=CUSTOMER_ID)},
        {"filter": OrderFilter(statuses=[ORDER_STATUS_PENDING])},
        {"filter": OrderFilter(max_total=euros(1000))},
    ],
)
async def test_a_token_is_refused_for_another_query(other: dict[str, Any], queries: Queries) -> None:
    token = await _token(queries)
    refusal = await refusal_of(queries.list_(resume_token=token, **other))
    assert (refusal.reason, refusal.fields) == ("TOKEN_INVALID", ["resume_token"])


@pytest.mark.usefixtures("many_orders")
async def test_a_token_of_a_list_is_refused_by_a_search(queries: Queries) -> None:
    refusal = await refusal_of(queries.search(order_by="create_time desc", resume_token=await _token(queries)))
    assert (refusal.reason, refusal.fields) == ("TOKEN_INVALID", ["resume_token"])


@pytest.mark.usefixtures("many_orders")
async def test_spelling_the_same_query_otherwise_does_not_matter(queries: Queries) -> None:
    asked = OrderFilter(customer_id=CUSTOMER_ID, statuses=[ORDER_STATUS_CANCELLED, ORDER_STATUS_PENDING])
    same = OrderFilter(
        customer_id=CUSTOMER_ID.upper(), statuses=[ORDER_STATUS_PENDING, ORDER_STATUS_CANCELLED, ORDER_STATUS_PENDING]
    )
    first = await queries.list_(filter=asked)
    rest = await queries.list_(filter=same, order_by=" create_time  desc ", resume_token=first[0].resume_token)
    assert ids(first[:1]) + ids(rest) == ids(first)


@pytest.mark.usefixtures("many_orders")
async def test_a_token_of_a_server_with_another_key_is_refused(queries: Queries, start_service: StartService) -> None:
    foreign = await start_service(token_signing_key="another key of some length")
    refusal = await refusal_of(queries.list_(resume_token=await _token(foreign)))
    assert (refusal.reason, refusal.fields) == ("TOKEN_INVALID", ["resume_token"])


@pytest.mark.usefixtures("many_orders")
async def test_a_token_expires_after_a_day(queries: Queries, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as yesterday:
        yesterday.setattr(TimestampSigner, "get_timestamp", lambda _: int(time.time()) - 86400 - 2)
        token = await _token(queries)
    refusal = await refusal_of(queries.list_(resume_token=token))
    assert (refusal.reason, refusal.fields) == ("TOKEN_INVALID", ["resume_token"])
