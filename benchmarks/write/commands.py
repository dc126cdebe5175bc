"""Durable CreateOrder over gRPC against a bare echo of the same messages, both called by ghz."""

import asyncio
from collections.abc import Mapping

from benchmarks.database import BenchDatabase
from benchmarks.echo import echoes
from benchmarks.figures import ROUNDS, Figure, interleaved
from benchmarks.ghz import CONCURRENCY, calls, percentile, rate
from benchmarks.processes import server
from benchmarks.write.peer import Peer
from deploy.local.profile import Profile
from orderflow.orders.v1 import command_service_pb2, commands_pb2, order_pb2

_REQUESTS = 10_000
METHOD = command_service_pb2.DESCRIPTOR.services_by_name["OrderCommandService"].methods_by_name["CreateOrder"]
_ITEM = {"product_name": "Green tea", "quantity": 3, "unit_price": {"currency_code": "EUR", "units": 4}}
REQUEST = {
    "request_id": "{{newUUID}}",
    "customer_id": "6f1c2a6e-8a7e-4c3e-9d0b-0a4a4f3f2b11",
    "items": [{"sku": "TEA-1", **_ITEM}, {"sku": "TEA-2", **_ITEM}],
    "shipping_address": {
        "recipient": "Zoë", "address_lines": ["Street 1"], "postal_code": "10115", "locality": "Berlin",
        "region_code": "DE",
    },
}  # fmt: skip
ANSWER = commands_pb2.CreateOrderResponse(
    order_id="a05c2b87-81e2-5ec8-a256-1fb5d59d03a9",
    version=1,
    status=order_pb2.ORDER_STATUS_PENDING,
    consistency_token="x" * 150,
)


async def commands_against_echo(bench: BenchDatabase, processes: int, reach: float) -> Figure:
    """CreateOrder with every feature on, in so many processes, against as many echo processes."""
    async with (
        server(command_server(processes), command_settings(bench)) as (ours, _),
        echoes(METHOD, ANSWER, processes) as echo,
    ):
        values, detail = await interleaved(lambda: command_rate(ours), lambda: command_rate(echo))
    name = f"CreateOrder over gRPC, {processes} process(es) / bare echo, {processes}"
    return Figure(name, values, reach, detail=detail)


async def commands_against_a_peer(bench: BenchDatabase) -> Figure:
    """CreateOrder over gRPC in two processes against the library `eventsourcing` in one, without any network."""
    peer = await asyncio.to_thread(Peer, bench)
    async with server(command_server(2), command_settings(bench)) as (address, _):
        values, detail = await interleaved(lambda: command_rate(address), lambda: asyncio.to_thread(peer.rate))
    peer.close()
    name = f"CreateOrder over gRPC, 2 processes / eventsourcing in-process, {peer.threads} thread(s)"
    return Figure(name, values, 3, detail=detail)


async def goodput_under_overload(bench: BenchDatabase) -> Figure:
    """Accepted commands a second when eight times as many callers come as may wait, against the peak."""
    narrow = {**command_settings(bench), "MAX_WAITING_COMMANDS": str(CONCURRENCY)}
    async with server(command_server(1), narrow) as (address, _):
        values, detail = await interleaved(lambda: _goodput(address), lambda: command_rate(address))
    return Figure("accepted commands a second at 8 times the bound of waiting / at peak", values, 0.8, detail=detail)


async def latency_at_half_load(bench: BenchDatabase) -> Figure:
    """The 99th percentile's ratio to the median at half of the peak rate."""
    async with server(command_server(1), command_settings(bench)) as (address, _):
        peak = await command_rate(address)
        half = ("--rps", str(int(peak / 2)), "--async")
        reports = [await calls(address, METHOD, REQUEST, _REQUESTS // 2, *half) for _ in range(ROUNDS)]
    marks = [{percent: percentile(report, percent) for percent in (50, 99)} for report in reports]
    values = tuple(each[99] / each[50] for each in marks)
    middle = sorted(marks, key=lambda each: each[99])[len(marks) // 2]
    detail = f"{peak / 2:,.0f}/s: p50 {middle[50] * 1000:.1f} ms, p99 {middle[99] * 1000:.1f} ms"
    return Figure("command p99 at half of peak load / its p50", values, 4, at_least=False, detail=detail)


async def command_rate(address: str) -> float:
    """Commands a second, all of them accepted."""
    return await rate(address, METHOD, REQUEST, _REQUESTS)


async def _goodput(address: str) -> float:
    """Calls a second that were answered OK, of far more callers than may wait."""
    either = ("OK", "ResourceExhausted")
    report = await calls(address, METHOD, REQUEST, _REQUESTS, concurrency=8 * CONCURRENCY, answers=either)
    return float(report["rps"]) * float(report["statusCodeDistribution"]["OK"]) / _REQUESTS


def command_server(processes: int) -> list[str]:
    """Python's arguments for a command server of so many processes."""
    return ["-m", "command_service", "--no-relay", "--no-fulfillment", "--workers", str(processes)]


def command_settings(bench: BenchDatabase) -> Mapping[str, str]:
    """The server's settings."""
    return {**Profile("test").environment(), "WRITE_DB_URL": bench.url, "WRITE_DB_OWNER_URL": bench.owner_url}
