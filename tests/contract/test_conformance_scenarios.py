"""The conformance scenarios leave out no RPC that clients call and no reason that they can provoke."""

import json
from collections.abc import Iterator
from typing import Any

from conformance.play import SCENARIOS
from orderflow.common.v1.errors_pb2 import ErrorReason
from tests.support.contracts import services

# Of the operator's plane, of whoever follows the log, or for services alone.
_NOT_FOR_CLIENTS = ("orderflow.admin.", "orderflow.events.", "orderflow.customers.v1.PersonalDataService/")
# A client cannot provoke these: they take an outage, load, authentication, or the operator's plane.
_NOT_FROM_OUTSIDE = {
    "STORE_UNAVAILABLE", "READ_MODEL_UNAVAILABLE", "OVERLOADED", "RATE_LIMITED", "UNAUTHENTICATED",
    "PERMISSION_DENIED", "NOT_IMPLEMENTED", "PROJECTION_NOT_FOUND", "GENERATION_NOT_FOUND", "REBUILD_RUNNING",
    "GENERATION_BEHIND", "QUARANTINE_ENTRY_NOT_FOUND", "CANNOT_SKIP_CREATION",
}  # fmt: skip


def steps() -> Iterator[dict[str, Any]]:
    for scenario in json.loads(SCENARIOS.read_text())["scenarios"]:
        for step in scenario["steps"]:
            yield step
            yield from step.get("then", ())


def test_every_method_for_clients_is_called() -> None:
    called = {step[verb] for step in steps() for verb in ("call", "list", "watch", "cancel") if verb in step}
    offered = {f"{service.full_name}/{method.name}" for service in services() for method in service.methods}
    assert called <= offered
    missing = {name for name in offered - called if not name.startswith(_NOT_FOR_CLIENTS)}
    assert not missing, "give each a step in conformance/scenarios.json"


def test_every_reason_that_a_client_can_provoke_is_provoked() -> None:
    provoked = {step["refused"].get("reason") for step in steps() if "refused" in step} - {None}
    known = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118 - not a dict
    assert known - provoked == _NOT_FROM_OUTSIDE | {"UNSPECIFIED"}
