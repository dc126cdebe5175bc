"""The whole system, started once for all end-to-end tests, exporting its telemetry to the tests."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.stack import Stack
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.system import SERVICES, Clients, System


@pytest.fixture(scope="package")
def otlp() -> Iterator[OtlpReceiver]:
    """What the processes export."""
    receiver = OtlpReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="package")
def system(otlp: OtlpReceiver) -> Iterator[System]:
    """The test profile's servers and services; the services are stopped afterwards."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "CUSTOMER_TIMEOUT_SECONDS": "20",  # one given up on a busy machine comes later, in no trace of an order
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        stack = Stack("test")
        stack.up()
        yield System(stack)
        stack.down(SERVICES)


@pytest.fixture
async def clients(system: System) -> AsyncIterator[Clients]:
    """Stubs for one test."""
    async with system.clients() as clients:
        yield clients
