"""Callers of a unary method: ghz, which takes far less of the machine than callers in Python."""

import asyncio
import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from deploy.local.tools import tool

CONCURRENCY = 64


async def calls(
    address: str,
    method: MethodDescriptor,
    requests: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    total: int,
    *more: str,
    concurrency: int = CONCURRENCY,
    answers: Collection[str] = ("OK",),
) -> dict[str, Any]:
    """The report of so many calls, made by concurrent callers over eight connections.

    Args:
        requests: in JSON; several are taken in turn.
        more: options of ghz.
        answers: the statuses that calls may end with.

    Raises:
        RuntimeError: a call ended otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        protoset = _written(folder, "protoset", _descriptors(method.containing_service.file))
        data = _written(folder, "requests.json", json.dumps(requests).encode())
        arguments = [
            "--insecure", "--protoset", protoset, "--call", method.full_name, "--data-file", data,
            "--total", str(total), "--concurrency", str(concurrency), "--connections", "8", "--format", "json",
            *more, address,
        ]  # fmt: skip
        ghz = await asyncio.create_subprocess_exec(str(tool("ghz")), *arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await ghz.communicate()
    report: dict[str, Any] = json.loads(output)
    if set(report["statusCodeDistribution"]) - set(answers):
        raise RuntimeError(f"not every call was answered: {report['statusCodeDistribution']}")
    return report


async def rate(
    address: str, method: MethodDescriptor, requests: Mapping[str, Any] | Sequence[Mapping[str, Any]], total: int
) -> float:
    """Calls a second, all of them answered OK."""
    return float((await calls(address, method, requests, total))["rps"])


def percentile(report: Mapping[str, Any], percent: int) -> float:
    """Seconds within which so many percent of the calls were answered."""
    (nanoseconds,) = (each["latency"] for each in report["latencyDistribution"] if each["percentage"] == percent)
    return float(nanoseconds) / 1e9


def _written(folder: str, name: str, data: bytes) -> str:
    path = Path(folder, name)
    path.write_bytes(data)
    return str(path)


def _descriptors(last: FileDescriptor) -> bytes:
    """The file and all that it imports, each after what it imports."""
    found: dict[str, FileDescriptor] = {}

    def visit(file: FileDescriptor) -> None:
        for each in file.dependencies:
            visit(each)
        found.setdefault(file.name, file)

    visit(last)
    descriptors = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(descriptors.file.add())
    return descriptors.SerializeToString()
