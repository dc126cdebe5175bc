"""Options that several commands share, and how their values are read."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any
from uuid import uuid4

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.money_pb2 import Money

from orderflow.orders.v1.order_pb2 import OrderStatus
from orderflow.orders.v1.queries_pb2 import OrderFilter
from ordersctl import money

MOST_INT32, MOST_INT64 = 2**31 - 1, 2**63 - 1
OrderId = Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order: a UUID.")]
Wait = Annotated[bool, typer.Option("--wait", help="Then wait until queries show it, and say how long that took.")]
Currency = Annotated[str, typer.Option(help="ISO 4217 code of the amounts.")]
TOKEN_OPTION = typer.Option("--token", metavar="TOKEN", help="Of a command that must be visible; can be repeated.")


class Status(StrEnum):
    """Statuses as people type them."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class Fulfillment(StrEnum):
    """Who moves an order on, as people type it."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


class FacetName(StrEnum):
    """Facets as people type them."""

    STATUS = "status"
    CURRENCY = "currency"
    MONTH = "month"
    CUSTOMER = "customer"


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What every command carries."""

    given_request_id: Annotated[
        str,
        typer.Option("--request-id", help="Repeats with the same id take effect once.", show_default="a new one"),
    ] = ""
    validate_only: Annotated[bool, typer.Option("--validate-only", help="All checks, no effect.")] = False

    @cached_property
    def request_id(self) -> str:
        """Never empty, so that gRPC may retry."""
        return self.given_request_id or f"ordersctl-{uuid4()}"

    @property
    def request_fields(self) -> dict[str, Any]:
        """The request's fields of the same names."""
        return {"request_id": self.request_id, "validate_only": self.validate_only}


@dataclass(frozen=True, kw_only=True)
class ExistingEnvelope(Envelope):
    """What every command to something that exists carries."""

    expected_version: Annotated[
        int | None, typer.Option(min=1, max=MOST_INT64, help="Refuse unless this is the version.", show_default="any")
    ] = None

    @property
    def request_fields(self) -> dict[str, Any]:
        """The request's fields of the same names."""
        return {**super().request_fields, "expected_version": self.expected_version}


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which orders a list or search is about."""

    customer: Annotated[str, typer.Option(metavar="ID", help="Only this customer's orders.")] = ""
    status: Annotated[
        list[Status], typer.Option(case_sensitive=False, help="Only orders in this status; can be repeated.")
    ] = field(default_factory=list)
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="Only orders created at or after it (ISO 8601; UTC unless it names a zone)."),
    ] = ""
    until: Annotated[str, typer.Option(metavar="TIME", help="Only orders created before it.")] = ""
    min_total: Annotated[str, typer.Option(metavar="DECIMAL", help="Only orders of so much or more.")] = ""
    max_total: Annotated[str, typer.Option(metavar="DECIMAL", help="Only orders of so much or less.")] = ""
    currency: Annotated[str, typer.Option(help="ISO 4217 code of these two amounts.")] = "EUR"
    tracking: Annotated[str, typer.Option(metavar="NUMBER", help="Only orders of exactly this tracking number.")] = ""

    def message(self) -> OrderFilter:
        """The filter as queries take it.

        Raises:
            typer.BadParameter: a time or an amount is none.
        """
        asked = OrderFilter(
            customer_id=self.customer,
            tracking_number=self.tracking,
            min_total=amount_of(self.min_total, self.currency, "--min-total") if self.min_total else None,
            max_total=amount_of(self.max_total, self.currency, "--max-total") if self.max_total else None,
        )
        asked.statuses.extend(OrderStatus.Value(f"ORDER_STATUS_{each.name}") for each in self.status)
        if self.since or self.until:
            start = time_of(self.since, "--since") if self.since else None
            end = time_of(self.until, "--until") if self.until else None
            asked.create_time_range.CopyFrom(Interval(start_time=start, end_time=end))
        return asked


@dataclass(frozen=True, kw_only=True)
class Paging:
    """How a list comes."""

    limit: Annotated[int, typer.Option(min=0, max=MOST_INT32, help="How many at most; 0: every one.")] = 0
    resume_token: Annotated[
        str, typer.Option("--resume", metavar="TOKEN", help="Go on where an interrupted list stopped.")
    ] = ""
    consistency_tokens: Annotated[list[str], TOKEN_OPTION] = field(default_factory=list)

    @property
    def request_fields(self) -> dict[str, Any]:
        """The request's fields of the same names."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class OrderPaging(Paging):
    """How a list of orders comes."""

    limit: Annotated[
        int, typer.Option(min=0, max=MOST_INT32, help="How many orders at most; 0: every one, of a search 100.")
    ] = 0
    order_by: Annotated[
        str, typer.Option(metavar="FIELDS", help='Such as "total_amount desc"; also create_time, update_time.')
    ] = ""


@dataclass(frozen=True, kw_only=True)
class StockPaging(Paging):
    """How a list of stock items comes."""

    order_by: Annotated[
        str,
        typer.Option(metavar="FIELDS", help='Such as "available desc"; also sku, on_hand, create_time, update_time.'),
    ] = ""


def amount_of(text: str, currency: str, option: str) -> Money:
    """The amount that a decimal says.

    Raises:
        typer.BadParameter: it says none.
    """
    try:
        return money.parse(text, currency)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def time_of(text: str, option: str) -> Timestamp:
    """The time that ISO 8601 text says; UTC where it names no zone.

    Raises:
        typer.BadParameter: it says none.
    """
    stamp = Timestamp()
    try:
        moment = datetime.fromisoformat(text)
        stamp.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-07-31T12:00:00Z", param_hint=option) from error
    except OverflowError as error:
        raise typer.BadParameter(f"{text!r} is not in the years 1 to 9999 in UTC", param_hint=option) from error
    return stamp
