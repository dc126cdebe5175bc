"""The names that stored events, clients and other services rely on, and the habits of all names."""

import importlib
import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, ServiceDescriptor

import orderflow

# What was promised to outsiders. More may be there; what is listed must be.
MESSAGES = {
    "common.v1.Address": "recipient address_lines postal_code locality administrative_area region_code",
    "orders.v1.OrderItem": "sku product_name quantity unit_price",
    "orders.v1.CreateOrderRequest": (
        "request_id order_id customer_id items shipping_address fulfillment_mode validate_only"
    ),
    "orders.v1.CreateOrderResponse": ("order_id version status total_amount estimated_delivery_time consistency_token"),
    "orders.v1.AddItemRequest": "request_id order_id expected_version item validate_only",
    "orders.v1.RemoveItemRequest": "request_id order_id expected_version sku quantity validate_only",
    "orders.v1.RecordPaymentRequest": ("request_id order_id expected_version payment_reference amount validate_only"),
    "orders.v1.RecordRefundRequest": ("request_id order_id expected_version refund_reference amount validate_only"),
    "orders.v1.ConfirmOrderRequest": "request_id order_id expected_version validate_only",
    "orders.v1.ShipOrderRequest": "request_id order_id expected_version tracking_number validate_only",
    "orders.v1.DeliverOrderRequest": "request_id order_id expected_version validate_only",
    "orders.v1.CancelOrderRequest": "request_id order_id expected_version reason validate_only",
    **{
        f"orders.v1.{command}Response": "order_id version status total_amount consistency_token"
        for command in (
            "AddItem",
            "RemoveItem",
            "RecordPayment",
            "RecordRefund",
            "ConfirmOrder",
            "ShipOrder",
            "DeliverOrder",
            "CancelOrder",
        )
    },
    "orders.v1.OrderView": (
        "order_id customer_id customer_name customer_email items item_names total_amount status "
        "tracking_number shipping_address address_full cancel_reason fulfillment_mode "
        "estimated_delivery_time create_time update_time confirm_time ship_time deliver_time cancel_time "
        "version enrichment_state paid_amount refunded_amount customer_version sealed_personal_data"
    ),
    "orders.v1.OrderFilter": "customer_id statuses create_time_range min_total max_total tracking_number",
    "orders.v1.GetOrderRequest": "order_id min_version consistency_tokens at_version as_of_time read_mask",
    "orders.v1.GetOrderResponse": "order freshness",
    "orders.v1.ListOrdersRequest": "filter order_by limit resume_token consistency_tokens",
    "orders.v1.ListOrdersResponse": "orders resume_token freshness",
    "orders.v1.SearchOrdersRequest": "query filter order_by limit resume_token facets consistency_tokens",
    "orders.v1.SearchOrdersResponse": "orders highlights facet_counts total resume_token freshness",
    "orders.v1.WatchOrdersRequest": "filter resume_token",
    "orders.v1.WatchOrdersResponse": "order removed_order_id caught_up heartbeat resume_token",
    "orders.v1.GetOrderHistoryRequest": "order_id after_version",
    "orders.v1.GetOrderHistoryResponse": "events",
    "orders.v1.RecordedOrderEvent": "event version record_time actor trace_id",
    "customers.v1.RegisterCustomerRequest": "request_id customer_id name email validate_only",
    "customers.v1.RegisterCustomerResponse": "customer_id version consistency_token",
    "customers.v1.GetCustomerResponse": "customer",
    "customers.v1.BatchGetCustomersRequest": "customer_ids",
    "customers.v1.BatchGetCustomersResponse": "customers missing_customer_ids",
    "inventory.v1.UpdateInventoryRequest": "request_id sku set adjust expected_version validate_only",
    "inventory.v1.ReserveStockRequest": "request_id sku order_id quantity expected_version validate_only",
    "inventory.v1.ReleaseStockRequest": "request_id sku order_id expected_version validate_only",
    "inventory.v1.CommitStockRequest": "request_id sku order_id expected_version validate_only",
    **{
        f"inventory.v1.{command}Response": "sku version on_hand reserved available consistency_token"
        for command in ("UpdateInventory", "ReserveStock", "ReleaseStock", "CommitStock")
    },
    "inventory.v1.StockItem": "sku on_hand reserved available version create_time update_time",
    "inventory.v1.StockItemFilter": "sku_prefix max_available",
    "inventory.v1.GetStockItemRequest": "sku min_version consistency_tokens",
    "inventory.v1.GetStockItemResponse": "stock_item freshness",
    "inventory.v1.ListStockItemsRequest": "filter order_by limit resume_token consistency_tokens",
    "inventory.v1.ListStockItemsResponse": "stock_items resume_token freshness",
    "fulfillment.v1.RecordProgressRequest": "request_id order_id expected_version validate_only progress",
    "fulfillment.v1.GetFulfillmentRequest": "order_id",
    "fulfillment.v1.GetFulfillmentResponse": (
        "order_id version step reservations next_deadline_time attempts last_error cancel_reason compensation "
        "start_time update_time"
    ),
    "fulfillment.v1.Reservation": "sku quantity state cause",
    "fulfillment.v1.Compensation": "release_skus cancels_order refund_due",
    "events.v1.RecordedEvent": (
        "position log_shard aggregate_type aggregate_id version event_type event_data metadata record_time"
    ),
    "events.v1.ReadLogRequest": "log_shard after_position aggregate_types follow",
    "events.v1.ReadAggregateRequest": "aggregate_type aggregate_id after_version to_version to_time",
}

