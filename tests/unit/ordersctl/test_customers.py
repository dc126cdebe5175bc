import json

import pytest
from google.protobuf.message import Message

from orderflow.admin.v1.erasure_pb2 import (
    CheckLogErasureRequest,
    CheckLogErasureResponse,
    CheckReadModelErasureRequest,
    CheckReadModelErasureResponse,
    ErasureFinding,
)
from orderflow.customers.v1.commands_pb2 import (
    EraseCustomerRequest,
    RegisterCustomerRequest,
    UpdateCustomerRequest,
    UpdateCustomerResponse,
)
from orderflow.customers.v1.customer_pb2 import Customer
from orderflow.customers.v1.queries_pb2 import GetCustomerRequest, GetCustomerResponse
from orderflow.orders.v1 import queries_pb2 as order_queries
from orderflow.orders.v1.order_pb2 import ORDER_STATUS_SHIPPED
from orderflow.orders.v1.views_pb2 import CustomerSummary
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
        (
            ("erase", CUSTOMER, "--request-id", "r", "--expected-version", "2"),
            EraseCustomerRequest(request_id="r", customer_id=CUSTOMER, expected_version=2),
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


@pytest.mark.parametrize(("left", "exit_code"), [(0, 0), (2, 4)])
def test_an_erasure_is_checked_store_by_store_and_what_is_left_shows_in_the_exit_status(
    services: Services, run: Run, left: int, exit_code: int
) -> None:
    keys = ErasureFinding(store="postgresql", place="personal_data_key", examined_count=1, detail="destroyed")
    views = ErasureFinding(store="elasticsearch", place="orders-000001", examined_count=2, remaining_count=left)
    services.answer("CheckLogErasure", CheckLogErasureResponse(findings=[keys]))
    services.answer("CheckReadModelErasure", CheckReadModelErasureResponse(findings=[views]))
    shown = run("--table", "customer", "erasure-check", CUSTOMER)
    assert shown.exit_code == exit_code
    assert all(part in shown.stdout for part in ("personal_data_key", "destroyed", "orders-000001"))
    assert services.requests == [
        CheckLogErasureRequest(customer_id=CUSTOMER),
        CheckReadModelErasureRequest(customer_id=CUSTOMER),
    ]
    lines = run("customer", "erasure-check", CUSTOMER).stdout.splitlines()
    assert [json.loads(line)["place"] for line in lines] == ["personal_data_key", "orders-000001"]


def test_a_customers_orders_are_shown_in_figures(services: Services, run: Run) -> None:
    found = CustomerSummary(customer_id=CUSTOMER, order_count=3, customer_name="Zoë")
    found.status_counts.add(status=ORDER_STATUS_SHIPPED, order_count=2)
    found.total_amounts.add(currency_code="EUR", units=20)
    found.total_amounts.add(currency_code="JPY", units=900)
    services.answer("GetCustomerSummary", order_queries.GetCustomerSummaryResponse(summary=found))
    services.answer("ListCustomerSummaries", [order_queries.ListCustomerSummariesResponse(summaries=[found])])
    shown = run("--table", "customer", "summary", CUSTOMER, "--token", "t").stdout
    assert services.request == order_queries.GetCustomerSummaryRequest(customer_id=CUSTOMER, consistency_tokens=["t"])
    for part in (CUSTOMER, "Zoë", "3", "2 shipped", "20.00 EUR", "900 JPY"):
        assert part in shown
    listed = run("--table", "customer", "summaries").stdout
    for part in (CUSTOMER, "3", "20.00 EUR, 900 JPY"):
        assert part in listed
    assert json.loads(run("customer", "summaries").stdout)["order_count"] == "3"


def test_customers_are_listed_by_the_orders_that_a_filter_admits(services: Services, run: Run) -> None:
    ran = run("--table", "customer", "summaries", "--status", "shipped", "--limit", "2", "--resume", "r")
    assert "no customers" in ran.stderr
    asked = order_queries.OrderFilter(statuses=[ORDER_STATUS_SHIPPED])
    expected = order_queries.ListCustomerSummariesRequest(filter=asked, limit=2, resume_token="r")
    assert services.request == expected
