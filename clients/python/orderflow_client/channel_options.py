"""How channels are set: the shipped service config (retries, deadlines), keep-alive and message size."""

from importlib.resources import files

SERVICE_CONFIG = files("orderflow").joinpath("service_config.json").read_text()
"""Retries UNAVAILABLE unless the server pushes back; gives unary calls a deadline."""

OPTIONS = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.enable_retries", 1),
    ("grpc.keepalive_time_ms", 30 * 1000),
    ("grpc.keepalive_timeout_ms", 10 * 1000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)
