"""The composition root of the query service."""

import asyncio
import os
from contextlib import AsyncExitStack
from datetime import timedelta

import grpc
from elasticsearch import AsyncElasticsearch, OrjsonSerializer
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from orderflow.fulfillment.v1 import query_service_pb2 as fulfillment_query_service_pb2
from orderflow.fulfillment.v1 import query_service_pb2_grpc as fulfillment_query_service_pb2_grpc
from orderflow.inventory.v1 import inventory_query_service_pb2, inventory_query_service_pb2_grpc
from orderflow.orders.v1 import query_service_pb2, query_service_pb2_grpc
from query_service.change_feed import ChangeFeed
from query_service.changed_orders import ChangedOrders
from query_service.chunk_stream import ChunkStream
from query_service.customer_summaries import GetCustomerSummary, ListCustomerSummaries
from query_service.event_log import EventLog
from query_service.fulfillment_servicer import FulfillmentQueryServicer
from query_service.get_fulfillment import GetFulfillment
from query_service.get_order import GetOrder
from query_service.index import Index
from query_service.list_orders import ListOrders
from query_service.order_cache import CONNECTIONS, OrderCache
from query_service.order_history import GetOrderHistory
from query_service.order_index import OrderIndex
from query_service.order_reads import OrderReads
from query_service.pages import PageReader
from query_service.past_orders import PastOrders
from query_service.personal_data import PersonalData
from query_service.points_in_time import PointsInTime
from query_service.resume_token import ResumeTokens
from query_service.search_orders import SearchOrders
from query_service.servicer import OrderQueryServicer
from query_service.settings import QuerySettings
from query_service.stock_items import GetStockItem, ListStockItems
from query_service.stock_servicer import InventoryQueryServicer
from query_service.visibility import OrdersVisible, StockVisible, Visibility
from query_service.watch_orders import WatchOrders
from service_kit.grpc_channel import open_channel
from service_kit.grpc_server import GrpcServer
from service_kit.view_cache import ViewCache

SERVICES = [
    query_service_pb2.DESCRIPTOR.services_by_name["OrderQueryService"],
    inventory_query_service_pb2.DESCRIPTOR.services_by_name["InventoryQueryService"],
    fulfillment_query_service_pb2.DESCRIPTOR.services_by_name["FulfillmentQueryService"],
]


async def serve(settings: QuerySettings, stop: asyncio.Event) -> None:
    """Serves queries until `stop` is set."""
    async with AsyncExitStack() as resources:
        elasticsearch = _open_elasticsearch(settings)
        resources.push_async_callback(elasticsearch.close)
        redis = _open_redis(settings)
        resources.push_async_callback(redis.aclose)
        commands = await resources.enter_async_context(open_channel(settings.command_service_address))
        index = OrderIndex(
            elasticsearch, f"{settings.read_index_prefix}-orders", call_seconds=settings.read_timeout_seconds
        )
        resources.push_async_callback(index.finish)
        stock = Index(elasticsearch, f"{settings.read_index_prefix}-stock", call_seconds=settings.read_timeout_seconds)
        resources.push_async_callback(stock.finish)
        server = GrpcServer(settings, {"elasticsearch": index.check})
        changed = ChangedOrders(elasticsearch, index.alias, call_seconds=settings.read_timeout_seconds)
        tokens = ResumeTokens(settings.token_signing_key.get_secret_value(), seconds=settings.resume_token_seconds)
        servicer = _orders(settings, index, changed, redis, commands, tokens=tokens)
        query_service_pb2_grpc.add_OrderQueryServiceServicer_to_server(servicer, server.grpc)
        inventory_query_service_pb2_grpc.add_InventoryQueryServiceServicer_to_server(
            _stock(settings, stock, tokens), server.grpc
        )
        fulfillment_query_service_pb2_grpc.add_FulfillmentQueryServiceServicer_to_server(
            FulfillmentQueryServicer(GetFulfillment(EventLog(commands))), server.grpc
        )
        await server.serve(SERVICES, stop)


def _orders(
    settings: QuerySettings,
    index: OrderIndex,
    changed: ChangedOrders,
    redis: "Redis",
    commands: grpc.aio.Channel,
    *,
    tokens: ResumeTokens,
) -> OrderQueryServicer:
    wait_seconds = settings.consistency_wait_seconds
    time_to_live = timedelta(seconds=settings.cache_ttl_seconds)
    cache = OrderCache(ViewCache(redis, prefix="order:read:", time_to_live=time_to_live))
    reads = OrderReads(cache, index, at_once=settings.index_gets_at_once, most_waiting=settings.waiting_index_gets)
    log, personal_data = EventLog(commands), PersonalData(commands)
    feed = ChangeFeed(
        changed,
        poll_seconds=settings.watch_poll_seconds,
        most_watchers=settings.watches_at_once,
        most_kept=settings.watch_kept_changes,
    )
    points = _points(settings, index, OrdersVisible())
    stream = ChunkStream(points, PageReader(index, page_size=settings.page_size), tokens)
    return OrderQueryServicer(
        get=GetOrder(cache, reads, PastOrders(log, personal_data), wait_seconds=wait_seconds),
        list_=ListOrders(stream),
        search=SearchOrders(stream),
        history=GetOrderHistory(log, personal_data),
        watch=WatchOrders(feed, changed, tokens, heartbeat_seconds=settings.watch_heartbeat_seconds),
        summarize=GetCustomerSummary(points, index),
        list_summaries=ListCustomerSummaries(points, index, tokens),
    )


def _stock(settings: QuerySettings, index: Index, tokens: ResumeTokens) -> InventoryQueryServicer:
    points = _points(settings, index, StockVisible())
    stream = ChunkStream(points, PageReader(index, page_size=settings.page_size), tokens)
    return InventoryQueryServicer(
        get=GetStockItem(index, wait_seconds=settings.consistency_wait_seconds), list_=ListStockItems(stream)
    )


def _points(settings: QuerySettings, index: Index, visibility: Visibility) -> PointsInTime:
    return PointsInTime(
        index,
        visibility,
        wait_seconds=settings.consistency_wait_seconds,
        most_left_open=settings.left_points_in_time,
    )


def _open_elasticsearch(settings: QuerySettings) -> AsyncElasticsearch:
    # The client's own spans are no CLIENT spans and lack the index's name: Index leaves better ones.
    os.environ.setdefault("OTEL_PYTHON_INSTRUMENTATION_ELASTICSEARCH_ENABLED", "false")
    return AsyncElasticsearch(settings.read_es_url, max_retries=1, serializer=OrjsonSerializer())


def _open_redis(settings: QuerySettings) -> "Redis":
    """A client that gives up at once: what it is asked can be had elsewhere."""
    seconds = settings.cache_timeout_seconds
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=CONNECTIONS,
        timeout=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)
