"""What protovalidate accepts in a request and what it refuses, with the field that it names.

Rules of the domain (an empty order, minimum amounts, currencies, overflow) must not be pre-empted here.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import protovalidate
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.money_pb2 import Money

from orderflow.admin.v1 import quarantine_pb2 as quarantine
from orderflow.admin.v1 import rebuild_pb2 as rebuild
from orderflow.common.v1.address_pb2 import Address
from orderflow.customers.v1 import commands_pb2 as customer_commands
from orderflow.customers.v1 import queries_pb2 as customer_queries
from orderflow.events.v1 import event_log_pb2 as log
from orderflow.inventory.v1 import commands_pb2 as stock
from orderflow.inventory.v1 import queries_pb2 as stock_queries
from orderflow.orders.v1 import commands_pb2 as commands
from orderflow.orders.v1 import queries_pb2 as queries
from orderflow.orders.v1.order_pb2 import OrderItem

ID = "3f2c1b0a-9d8e-4f7a-8b6c-5d4e3f2a1b0c"
FAR = Timestamp(seconds=253_402_300_800)  # the year 10000

AnyMessage = TypeVar("AnyMessage", bound=Message)


def euros(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="EUR", units=units, nanos=nanos)


def pens(number: int = 1) -> list[OrderItem]:
    return [OrderItem(sku="PEN-1", product_name="Pen", quantity=3, unit_price=euros(4))] * number


ADDRESS = Address(
    recipient="Ada Lovelace",
    address_lines=["Marktplatz 1"],
    postal_code="53111",
    locality="Bonn",
    administrative_area="NRW",
    region_code="DE",
)

CREATE = commands.CreateOrderRequest(
    request_id="r-1", order_id=ID, customer_id=ID, items=pens(), shipping_address=ADDRESS
)
ADD = commands.AddItemRequest(request_id="r-1", order_id=ID, expected_version=1, item=pens()[0])
REMOVE = commands.RemoveItemRequest(order_id=ID, sku="PEN-1", quantity=1)
PAY = commands.RecordPaymentRequest(order_id=ID, payment_reference="pay-1", amount=euros(12))
REFUND = commands.RecordRefundRequest(order_id=ID, refund_reference="ref-1", amount=euros(12))
CONFIRM = commands.ConfirmOrderRequest(order_id=ID)
SHIP = commands.ShipOrderRequest(order_id=ID, tracking_number="TRACK 1")
DELIVER = commands.DeliverOrderRequest(order_id=ID)
CANCEL = commands.CancelOrderRequest(order_id=ID, reason="Changed my mind")
REGISTER = customer_commands.RegisterCustomerRequest(name="Ada Lovelace", email="ada@example.com")
UPDATE = customer_commands.UpdateCustomerRequest(customer_id=ID)
ERASE = customer_commands.EraseCustomerRequest(customer_id=ID)
PUT = stock.UpdateInventoryRequest(sku="PEN-1", set=10)
ADJUST = stock.UpdateInventoryRequest(sku="PEN-1", adjust=-1)
RESERVE = stock.ReserveStockRequest(sku="PEN-1", order_id=ID, quantity=1)
RELEASE = stock.ReleaseStockRequest(sku="PEN-1", order_id=ID)
COMMIT = stock.CommitStockRequest(sku="PEN-1", order_id=ID)
GET_CUSTOMER = customer_queries.GetCustomerRequest(customer_id=ID)
BATCH = customer_queries.BatchGetCustomersRequest(customer_ids=[ID])
GET = queries.GetOrderRequest(order_id=ID)
LIST = queries.ListOrdersRequest(filter=queries.OrderFilter())
SEARCH = queries.SearchOrdersRequest(query="pen")
WATCH = queries.WatchOrdersRequest(filter=queries.OrderFilter())
HISTORY = queries.GetOrderHistoryRequest(order_id=ID)
SUMMARY = queries.GetCustomerSummaryRequest(customer_id=ID)
SUMMARIES = queries.ListCustomerSummariesRequest(filter=queries.OrderFilter())
READ_LOG = log.ReadLogRequest()
REBUILD = rebuild.RebuildProjectionRequest(name="orders")
GET_REBUILD = rebuild.GetRebuildRequest(name="orders")
ROLLBACK = rebuild.RollbackProjectionRequest(name="orders")
LIST_QUARANTINE = quarantine.ListQuarantineRequest()
GET_QUARANTINED = quarantine.GetQuarantinedRequest(id=f"order/{ID}")
REPLAY = quarantine.ReplayQuarantinedRequest(id=f"order/{ID}")
GET_STOCK = stock_queries.GetStockItemRequest(sku="PEN-1")
LIST_STOCK = stock_queries.ListStockItemsRequest(filter=stock_queries.StockItemFilter(sku_prefix="PEN"))
SKIP = quarantine.SkipQuarantinedRequest(id=f"order/{ID}", version=3, actor="Ada", reason="Entered twice")
READ_AGGREGATE = log.ReadAggregateRequest(aggregate_type="order", aggregate_id=ID)

ON_STOCK = [PUT, ADJUST, RESERVE, RELEASE, COMMIT]
OF_AN_ORDERS_STOCK = [RESERVE, RELEASE, COMMIT]
EVERY_COMMAND = [CREATE, ADD, REMOVE, PAY, REFUND, CONFIRM, SHIP, DELIVER, CANCEL, REGISTER, UPDATE, ERASE, *ON_STOCK]
ON_AN_ORDER = [ADD, REMOVE, PAY, REFUND, CONFIRM, SHIP, DELIVER, CANCEL]
EVERY_QUERY = [GET_CUSTOMER, BATCH, GET, LIST, SEARCH, WATCH, HISTORY, SUMMARY, SUMMARIES, READ_LOG, READ_AGGREGATE]
ON_A_PROJECTION = [REBUILD, GET_REBUILD, ROLLBACK]
ON_THE_QUARANTINE = [LIST_QUARANTINE, GET_QUARANTINED, REPLAY, SKIP]

Case = tuple[Message, str, Any]

ACCEPTED: list[Case] = [
    *[(command, "request_id", value) for command in EVERY_COMMAND for value in ("", "x", " ~" * 64)],
    *[(command, "order_id", ID.upper()) for command in [*ON_AN_ORDER, *OF_AN_ORDERS_STOCK, GET, HISTORY]],
    *[(command, "expected_version", 1) for command in [*ON_AN_ORDER, UPDATE, ERASE, *ON_STOCK]],
    *[(command, "sku", "ß 筆\N{PENCIL}" * 16) for command in ON_STOCK],
    *[(PUT, "set", value) for value in (0, 1_000_000_000)],
    *[(ADJUST, "adjust", value) for value in (1, 1_000_000_000, -1_000_000_000)],
    (RESERVE, "quantity", 1_000_000),
    (CREATE, "order_id", ""),
    (CREATE, "customer_id", ID.upper()),
    (CREATE, "fulfillment_mode", 2),
    (CREATE, "items", []),
    (CREATE, "items", pens(500)),
    (CREATE, "items[0].sku", "ß 筆\N{PENCIL}" * 16),
    (CREATE, "items[0].product_name", "n" * 200),
    (CREATE, "items[0].product_name", "Stift\N{ZERO WIDTH JOINER}"),
    (CREATE, "items[0].quantity", 1_000_000),
    (CREATE, "items[0].unit_price", euros(0)),
    (CREATE, "items[0].unit_price", euros(2**63 - 1, 999_999_999)),
    (CREATE, "items[0].unit_price.currency_code", "XXX"),
    (CREATE, "shipping_address.address_lines", ["x" * 200] * 5),
    (CREATE, "shipping_address.postal_code", ""),
    (CREATE, "shipping_address.administrative_area", ""),
    (PAY, "payment_reference", "p" * 128),
    (PAY, "amount", euros(0, 1)),
    (SHIP, "tracking_number", "t" * 64),
    (CANCEL, "reason", "two\r\nlines,\tone indented"),
    (CANCEL, "reason", "\N{ZERO WIDTH SPACE}.\N{LINE SEPARATOR}"),
    (CANCEL, "reason", "r" * 500),
    (GET_STOCK, "sku", "ß 筆\N{PENCIL}" * 16),
    (GET_STOCK, "min_version", 1),
    (LIST_STOCK, "filter.sku_prefix", "s" * 64),
    (LIST_STOCK, "filter.max_available", 0),
    (LIST_STOCK, "order_by", "available desc, sku"),
    (REGISTER, "customer_id", ID.upper()),
    (REGISTER, "name", "n" * 200),
    (REGISTER, "name", "\N{RIGHT-TO-LEFT MARK}\u05d0\u05d3\u05d4 \U0001f469\N{ZERO WIDTH JOINER}\U0001f4bb"),
    (REGISTER, "email", "ada+orders@mail.example.com"),
    (REGISTER, "email", "ada@xn--bcher-kva.example"),
    (UPDATE, "name", "Ada King"),
    (UPDATE, "email", "ada@example.org"),
    (BATCH, "customer_ids", []),
    (BATCH, "customer_ids", [ID] * 1000),
    (GET, "min_version", 1),
    (GET, "at_version", 1),
    (GET, "as_of_time", Timestamp(seconds=1)),
    (GET, "consistency_tokens", ["t" * 2048] * 100),
    (LIST, "filter.customer_id", ID.upper()),
    (GET, "read_mask", FieldMask(paths=["status"] * 100)),
    (LIST, "filter.statuses", [1, 2, 3, 4, 5]),
    (LIST, "filter.statuses", [1] * 20),
    (LIST, "filter.create_time_range", Interval(start_time=Timestamp(seconds=1))),
    (LIST, "filter.create_time_range", Interval(end_time=Timestamp(seconds=1))),
    (LIST, "filter.create_time_range", Interval(start_time=Timestamp(), end_time=Timestamp())),
    (LIST, "filter", queries.OrderFilter(min_total=euros(1, 5), max_total=euros(1, 5))),
    (LIST, "order_by", "total_amount desc, create_time"),
    (LIST, "limit", 2**31 - 1),
    (SEARCH, "query", ""),
    (SEARCH, "order_by", "  create_time   asc ,update_time "),
    (SEARCH, "facets", [1, 2, 3, 4]),
    (SEARCH, "limit", 10_000),
    (SEARCH, "count_limit", 2**31 - 1),
    (READ_LOG, "aggregate_types", ["order", "customer", "stock_item"]),
    (READ_AGGREGATE, "to_version", 1),
    (READ_AGGREGATE, "to_time", Timestamp(seconds=1)),
    (LIST_QUARANTINE, "states", [1, 2, 3]),
    (GET_QUARANTINED, "id", "orderflow.orders.events.v1/3/42"),
    (SKIP, "version", 0),
    (SKIP, "actor", "n" * 200),
    (SKIP, "reason", "r" * 500),
]

NOT_IDS = ["order-1", ID[:-1], ID + "0", ID.replace("-", ""), f"{{{ID}}}", f" {ID}", f"{ID}\n"]
NOT_SKUS = ["", "s" * 65, "a\nb", "a\n", "a\x00", "a\N{LINE SEPARATOR}", "a\N{ZERO WIDTH SPACE}", "a\u202eb"]
INVISIBLE = ["\N{ZERO WIDTH SPACE}", "\N{WORD JOINER} \N{SOFT HYPHEN}"]
DIRECTIONS = [f"a{each}b" for each in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
NOT_IN_LINES = [*DIRECTIONS, "1\x1b[2J", "1\n", "1\N{LINE SEPARATOR}2", "1\N{PARAGRAPH SEPARATOR}"]
NOT_LINES = ["", "   ", "\N{NO-BREAK SPACE}", "two\nlines", "end\n", "nul\x00", *NOT_IN_LINES, *INVISIBLE]
NOT_PRICES = [
    Money(units=4),
    Money(currency_code="eur", units=4),
    Money(currency_code="EURO", units=4),
    Money(currency_code="EUR\n", units=4),
    euros(-1),
    euros(0, -1),
    euros(1, -1),
    euros(1, 1_000_000_000),
]

REFUSED: list[Case] = [
    *[(request, "name", "") for request in ON_A_PROJECTION],
    *[(request, "generation", -1) for request in (GET_REBUILD, ROLLBACK)],
    *[(command, "request_id", value) for command in EVERY_COMMAND for value in ("r" * 129, "é", "a\n", "\x7f")],
    *[(command, "order_id", "") for command in [*ON_AN_ORDER, *OF_AN_ORDERS_STOCK, GET, HISTORY]],
    *[(command, "order_id", "order-1") for command in [*ON_AN_ORDER, *OF_AN_ORDERS_STOCK, GET, HISTORY]],
    *[
        (command, "expected_version", value)
        for command in [*ON_AN_ORDER, UPDATE, ERASE, *ON_STOCK]
        for value in (0, -1)
    ],
    *[(command, "sku", value) for command in ON_STOCK for value in NOT_SKUS],
    *[(PUT, "set", value) for value in (-1, 1_000_000_001)],
    *[(ADJUST, "adjust", value) for value in (0, 1_000_000_001, -1_000_000_001)],
    *[(RESERVE, "quantity", value) for value in (0, -1, 1_000_001)],
    (PUT, "change", None),
    *[(CREATE, "order_id", value) for value in NOT_IDS],
    *[(CREATE, "customer_id", value) for value in ["", *NOT_IDS]],
    (CREATE, "items", pens(501)),
    *[(CREATE, "items[0].sku", value) for value in NOT_SKUS],
    *[(CREATE, "items[0].product_name", value) for value in [*NOT_LINES, "n" * 201]],
    *[(CREATE, "items[0].quantity", value) for value in (0, -1, 1_000_001)],
    *[(CREATE, "items[0].unit_price", value) for value in [None, *NOT_PRICES]],
    (CREATE, "shipping_address", None),
    *[(CREATE, "shipping_address.recipient", value) for value in [*NOT_LINES, "n" * 201]],
    (CREATE, "shipping_address.address_lines", []),
    (CREATE, "shipping_address.address_lines", ["x"] * 6),
    *[(CREATE, "shipping_address.address_lines[0]", value) for value in [*NOT_LINES, "n" * 201]],
    *[(CREATE, "shipping_address.postal_code", value) for value in ("1" * 21, *NOT_IN_LINES)],
    *[(CREATE, "shipping_address.locality", value) for value in [*NOT_LINES, "n" * 101]],
    *[(CREATE, "shipping_address.administrative_area", value) for value in ("a" * 101, *NOT_IN_LINES)],
    *[(CREATE, "shipping_address.region_code", value) for value in ("", "de", "DEU", "D1", "DE\n")],
    *[(CREATE, "fulfillment_mode", value) for value in (3, -1)],
    (ADD, "item", None),
    *[(ADD, "item.sku", value) for value in NOT_SKUS],
    *[(ADD, "item.unit_price", value) for value in [None, *NOT_PRICES]],
    *[(REMOVE, "sku", value) for value in NOT_SKUS],
    *[(REMOVE, "quantity", value) for value in (0, -1, 1_000_001)],
    *[(PAY, "payment_reference", value) for value in ("", "p" * 129, "p\n")],
    *[(PAY, "amount", value) for value in [None, euros(0), *NOT_PRICES]],
    *[(REFUND, "refund_reference", value) for value in ("", "r" * 129, "r\n")],
    *[(REFUND, "amount", value) for value in [None, euros(0), *NOT_PRICES]],
    *[(SHIP, "tracking_number", value) for value in NOT_SKUS],
    *[
        (CANCEL, "reason", value)
        for value in ("", " \n\t", "\N{NO-BREAK SPACE}", "r" * 501, *INVISIBLE, *DIRECTIONS, "\x1b[2J", "a\x00")
    ],
    *[(REGISTER, "customer_id", value) for value in NOT_IDS],
    *[(REGISTER, "name", value) for value in [*NOT_LINES, "n" * 201]],
    *[
        (REGISTER, "email", value)
        for value in (
            "",
            "ada",
            "ada@",
            "a b@example.com",
            f"{'a' * 250}@b.de",
            "ada@bücher.example",
            "äda@example.com",
        )
    ],
    *[(UPDATE, "customer_id", value) for value in ["", *NOT_IDS]],
    *[(UPDATE, "name", value) for value in [*NOT_LINES, "n" * 201]],
    *[(UPDATE, "email", value) for value in ("", "ada")],
    *[(ERASE, "customer_id", value) for value in ["", *NOT_IDS]],
    *[(GET_CUSTOMER, "customer_id", value) for value in ["", *NOT_IDS]],
    (BATCH, "customer_ids", [ID] * 1001),
    *[(BATCH, "customer_ids[0]", value) for value in ["", *NOT_IDS]],
    *[(GET, "min_version", value) for value in (0, -1)],
    *[(GET, "at_version", value) for value in (0, -1)],
    (GET, "as_of_time", FAR),
    *[(query, "consistency_tokens", ["t"] * 101) for query in (GET, LIST, SEARCH, SUMMARY, SUMMARIES)],
    *[(query, "resume_token", "t" * 16385) for query in (LIST, SEARCH, WATCH, SUMMARIES)],
    *[(query, "limit", -1) for query in (LIST, SEARCH, SUMMARIES)],
    *[(LIST, "order_by", value) for value in ("Create_Time", "create_time down", "a,", ",a", "a b c", "a; b")],
    *[(SEARCH, "order_by", value) for value in ("create_time\n", "a" * 201)],
    *[(query, "filter.customer_id", "c-1") for query in (LIST, WATCH, SUMMARIES)],
    (GET, "read_mask", FieldMask(paths=["status"] * 101)),
    (SEARCH, "limit", 10_001),
    (SEARCH, "count_limit", -1),
    *[(query, "filter.statuses", [1] * 21) for query in (LIST, SEARCH, WATCH, SUMMARIES)],
    (LIST, "filter.statuses[0]", 0),
    (LIST, "filter.statuses[0]", 6),
    (LIST, "filter.create_time_range", Interval(start_time=Timestamp(seconds=2), end_time=Timestamp(seconds=1))),
    (LIST, "filter.create_time_range", Interval(end_time=FAR)),
    *[(LIST, "filter.min_total", value) for value in NOT_PRICES],
    *[(LIST, "filter.max_total", value) for value in NOT_PRICES],
    (LIST, "filter.tracking_number", "t" * 65),
    (SEARCH, "query", "q" * 501),
    (SEARCH, "facets", [1, 1]),
    (SEARCH, "facets[0]", 0),
    (SEARCH, "facets[0]", 5),
    (HISTORY, "after_version", -1),
    *[(SUMMARY, "customer_id", value) for value in ["", *NOT_IDS]],
    *[(GET_STOCK, "sku", value) for value in NOT_SKUS],
    *[(GET_STOCK, "min_version", value) for value in (0, -1)],
    (LIST_STOCK, "filter.sku_prefix", "s" * 65),
    (LIST_STOCK, "filter.max_available", -1),
    (LIST_STOCK, "order_by", "available down"),
    (LIST_STOCK, "limit", -1),
    (LIST_STOCK, "resume_token", "t" * 16385),
    *[(query, "consistency_tokens", ["t"] * 101) for query in (GET_STOCK, LIST_STOCK)],
    (READ_LOG, "log_shard", -1),
    (READ_LOG, "after_position", -1),
    (READ_LOG, "aggregate_types[0]", "invoice"),
    *[(READ_AGGREGATE, "aggregate_type", value) for value in ("", "Order")],
    *[(READ_AGGREGATE, "aggregate_id", value) for value in ["", *NOT_IDS]],
    (READ_AGGREGATE, "after_version", -1),
    (READ_AGGREGATE, "to_version", 0),
    (READ_AGGREGATE, "to_time", FAR),
    *[(message, "id", value) for message in (GET_QUARANTINED, REPLAY, SKIP) for value in ("", "x" * 513)],
    (LIST_QUARANTINE, "states", [1, 1]),
    (LIST_QUARANTINE, "states[0]", 0),
    (LIST_QUARANTINE, "states[0]", 4),
    (SKIP, "version", -1),
    *[(SKIP, "actor", value) for value in [*NOT_LINES, "n" * 201]],
    *[(SKIP, "reason", value) for value in [*NOT_LINES, "r" * 501]],
]

# Rules about several fields: no field is named, but the rule is.
REFUSED_TOGETHER = [
    (queries.GetOrderRequest(order_id=ID, min_version=1, at_version=1), "", "get_order.one_moment"),
    (queries.GetOrderRequest(order_id=ID, min_version=1, as_of_time=Timestamp()), "", "get_order.one_moment"),
    (queries.GetOrderRequest(order_id=ID, at_version=1, as_of_time=Timestamp()), "", "get_order.one_moment"),
    (
        queries.ListOrdersRequest(
            filter=queries.OrderFilter(min_total=euros(2), max_total=Money(currency_code="USD", units=1))
        ),
        "filter",
        "order_filter.one_currency",
    ),
    (
        queries.SearchOrdersRequest(filter=queries.OrderFilter(min_total=euros(1, 2), max_total=euros(1, 1))),
        "filter",
        "order_filter.total_range",
    ),
]


def changed(message: AnyMessage, path: str, value: object) -> AnyMessage:
    """A copy of the message with another value at a path such as `items[0].sku`; None clears the field."""
    copy = type(message)()
    copy.CopyFrom(message)
    *way, (last, index) = re.findall(r"(\w+)(?:\[(\d+)\])?", path)
    at: Any = copy
    for name, number in way:
        at = getattr(at, name)[int(number)] if number else getattr(at, name)
    if value is None:
        at.ClearField(last)
    elif index:
        put_into(getattr(at, last), int(index), value)
    elif isinstance(value, list):
        del getattr(at, last)[:]
        getattr(at, last).extend(value)
    elif isinstance(value, Message):
        getattr(at, last).CopyFrom(value)
    else:
        setattr(at, last, value)
    return copy


def put_into(values: Any, index: int, value: object) -> None:
    if index == len(values):
        values.append(value)
    else:
        values[index] = value


def path_of(violation: protovalidate.Violation) -> str:
    field = violation.proto.field
    return ".".join(
        element.field_name + (f"[{element.subscript.value}]" if element.subscript else "")
        for element in (field.elements if field else [])
    )


def names(cases: Sequence[Case]) -> list[str]:
    return [f"{message.DESCRIPTOR.name}-{path}-{str(value)[:20]!r}" for message, path, value in cases]


@pytest.mark.parametrize(
    "message", [*EVERY_COMMAND, *EVERY_QUERY, *ON_THE_QUARANTINE], ids=lambda message: message.DESCRIPTOR.name
)
def test_a_plain_request_is_accepted(message: Message) -> None:
    assert protovalidate.collect_violations(message) == []


@pytest.mark.parametrize(("message", "path", "value"), ACCEPTED, ids=names(ACCEPTED))
def test_a_value_within_the_rules_is_accepted(message: Message, path: str, value: object) -> None:
    assert protovalidate.collect_violations(changed(message, path, value)) == []


@pytest.mark.parametrize(("message", "path", "value"), REFUSED, ids=names(REFUSED))
def test_a_value_against_the_rules_is_refused_naming_its_field(message: Message, path: str, value: object) -> None:
    violations = protovalidate.collect_violations(changed(message, path, value))
    assert {path_of(violation) for violation in violations} == {path}
    assert all(violation.proto.message for violation in violations)


@pytest.mark.parametrize(("message", "path", "rule"), REFUSED_TOGETHER)
def test_fields_that_exclude_each_other_are_refused_naming_the_rule(message: Message, path: str, rule: str) -> None:
    violations = protovalidate.collect_violations(message)
    assert [(path_of(violation), violation.proto.rule_id) for violation in violations] == [(path, rule)]


def test_all_violations_of_a_request_are_found_at_once() -> None:
    request = changed(changed(CREATE, "items[0].quantity", 0), "shipping_address.region_code", "Germany")
    with pytest.raises(protovalidate.ValidationError) as refusal:
        protovalidate.validate(request)
    assert [path_of(violation) for violation in refusal.value.violations] == [
        "items[0].quantity",
        "shipping_address.region_code",
    ]


@pytest.mark.parametrize(
    "items",
    [
        [],
        [OrderItem(sku="PEN-1", product_name="Pen", quantity=1, unit_price=euros(1))],
        [*pens(), OrderItem(sku="INK", product_name="Ink", quantity=3, unit_price=Money(currency_code="USD", units=9))],
        [OrderItem(sku="PEN-1", product_name="Pen", quantity=1_000_000, unit_price=euros(2**63 - 1))],
    ],
    ids=["no items", "too little", "two currencies", "too much"],
)
def test_what_the_domain_decides_is_not_refused_by_a_field_rule(items: list[OrderItem]) -> None:
    assert protovalidate.collect_violations(changed(CREATE, "items", items)) == []
