"""What the probe says of a server, as containers and the local stack ask it."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from service_kit.health_probe import main

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def server() -> Iterator[tuple[health.HealthServicer, str]]:
    servicer = health.HealthServicer()
    running = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield servicer, f"127.0.0.1:{port}"
    running.stop(None).wait()


@pytest.mark.parametrize(("says", "exit_status"), [(SERVING, 0), (NOT_SERVING, 1)])
def test_a_server_is_healthy_when_it_says_serving(
    server: tuple[health.HealthServicer, str], says: int, exit_status: int
) -> None:
    servicer, address = server
    servicer.set("", says)
    assert main([address]) == exit_status


def test_nobody_there_is_not_healthy_and_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["127.0.0.1:1"]) == 1
    assert "127.0.0.1:1: UNAVAILABLE" in capsys.readouterr().err


def test_without_an_address_the_server_of_this_container_is_asked(
    server: tuple[health.HealthServicer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    servicer, address = server
    servicer.set("", SERVING)
    monkeypatch.setenv("GRPC_LISTEN_ADDRESS", f"0.0.0.0:{address.rpartition(':')[2]}")
    assert main([]) == 0
