"""Durable CreateOrder over gRPC against a bare echo of the same messages, both called by ghz."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from benchmarks.database import BenchDatabase
from benchmarks.figures import ROUNDS, Figure, interleaved
from benchmarks.processes import free_address, listening, server, start, stop
from benchmarks.write.peer import Peer
from deploy.local.profile import Profile
from deploy.local.tools import tool
from orderflow.orders.v1 import command_service_pb2

_REQUESTS = 10_000
_CONCURRENCY = 64
_METHOD = "orderflow.orders.v1.OrderCommandService/CreateOrder"
_ITEM = {"product_name": "Green tea", "quantity": 3, "unit_price": {"currency_code": "EUR", "units": 4}}
_REQUEST = {
    "request_id": "{{newUUID}}",
    "customer_id": "6f1c2a6e-8a7e-4c3e-9d0b-0a4a4f3f2b11",
    "items": [{"sku": "TEA-1", **_ITEM}, {"sku": "TEA-2", **_ITEM}],
    "shipping_address": {
        "recipient": "Zoë", "address_lines": ["Street 1"], "postal_code": "10115", "locality": "Berlin",
        "region_code": "DE",
    },
}  # fmt: skip


async def commands_against_echo(bench: BenchDatabase, processes: int, reach: float) -> Figure:
    """CreateOrder with every feature on, in so many processes, against as many echo processes."""
    async with server(_ours(processes), _settings(bench)) as (ours, _), _echoes(processes) as echo:
        values, detail = await interleaved(lambda: _rate(ours), lambda: _rate(echo))
    name = f"CreateOrder over gRPC, {processes} process(es) / bare echo, {processes}"
    return Figure(name, values, reach, detail=detail)


async def commands_against_a_peer(bench: BenchDatabase) -> Figure:
    """CreateOrder over gRPC in two processes against the library `eventsourcing` in one, without any network."""
    peer = await asyncio.to_thread(Peer, bench)
    async with server(_ours(2), _settings(bench)) as (address, _):
        values, detail = await interleaved(lambda: _rate(address), lambda: asyncio.to_thread(peer.rate))
    peer.close()
    name = f"CreateOrder over gRPC, 2 processes / eventsourcing in-process, {peer.threads} thread(s)"
    return Figure(name, values, 3, detail=detail)


async def goodput_under_overload(bench: BenchDatabase) -> Figure:
    """Accepted commands a second when eight times as many callers come as may wait, against the peak."""
    narrow = {**_settings(bench), "MAX_WAITING_COMMANDS": str(_CONCURRENCY)}
    async with server(_ours(1), narrow) as (address, _):
        values, detail = await interleaved(
            lambda: _rate(address, concurrency=8 * _CONCURRENCY, refusals=True), lambda: _rate(address)
        )
    return Figure("accepted commands a second at 8 times the bound of waiting / at peak", values, 0.8, detail=detail)


async def latency_at_half_load(bench: BenchDatabase) -> Figure:
    """The 99th percentile's ratio to the median at half of the peak rate."""
    async with server(_ours(1), _settings(bench)) as (address, _):
        peak = await _rate(address)
        half = ["--rps", str(int(peak / 2)), "--async"]
        reports = [await _ghz(address, _REQUESTS // 2, half) for _ in range(ROUNDS)]
    marks = [
        {each["percentage"]: each["latency"] / 1e6 for each in report["latencyDistribution"]} for report in reports
    ]
    values = tuple(each[99] / each[50] for each in marks)
    middle = sorted(marks, key=lambda each: each[99])[len(marks) // 2]
    detail = f"{peak / 2:,.0f}/s: p50 {middle[50]:.1f} ms, p99 {middle[99]:.1f} ms"
    return Figure("command p99 at half of peak load / its p50", values, 4, at_least=False, detail=detail)


async def _rate(address: str, *, concurrency: int = _CONCURRENCY, refusals: bool = False) -> float:
    """Calls a second that were answered OK."""
    report = await _ghz(address, _REQUESTS, [], concurrency=concurrency, refusals=refusals)
    return float(report["rps"]) * float(report["statusCodeDistribution"]["OK"]) / _REQUESTS


async def _ghz(
    address: str, requests: int, more: Sequence[str], *, concurrency: int = _CONCURRENCY, refusals: bool = False
) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".protoset") as protoset:
        protoset.write(_descriptors())
        protoset.flush()
        arguments = [
            "--insecure", "--protoset", protoset.name, "--call", _METHOD, "--data", json.dumps(_REQUEST),
            "--total", str(requests), "--concurrency", str(concurrency), "--connections", "8", "--format", "json",
            *more, address,
        ]  # fmt: skip
        ghz = await asyncio.create_subprocess_exec(str(tool("ghz")), *arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await ghz.communicate()
    report: dict[str, Any] = json.loads(output)
    expected = {"OK", "ResourceExhausted"} if refusals else {"OK"}
    if set(report["statusCodeDistribution"]) - expected:
        raise RuntimeError(f"not every call was answered: {report['statusCodeDistribution']}")
    return report


def _ours(processes: int) -> list[str]:
    return ["-m", "command_service", "--no-relay", "--workers", str(processes)]


def _settings(bench: BenchDatabase) -> Mapping[str, str]:
    return {**Profile("test").environment(), "WRITE_DB_URL": bench.url, "WRITE_DB_OWNER_URL": bench.owner_url}


@asynccontextmanager
async def _echoes(processes: int) -> AsyncIterator[str]:
    address = free_address()
    running = [await start(["-m", "benchmarks.write.echo", address], {}) for _ in range(processes)]
    try:
        await listening(address)
        yield address
    finally:
        await stop(running)


def _descriptors() -> bytes:
    """The service's file and all that it imports, each after what it imports."""
    found: dict[str, FileDescriptor] = {}

    def visit(file: FileDescriptor) -> None:
        for each in file.dependencies:
            visit(each)
        found.setdefault(file.name, file)

    visit(command_service_pb2.DESCRIPTOR)
    descriptors = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(descriptors.file.add())
    return descriptors.SerializeToString()