SERVICES = {
    "orders.v1.OrderCommandService": (
        "CreateOrder AddItem RemoveItem RecordPayment RecordRefund ConfirmOrder ShipOrder DeliverOrder CancelOrder"
    ),
    "orders.v1.OrderQueryService": (
        "GetOrder ListOrders SearchOrders WatchOrders GetOrderHistory GetCustomerSummary ListCustomerSummaries"
    ),
    "customers.v1.CustomerService": "RegisterCustomer UpdateCustomer EraseCustomer GetCustomer BatchGetCustomers",
    "inventory.v1.InventoryCommandService": "UpdateInventory ReserveStock ReleaseStock CommitStock",
    "customers.v1.PersonalDataService": "OpenPersonalData",
    "inventory.v1.InventoryQueryService": "GetStockItem ListStockItems",
    "fulfillment.v1.FulfillmentQueryService": "GetFulfillment",
    "events.v1.EventLogService": "ReadLog ReadAggregate",
    "admin.v1.RelayAdminService": "GetRelayStatus",
    "admin.v1.ProjectionAdminService": (
        "ListProjections RebuildProjection GetRebuild RollbackProjection "
        "ListQuarantine GetQuarantined ReplayQuarantined SkipQuarantined CheckReadModelErasure"
    ),
    "admin.v1.PersonalDataAdminService": "CheckLogErasure",
}

# Streamed methods; all others have one answer.
STREAMED = {
    "ListOrders",
    "SearchOrders",
    "WatchOrders",
    "GetOrderHistory",
    "ListCustomerSummaries",
    "ListStockItems",
    "ReadLog",
    "ReadAggregate",
    "ListQuarantine",
}

# Every event, and the field that holds its time. The full name is the stored event_type.
EVENTS = {
    "orders.v1.OrderCreated": "create_time",
    "orders.v1.ItemAdded": "add_time",
    "orders.v1.ItemRemoved": "remove_time",
    "orders.v1.PaymentProcessed": "payment_time",
    "orders.v1.RefundRecorded": "refund_time",
    "orders.v1.OrderConfirmed": "confirm_time",
    "orders.v1.OrderShipped": "ship_time",
    "orders.v1.OrderDelivered": "deliver_time",
    "orders.v1.OrderCancelled": "cancel_time",
    "customers.v1.CustomerRegistered": "register_time",
    "customers.v1.CustomerUpdated": "update_time",
    "customers.v1.CustomerErased": "erase_time",
    "inventory.v1.InventoryUpdated": "update_time",
    "inventory.v1.StockReserved": "reserve_time",
    "inventory.v1.StockReleased": "release_time",
    "inventory.v1.StockCommitted": "commit_time",
    "fulfillment.v1.FulfillmentStarted": "start_time",
    "fulfillment.v1.ItemReserved": "reserve_time",
    "fulfillment.v1.PaymentAwaited": "await_time",
    "fulfillment.v1.PaymentCompleted": "complete_time",
    "fulfillment.v1.ShipmentAwaited": "await_time",
    "fulfillment.v1.CommitmentStarted": "start_time",
    "fulfillment.v1.ItemCommitted": "commit_time",
    "fulfillment.v1.FulfillmentCompleted": "complete_time",
    "fulfillment.v1.CompensationStarted": "start_time",
    "fulfillment.v1.ItemReleased": "release_time",
    "fulfillment.v1.ItemAbandoned": "abandon_time",
    "fulfillment.v1.FulfillmentCancelled": "cancel_time",
    "fulfillment.v1.AttemptFailed": "fail_time",
}

