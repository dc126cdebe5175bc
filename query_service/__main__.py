"""Runs the query service: `python -m query_service`."""

from functools import partial

import uvloop

from query_service.app import serve
from query_service.settings import QuerySettings
from service_kit.process import run
from service_kit.settings import load

if __name__ == "__main__":
    settings = load(QuerySettings)
    run("query_service", settings, partial(serve, settings), new_loop=uvloop.new_event_loop)
