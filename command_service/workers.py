"""Several command server processes behind one port: the kernel spreads connections over them.

This process serves nothing and never imports gRPC; its workers are interpreters of their own.
"""

import asyncio
import socket

from command_service.event_store.schema import migrate
from command_service.event_store.sharding import agree_on_shards
from command_service.personal_data.master_key_agreement import agree_on_master_keys
from command_service.settings import CommandSettings
from command_service.supervision import FIRST_WORKER_NUMBER, supervise, supervise_fulfillment


async def serve(
    settings: CommandSettings, stop: asyncio.Event, *, workers: int, with_relay: bool, with_fulfillment: bool
) -> None:
    """Supervises the workers, and a relay and fulfillment unless told otherwise, until `stop` is set.

    Raises:
        OSError: the address is taken.
    """
    if settings.write_db_owner_url:
        await asyncio.to_thread(migrate, settings.write_db_owner_url, settings.write_db_url)
    await asyncio.to_thread(agree_on_shards, settings.write_db_url, settings.log_shards)
    await asyncio.to_thread(agree_on_master_keys, settings.write_db_url, settings.master_keys)
    _require_free(settings.grpc_listen_address)
    async with asyncio.TaskGroup() as children:
        if with_relay:
            children.create_task(supervise("command_service.relay", stop))
        if with_fulfillment:
            children.create_task(supervise_fulfillment(settings.grpc_listen_address, stop))
        for worker in range(workers):
            children.create_task(supervise("command_service", stop, number=FIRST_WORKER_NUMBER + worker))


def _require_free(address: str) -> None:
    """Refuses a port that another program serves: workers share theirs, and would share with it, too."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise OSError(f"GRPC_LISTEN_ADDRESS {address} cannot be bound; is the port taken?") from error
