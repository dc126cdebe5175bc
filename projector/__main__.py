"""Runs the projector: `python -m projector`."""

from functools import partial

import uvloop

from projector.app import serve
from projector.settings import ProjectorSettings
from service_kit import process
from service_kit.settings import load

if __name__ == "__main__":
    settings = load(ProjectorSettings)
    process.run("projector", settings, partial(serve, settings), new_loop=uvloop.new_event_loop)