ENUMS = {
    "orders.v1.OrderStatus": "UNSPECIFIED PENDING CONFIRMED SHIPPED DELIVERED CANCELLED",
    "orders.v1.FulfillmentMode": "UNSPECIFIED MANUAL AUTOMATIC",
    "fulfillment.v1.FulfillmentStep": (
        "UNSPECIFIED RESERVING AWAITING_PAYMENT CONFIRMING AWAITING_SHIPMENT COMMITTING COMPLETED "
        "COMPENSATING CANCELLED"
    ),
    "fulfillment.v1.ReservationState": "UNSPECIFIED WANTED RESERVED RELEASED COMMITTED ABANDONED UNTOUCHED",
    "orders.v1.EnrichmentState": "UNSPECIFIED PENDING COMPLETE ERASED",
}

SOURCE_ROOT = Path(next(iter(orderflow.__path__))).parent
MODULES = [
    importlib.import_module(".".join(path.relative_to(SOURCE_ROOT).with_suffix("").parts))
    for path in sorted(SOURCE_ROOT.glob("orderflow/**/*_pb2*.py"))
]
FILES: list[FileDescriptor] = [module.DESCRIPTOR for module in MODULES if hasattr(module, "DESCRIPTOR")]
DECLARED: dict[str, Descriptor] = {m.full_name: m for file in FILES for m in file.message_types_by_name.values()}
DECLARED_ENUMS: dict[str, EnumDescriptor] = {e.full_name: e for file in FILES for e in file.enum_types_by_name.values()}
DECLARED_SERVICES: dict[str, ServiceDescriptor] = {
    s.full_name: s for file in FILES for s in file.services_by_name.values()
}


def every_field() -> list[FieldDescriptor]:
    return [field for message in DECLARED.values() for field in message.fields]


def type_of(field: FieldDescriptor) -> str:
    return field.message_type.full_name if field.message_type else ""


@pytest.mark.parametrize(("message", "fields"), MESSAGES.items(), ids=list(MESSAGES))
def test_a_message_has_the_fields_that_were_promised(message: str, fields: str) -> None:
    assert set(fields.split()) <= set(DECLARED[f"orderflow.{message}"].fields_by_name)


def test_the_services_offer_the_methods_that_were_promised_and_no_others() -> None:
    assert {name: sorted(service.methods_by_name) for name, service in DECLARED_SERVICES.items()} == {
        f"orderflow.{name}": sorted(methods.split()) for name, methods in SERVICES.items()
    }


def test_lists_are_streamed_and_everything_else_is_answered_once() -> None:
    methods = [method for service in DECLARED_SERVICES.values() for method in service.methods]
    assert {method.name for method in methods if method.server_streaming} == STREAMED
    assert not any(method.client_streaming for method in methods)


def test_every_event_keeps_its_name_and_carries_its_aggregate_and_time() -> None:
    for name, time in EVENTS.items():
        event = DECLARED[f"orderflow.{name}"]
        aggregate = {
            "orders": "order_id",
            "customers": "customer_id",
            "inventory": "sku",
            "fulfillment": "order_id",
        }[name.partition(".")[0]]
        assert event.fields[0].name == aggregate, name
        assert type_of(event.fields_by_name[time]) == "google.protobuf.Timestamp", name


