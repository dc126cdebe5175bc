"""What a process keeps of documents in memory."""

import asyncio
import base64
import uuid

import pytest
from elasticsearch import AsyncElasticsearch

from orderflow.orders.v1 import order_pb2, views_pb2
from projector.documents import Document, Documents, Presents
from projector.generations import Generations
from projector.patience import Patience
from read_models import orders
from read_models.orders import ORDERS
from tests.integration.projector.elasticsearch_proxy import ElasticsearchProxy
from tests.integration.projector.read_side import ReadSide
from tests.integration.projector.write_side import WriteSide
from tests.unit.read_models.builders import confirmed, created


def _version(document: Document[views_pb2.OrderView]) -> int:
    assert document.view
    return document.view.version


async def test_an_answer_that_comes_late_does_not_replace_what_is_newer(read_side: ReadSide, order_id: str) -> None:
    generations = Generations(read_side.elasticsearch, ORDERS, read_side.prefix)
    await generations.create_first()
    proxy = ElasticsearchProxy()
    async with AsyncElasticsearch(await proxy.start(), max_retries=0) as elasticsearch:
        patience = Patience(asyncio.Event())
        documents = Documents(ORDERS, elasticsearch, await generations.live(), patience, cached=100, now_us=lambda: 0)

        async def goes_on(present: Presents[views_pb2.OrderView]) -> dict[str, views_pb2.OrderView]:
            before = present[order_id]
            event = confirmed(order_id=order_id) if before else created(order_id=order_id)
            return {order_id: orders.evolve(before, event, before.version + 1 if before else 1)}

        assert await documents.update([order_id], goes_on, {}) == {}
        documents.forget([order_id])
        read, over = asyncio.Event(), asyncio.Event()

        async def held(path: str, _: bytes) -> None:
            if path.endswith("/_mget") and not read.is_set():
                read.set()
                await over.wait()

        proxy.after = held
        slow = asyncio.create_task(documents.read([order_id]))
        await read.wait()
        assert await documents.update([order_id], goes_on, {}) == {}
        over.set()
        assert _version((await slow)[order_id]) == 1
        assert _version((await documents.read([order_id]))[order_id]) == 2
    await proxy.stop()


@pytest.mark.usefixtures("projector")
async def test_a_document_that_cannot_be_read_is_made_anew(
    write_side: WriteSide, read_side: ReadSide, order_id: str
) -> None:
    """By the order's next event; until then it stops nobody, though it asks to be completed."""
    write_side.publish(*write_side.record(created(order_id=order_id)))
    await read_side.caught_up()
    await read_side.elasticsearch.update(
        index=read_side.index, id=order_id, doc={"view": base64.b64encode(b"\xff").decode(), "enrichment": "PENDING"}
    )
    write_side.publish(*write_side.record(created(order_id=str(uuid.uuid4()))))
    await read_side.caught_up()
    write_side.publish(*write_side.record(confirmed(order_id=order_id)))
    await read_side.caught_up()
    assert (await read_side.view(order_id)).status == order_pb2.ORDER_STATUS_CONFIRMED
