"""Each refusal of the projector has a reason that its contract names, and the code that goes with it."""

import re
from pathlib import Path

import grpc
import pytest

from projector import errors
from service_kit.errors import ServiceError

_CONTRACT = Path(__file__).parents[3] / "protos/orderflow/admin/v1/projection_admin_service.proto"
_REFUSALS = {
    errors.ReadModelUnavailable("away"): grpc.StatusCode.UNAVAILABLE,
    errors.ProjectionNotFound("none"): grpc.StatusCode.NOT_FOUND,
    errors.GenerationNotFound("none"): grpc.StatusCode.NOT_FOUND,
    errors.RebuildRunning.of("orders"): grpc.StatusCode.FAILED_PRECONDITION,
    errors.GenerationBehind("behind", subject="generation/1"): grpc.StatusCode.FAILED_PRECONDITION,
    errors.QuarantineEntryNotFound("order/1"): grpc.StatusCode.NOT_FOUND,
    errors.AnotherVersion("order/1", 3): grpc.StatusCode.ABORTED,
    errors.CannotSkipCreation("order/1"): grpc.StatusCode.FAILED_PRECONDITION,
}


@pytest.mark.parametrize(("refusal", "code"), _REFUSALS.items(), ids=lambda each: type(each).__name__)
def test_a_refusal_has_the_code_of_its_reason(refusal: ServiceError, code: grpc.StatusCode) -> None:
    assert refusal.code is code


def test_every_refusal_is_in_the_contract_and_every_one_there_is_made() -> None:
    own = {each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__}
    assert {each for each in own if issubclass(each, ServiceError)} == {type(each) for each in _REFUSALS}
    named = set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", _CONTRACT.read_text()))
    of_every_service = {"INVALID_FIELD"}
    assert (
        named - {"NO_SIDE_EFFECTS", "REBUILD_LEASE_SECONDS"}
        == {each.reason_name for each in _REFUSALS} | of_every_service
    )