def test_no_event_is_declared_that_is_not_known_here() -> None:
    declared = {
        message.full_name
        for file in FILES
        if file.name.endswith("/events.proto")
        for message in file.message_types_by_name.values()
        if not message.name.endswith(("PersonalData", "OrderEvent", "FulfillmentEvent", "FulfillmentLine"))
    }
    assert declared == {f"orderflow.{name}" for name in EVENTS}


def test_a_history_can_show_every_event_of_an_order() -> None:
    shown = {type_of(field) for field in DECLARED["orderflow.orders.v1.OrderEvent"].oneofs_by_name["event"].fields}
    assert shown == {f"orderflow.{name}" for name in EVENTS if name.startswith("orders")}


def test_every_event_of_a_fulfillment_can_be_recorded() -> None:
    event = DECLARED["orderflow.fulfillment.v1.FulfillmentEvent"].oneofs_by_name["event"]
    assert {type_of(field) for field in event.fields} == {
        f"orderflow.{name}" for name in EVENTS if name.startswith("fulfillment")
    }


def test_personal_fields_of_events_sit_in_one_submessage_that_can_be_sealed() -> None:
    for name in ("orders.v1.OrderCreated", "customers.v1.CustomerRegistered", "customers.v1.CustomerUpdated"):
        personal = type_of(DECLARED[f"orderflow.{name}"].fields_by_name["personal_data"])
        assert {"sealed", "key_id"} <= set(DECLARED[personal].fields_by_name)
    assert not {"shipping_address", "name", "email"} & {
        field for name in EVENTS for field in DECLARED[f"orderflow.{name}"].fields_by_name
    }


@pytest.mark.parametrize(("enum", "values"), ENUMS.items(), ids=list(ENUMS))
def test_an_enum_keeps_its_values_and_numbers(enum: str, values: str) -> None:
    declared = DECLARED_ENUMS[f"orderflow.{enum}"]
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", declared.name).upper()
    assert [(value.name, value.number) for value in declared.values] == [
        (f"{prefix}_{value}", number) for number, value in enumerate(values.split())
    ]


def test_every_command_can_be_repeated_safely_and_tried_without_effect() -> None:
    commands = [m for m in DECLARED.values() if m.file.name.endswith("/commands.proto") and m.name.endswith("Request")]
    assert len(commands) == 17  # nine of orders, three of customers, four of stock, one of fulfillment
    for command in commands:
        assert {"request_id", "validate_only"} <= set(command.fields_by_name), command.full_name
        creates = command.name in {"CreateOrderRequest", "RegisterCustomerRequest"}
        assert ("expected_version" in command.fields_by_name) is not creates, command.full_name
        answer = DECLARED[command.full_name.removesuffix("Request") + "Response"]
        assert {"version", "consistency_token"} <= set(answer.fields_by_name), answer.full_name


def test_optional_numbers_tell_zero_from_not_set() -> None:
    for field in every_field():
        if field.name in {"expected_version", "min_version", "at_version"}:
            assert field.has_presence, field.full_name


def test_nothing_is_kept_in_floating_point() -> None:
    kinds = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}
    assert [field.full_name for field in every_field() if field.type in kinds] == []


def test_times_are_timestamps_with_names_that_say_so() -> None:
    for field in every_field():
        is_time = type_of(field) == "google.protobuf.Timestamp"
        assert is_time is field.name.endswith("_time"), field.full_name


def test_amounts_are_money() -> None:
    for field in every_field():
        if re.search(r"amount|price|_total|refund_due", field.name):
            assert type_of(field) == "google.type.Money", field.full_name


def test_every_method_says_what_it_guarantees() -> None:
    missing = "Missing associated documentation comment in .proto file."
    servicers = [cls for module in MODULES for name, cls in vars(module).items() if name.endswith("Servicer")]
    assert len(servicers) == len(SERVICES)
    for servicer in servicers:
        for name, method in vars(servicer).items():
            if not name.startswith("_"):
                assert method.__doc__ not in {None, missing}, f"{servicer.__name__}.{name}"
