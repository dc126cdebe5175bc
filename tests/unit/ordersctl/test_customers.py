import json

import pytest
from google.protobuf.message import Message

from orderflow.customers.v1.commands_pb2 import RegisterCustomerRequest, UpdateCustomerRequest, UpdateCustomerResponse
from orderflow.customers.v1.customer_pb2 import Customer
from orderflow.customers.v1.queries_pb2 import GetCustomerRequest, GetCustomerResponse
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

CUSTOMER = "5b0c1f7e-1d0e-4a8e-8a57-3f0d3e0e7b02"


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (
            ("register", "--name", "Zoë", "--email", "z@e.org", "--customer-id", CUSTOMER, "--request-id", "r"),
            RegisterCustomerRequest(request_id="r", customer_id=CUSTOMER, name="Zoë", email="z@e.org"),
        ),
        (
            ("update", CUSTOMER, "--email", "z@e.org", "--request-id", "r", "--expected-version", "2"),
            UpdateCustomerRequest(request_id="r", customer_id=CUSTOMER, email="z@e.org", expected_version=2),
        ),
        (
            ("update", CUSTOMER, "--name", "Zoë", "--request-id", "r", "--validate-only"),
            UpdateCustomerRequest(request_id="r", customer_id=CUSTOMER, name="Zoë", validate_only=True),
        ),
        (("get", CUSTOMER), GetCustomerRequest(customer_id=CUSTOMER)),
    ],
)
def test_options_become_the_fields_of_the_request(
    services: Services, run: Run, arguments: tuple[str, ...], request_: Message
) -> None:
    assert run("customer", *arguments).exit_code == 0
    assert services.request == request_


def test_a_customer_is_shown_to_people_and_programs(services: Services, run: Run) -> None:
    customer = Customer(customer_id=CUSTOMER, name="Zoë", email="z@e.org", version=2)
    services.answer("GetCustomer", GetCustomerResponse(customer=customer))
    table = run("--table", "customer", "get", CUSTOMER).stdout
    assert "Zoë" in table
    assert "erased" not in table
    assert json.loads(run("customer", "get", CUSTOMER).stdout)["customer"]["email"] == "z@e.org"


def test_the_answer_of_a_command_is_shown_with_its_request_id(services: Services, run: Run) -> None:
    services.answer("UpdateCustomer", UpdateCustomerResponse(customer_id=CUSTOMER, version=2, consistency_token="t-1"))
    shown = run("--table", "customer", "update", CUSTOMER, "--name", "Zoë", "--request-id", "r-1").stdout
    for part in (CUSTOMER, "t-1", "r-1"):
        assert part in shown
