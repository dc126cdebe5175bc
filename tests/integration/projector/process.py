"""The projector as people start it."""

from functools import partial

from tests.support import service_process

started = partial(service_process.started, "projector")
