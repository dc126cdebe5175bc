"""The shipped service config fits the contracts: retries everywhere, deadlines on what ends by itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from orderflow_client.channel_options import SERVICE_CONFIG
from tests.support.contracts import services

CONFIG = json.loads(SERVICE_CONFIG)
_ADMIN = "orderflow.admin.v1.ProjectionAdminService"


def methods() -> Iterator[MethodDescriptor]:
    for service in services():
        yield from service.methods


def entry(method: MethodDescriptor) -> dict[str, Any]:
    """The entry that gRPC takes: the method's, else its service's, else the one for all."""
    service = method.containing_service.full_name
    wanted: list[dict[str, str]] = [{"service": service, "method": method.name}, {"service": service}, {}]
    return next(each for name in wanted for each in CONFIG["methodConfig"] if name in each["name"])


def test_every_method_retries_unavailable_alone() -> None:
    for method in methods():
        assert entry(method)["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"], method.full_name
    assert CONFIG["retryThrottling"]


def test_unary_calls_have_a_deadline_and_streams_and_what_takes_long_have_none() -> None:
    for method in methods():
        endless = method.server_streaming or method.containing_service.full_name == _ADMIN
        assert ("timeout" not in entry(method)) == endless, (
            f"{method.full_name}: see protos/orderflow/service_config.json"
        )


def test_every_name_is_of_the_contracts() -> None:
    known = {service.full_name: {method.name for method in service.methods} for service in services()}
    for each in CONFIG["methodConfig"]:
        for name in each["name"]:
            assert not name or name["service"] in known
            assert "method" not in name or name["method"] in known[name["service"]]


def test_the_wheels_bring_the_file_of_the_contracts() -> None:
    source = Path(__file__).parents[2] / "protos" / "orderflow" / "service_config.json"
    assert source.read_text() == SERVICE_CONFIG
