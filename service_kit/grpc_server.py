"""A gRPC server process: our layers, health, reflection, readiness by dependency, and a drain on stop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from service_kit.grpc_errors import Errors
from service_kit.grpc_layers import Layers
from service_kit.grpc_tracing import Tracing
from service_kit.grpc_validation import Validation
from service_kit.settings import ServiceSettings

ReadinessCheck = Callable[[], Awaitable[None]]
_CHECK_SECONDS = 1.0
_CLEAN_UP_SECONDS = 5.0
_MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_connection_age_ms", 30 * 60 * 1000),
    ("grpc.max_connection_age_grace_ms", 60 * 1000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10 * 1000),
    ("grpc.keepalive_time_ms", 60 * 1000),
    ("grpc.keepalive_timeout_ms", 20 * 1000),
]
_log = structlog.get_logger("service_kit.grpc")


class GrpcServer:
    """Serves the added servicers until told to stop.

    Args:
        checks: by the dependency's name, a call that raises while the dependency is away; the process
            answers NOT_SERVING to health checks while one does.
        share_port: other processes may serve the same address; the kernel spreads connections.
    """

    def __init__(
        self, settings: ServiceSettings, checks: Mapping[str, ReadinessCheck], *, share_port: bool = False
    ) -> None:
        self._settings = settings
        self._checks = dict(checks)
        self._away: dict[str, str] = {}
        self._health = health.aio.HealthServicer()
        self._names: list[str] = []
        self._layers = Layers([Tracing(), Errors(), Validation()])
        self.grpc = grpc.aio.server(
            interceptors=[self._layers], options=[*_OPTIONS, ("grpc.so_reuseport", int(share_port))]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)

    async def serve(self, services: Sequence[ServiceDescriptor], stop: asyncio.Event) -> None:
        """Serves until `stop` is set, then refuses new calls and lets those in flight finish.

        Raises:
            OSError: the address is taken.
        """
        self._names = ["", *(service.full_name for service in services)]
        if self._settings.grpc_reflection:
            names = [*self._names[1:], health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self.grpc)
        self._bind()
        await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)  # until the first look at the dependencies
        await self.grpc.start()
        _log.info("serving", address=self._settings.grpc_listen_address, authentication="off")
        checking = asyncio.create_task(self._watch_dependencies())
        try:
            await stop.wait()
            _log.info("draining", longest_seconds=self._settings.drain_seconds)
        finally:
            checking.cancel()
            await self._health.enter_graceful_shutdown()
            await self.grpc.stop(self._settings.drain_seconds)
            await self._layers.finish(_CLEAN_UP_SECONDS)
        _log.info("stopped")

    def _bind(self) -> None:
        address = self._settings.grpc_listen_address
        try:
            bound = self.grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"GRPC_LISTEN_ADDRESS {address} cannot be bound; is the port taken?") from error
        if bound == 0:
            raise OSError(f"GRPC_LISTEN_ADDRESS {address} cannot be bound; is the port taken?")

    async def _watch_dependencies(self) -> None:
        while True:
            away = {name: cause for name, check in self._checks.items() if (cause := await _cause(check))}
            if away.keys() != self._away.keys():
                _log.warning("dependencies away", away=away) if away else _log.info("all dependencies there")
            self._away = away
            answer = health_pb2.HealthCheckResponse
            await self._tell(answer.NOT_SERVING if away else answer.SERVING)
            await asyncio.sleep(_CHECK_SECONDS)

    async def _tell(self, serving: Any) -> None:
        for name in self._names:
            await self._health.set(name, serving)


async def _cause(check: ReadinessCheck) -> str:
    """Why the dependency is away; empty while it is there."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return ""
