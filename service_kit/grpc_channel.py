"""Client channels: retries, keep-alive and trace context, the same for every caller in this project."""

from importlib.resources import files

import grpc
from opentelemetry.instrumentation.grpc import aio_client_interceptors

_SERVICE_CONFIG = files("orderflow").joinpath("service_config.json").read_text()
_OPTIONS = [
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.enable_retries", 1),
    ("grpc.keepalive_time_ms", 30 * 1000),
    ("grpc.keepalive_timeout_ms", 10 * 1000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
]


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to `host:port` that retries UNAVAILABLE as the shipped service config says.

    A retry of a command is safe because every command of this project carries a request id.
    """
    tracing = aio_client_interceptors()  # type: ignore[no-untyped-call]
    return grpc.aio.insecure_channel(address, options=_OPTIONS, interceptors=tracing)
