"""The duration, the refusals and the running calls that a server tells of."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from orderflow.common.v1 import errors_pb2
from service_kit.errors import TryLater
from tests.support.eventually import eventually
from tests.support.measured import Measured, measured
from tests.unit.service_kit.in_process import GET, Server, ends, serving

SERVICE = "orderflow.orders.v1.OrderQueryService"
DURATION, RUNNING = "rpc.server.call.duration", "orderflow.rpc.server.calls.running"
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
SAMPLED, NOT_SAMPLED = ((("traceparent", f"00-{TRACE_ID:032x}-00f067aa0ba902b7-{flags}"),) for flags in ("01", "00"))

both = pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])


class Away(TryLater):
    """A refusal."""

    reason = errors_pb2.ERROR_REASON_STORE_UNAVAILABLE


@pytest.fixture
async def measuring(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, Measured]]:
    with measured(monkeypatch) as found:
        async with serving() as server:
            yield server, found


async def statuses(found: Measured) -> list[str]:
    """The status of each ended call; the measurement comes a moment after the client's answer."""

    async def ended() -> list[str] | None:
        return [labels["rpc.response.status_code"] for labels, _ in found.histograms(DURATION)] or None

    return await eventually(ended, within=20, what="a duration")


@both
@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (None, "OK", None),
        (Away("away"), "UNAVAILABLE", "STORE_UNAVAILABLE"),
        (ZeroDivisionError(), "INTERNAL", None),
    ],
    ids=["ok", "refused", "uncaught"],
)
async def test_a_call_is_measured_once_with_its_status_and_a_refusal_with_its_reason(
    measuring: tuple[Server, Measured], error: Exception | None, status: str, reason: str | None, *, streaming: bool
) -> None:
    server, found = measuring
    ends(server, error)
    try:
        await (server.list() if streaming else server.get())
    except grpc.aio.AioRpcError as refused:
        assert refused.code().name == status  # noqa: PT017 -- one of the three is answered
    assert await statuses(found) == [status]
    ((labels, point),) = found.histograms(DURATION)
    method = f"{SERVICE}/{'ListOrders' if streaming else 'GetOrder'}"
    fault = {} if status == "OK" else {"error.type": status}
    assert labels == {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": status, **fault}
    assert point.count == 1
    assert 0 < point.sum < 20
    refusals = [({"rpc.method": method, "orderflow.error.reason": reason}, 1)] if reason else []
    assert found.values("orderflow.rpc.server.refusals") == refusals
    metric = found.metric(DURATION)
    assert metric is not None
    assert metric.unit == "s"


@both
@pytest.mark.parametrize(("seconds", "status"), [(None, "CANCELLED"), (1, "DEADLINE_EXCEEDED")])
async def test_a_call_counts_as_running_until_it_is_cancelled_or_too_late(
    measuring: tuple[Server, Measured], seconds: float | None, status: str, *, streaming: bool
) -> None:
    server, found = measuring
    ends(server, waits=True)
    await server.channel.channel_ready()  # or the deadline may pass before the server hears of the call
    method = f"{SERVICE}/{'ListOrders' if streaming else 'GetOrder'}"
    call = asyncio.create_task(server.list(timeout=seconds) if streaming else server.get(timeout=seconds))
    if seconds is None:
        await server.scripted.called.wait()
        assert ({"rpc.system.name": "grpc", "rpc.method": method}, 1) in found.values(RUNNING)
        call.cancel()
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call
    assert await statuses(found) == [status]
    assert ({"rpc.system.name": "grpc", "rpc.method": method}, 0) in found.values(RUNNING)


@pytest.mark.usefixtures("spans")
@pytest.mark.parametrize(("metadata", "traces"), [(SAMPLED, [TRACE_ID]), (NOT_SAMPLED, [])])
async def test_a_duration_shows_a_sampled_calls_trace_as_an_example(
    measuring: tuple[Server, Measured], metadata: tuple[tuple[str, str], ...], traces: list[int]
) -> None:
    server, found = measuring
    await server.stub.GetOrder(GET, metadata=metadata)

    async def examples() -> list[int] | None:
        points = found.histograms(DURATION)  # the next look would find no examples any more
        return [each.trace_id or 0 for _, point in points for each in point.exemplars] if points else None

    assert await eventually(examples, within=20) == traces
