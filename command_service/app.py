"""The command server's composition root: everything it serves, and what it is made of."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

from command_service.customers.aggregate import customer_aggregate
from command_service.customers.servicer import CustomerServicer
from command_service.event_store.database import Database
from command_service.event_store.postgres import PostgresEventStore
from command_service.event_store.retention import forget_old_requests
from command_service.event_store.schema import migrate
from command_service.event_store.servicer import EventLogServicer
from command_service.event_store.sharding import agree_on_shards
from command_service.handler import CommandHandler
from command_service.inventory.aggregate import stock_item_aggregate
from command_service.inventory.servicer import InventoryCommandServicer
from command_service.orders.aggregate import order_aggregate
from command_service.orders.servicer import OrderCommandServicer
from command_service.personal_data.admin_servicer import PersonalDataAdminServicer
from command_service.personal_data.erasure_check import ErasureCheck
from command_service.personal_data.keys import Keys
from command_service.personal_data.master_key_agreement import agree_on_master_keys
from command_service.personal_data.master_keys import MasterKeys
from command_service.personal_data.sealed_event_store import SealedEventStore
from command_service.personal_data.servicer import PersonalDataServicer
from command_service.relay.admin_servicer import RelayAdminServicer
from command_service.request import Digests
from command_service.settings import CommandSettings
from command_service.supervision import supervise, supervise_fulfillment
from orderflow.admin.v1 import (
    personal_data_admin_service_pb2,
    personal_data_admin_service_pb2_grpc,
    relay_admin_service_pb2,
    relay_admin_service_pb2_grpc,
)
from orderflow.customers.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
    personal_data_service_pb2,
    personal_data_service_pb2_grpc,
)
from orderflow.events.v1 import event_log_pb2, event_log_pb2_grpc
from orderflow.inventory.v1 import inventory_command_service_pb2, inventory_command_service_pb2_grpc
from orderflow.orders.v1 import command_service_pb2, command_service_pb2_grpc
from service_kit.grpc_server import GrpcServer

SERVICES = [
    command_service_pb2.DESCRIPTOR.services_by_name["OrderCommandService"],
    customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"],
    personal_data_service_pb2.DESCRIPTOR.services_by_name["PersonalDataService"],
    inventory_command_service_pb2.DESCRIPTOR.services_by_name["InventoryCommandService"],
    event_log_pb2.DESCRIPTOR.services_by_name["EventLogService"],
    relay_admin_service_pb2.DESCRIPTOR.services_by_name["RelayAdminService"],
    personal_data_admin_service_pb2.DESCRIPTOR.services_by_name["PersonalDataAdminService"],
]


async def serve(
    settings: CommandSettings,
    stop: asyncio.Event,
    *,
    with_relay: bool = True,
    with_fulfillment: bool = True,
    is_worker: bool = False,
) -> None:
    """Serves commands until `stop` is set; supervises a relay and fulfillment unless told otherwise.

    Args:
        is_worker: one of several that share the port; whoever started them has migrated the schema.
    """
    if settings.write_db_owner_url and not is_worker:
        await asyncio.to_thread(migrate, settings.write_db_owner_url, settings.write_db_url)
    await asyncio.to_thread(agree_on_shards, settings.write_db_url, settings.log_shards)
    master_keys = settings.master_keys
    await asyncio.to_thread(agree_on_master_keys, settings.write_db_url, master_keys)
    async with AsyncExitStack() as resources:
        database = await resources.enter_async_context(
            Database(settings.write_db_url, max_connections=settings.write_db_connections)
        )
        store = await resources.enter_async_context(
            PostgresEventStore(database, settings.log_shards, max_waiting=settings.max_waiting_commands)
        )
        keys = Keys(
            database,
            master_keys,
            cached=settings.personal_data_cached_keys,
            seconds=settings.personal_data_key_seconds,
        )
        server = _server(settings, database, store, keys, master_keys, share_port=is_worker)
        async with asyncio.TaskGroup() as tasks:
            if with_relay:
                tasks.create_task(supervise("command_service.relay", stop))
            if with_fulfillment:
                tasks.create_task(supervise_fulfillment(settings.grpc_listen_address, stop))
            tasks.create_task(keys.keep_settling(stop))
            tasks.create_task(forget_old_requests(database, settings.request_id_days, stop))
            tasks.create_task(server.serve(SERVICES, stop))


def _server(
    settings: CommandSettings,
    database: Database,
    store: PostgresEventStore,
    keys: Keys,
    master_keys: MasterKeys,
    *,
    share_port: bool,
) -> GrpcServer:
    sealed = SealedEventStore(store, keys)
    handler = partial(
        CommandHandler,
        store=sealed,
        cached_states=settings.cached_states,
        clock=partial(datetime.now, UTC),
        new_id=uuid.uuid4,
        digests=Digests(master_keys.digest_key, master_keys.id),
        check=sealed.check,
    )
    orders = handler(order_aggregate(timedelta(days=settings.estimated_delivery_days)))
    customers = handler(customer_aggregate())
    stock = handler(stock_item_aggregate())
    server = GrpcServer(settings, {"postgresql": database.check}, share_port=share_port)
    command_service_pb2_grpc.add_OrderCommandServiceServicer_to_server(OrderCommandServicer(orders), server.grpc)
    customer_service_pb2_grpc.add_CustomerServiceServicer_to_server(CustomerServicer(customers), server.grpc)
    inventory_command_service_pb2_grpc.add_InventoryCommandServiceServicer_to_server(
        InventoryCommandServicer(stock), server.grpc
    )
    personal_data_service_pb2_grpc.add_PersonalDataServiceServicer_to_server(PersonalDataServicer(keys), server.grpc)
    event_log_pb2_grpc.add_EventLogServiceServicer_to_server(EventLogServicer(store, settings.log_shards), server.grpc)
    relay_admin_service_pb2_grpc.add_RelayAdminServiceServicer_to_server(RelayAdminServicer(database), server.grpc)
    personal_data_admin_service_pb2_grpc.add_PersonalDataAdminServiceServicer_to_server(
        PersonalDataAdminServicer(ErasureCheck(database, store, settings.log_shards)), server.grpc
    )
    return server
