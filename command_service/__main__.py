"""`python -m command_service`: serves commands; supervises the relay that publishes them, and fulfillment."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import uvloop

from command_service.fulfillment.settings import FulfillmentSettings
from command_service.relay.settings import RelaySettings
from command_service.settings import CommandSettings
from service_kit import process
from service_kit.settings import load

if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m command_service", description=__doc__)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that serve (default: 1)")
    parser.add_argument("--no-relay", action="store_true", help="run `python -m command_service.relay` yourself")
    parser.add_argument(
        "--no-fulfillment", action="store_true", help="run `python -m command_service.fulfillment` yourself"
    )
    parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.workers < 1:
        parser.error("--workers must be at least 1")
    settings = load(CommandSettings)
    with_relay = not (given.no_relay or given.supervised)
    if with_relay:
        load(RelaySettings)  # what the relay would not start with is said here, once
    with_fulfillment = not (given.no_fulfillment or given.supervised)
    if with_fulfillment:
        load(FulfillmentSettings)

    serve: Callable[[asyncio.Event], Awaitable[None]]
    if given.workers > 1:
        from command_service import workers  # its process stays without gRPC

        serve = partial(
            workers.serve,
            settings,
            workers=given.workers,
            with_relay=with_relay,
            with_fulfillment=with_fulfillment,
        )
    else:
        from command_service import app

        serve = partial(
            app.serve,
            settings,
            with_relay=with_relay,
            with_fulfillment=with_fulfillment,
            is_worker=given.supervised,
        )
    process.run("command_service", settings, serve, watch_stdin=given.supervised, new_loop=uvloop.new_event_loop)
