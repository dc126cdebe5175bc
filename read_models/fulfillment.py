"""What is shown of a fulfillment: folded from its events when it is asked for, and kept nowhere."""

from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from event_schemas.fulfillment import FulfillmentEvent
from orderflow.fulfillment.v1 import events_pb2 as events
from orderflow.fulfillment.v1 import fulfillment_pb2 as pb
from orderflow.fulfillment.v1 import queries_pb2


def evolve(
    before: queries_pb2.GetFulfillmentResponse | None, event: FulfillmentEvent, version: int
) -> queries_pb2.GetFulfillmentResponse:
    """The fulfillment with the event, which is its `version`th; the given one stays as it is. Refuses no history."""
    after = queries_pb2.GetFulfillmentResponse()
    if before is not None:
        after.CopyFrom(before)
    after.order_id = event.order_id
    after.version = version
    failures = after.attempts
    after.attempts = 0
    after.last_error = ""
    after.update_time.CopyFrom(_apply(after, event))
    if isinstance(event, events.AttemptFailed):
        after.attempts = failures + 1
        after.last_error = f"{event.call}: {event.error}"
    return after


def release_skus(fulfillment: queries_pb2.GetFulfillmentResponse) -> list[str]:
    """The products that giving the order up now would release: what is held, and the one that is on its way."""
    held = [each.sku for each in fulfillment.reservations if each.state == pb.RESERVATION_STATE_RESERVED]
    return held + [each.sku for each in _wanted(fulfillment)[:1]]


def _apply(  # noqa: C901, PLR0911, PLR0912 -- one case an event
    fulfillment: queries_pb2.GetFulfillmentResponse, event: FulfillmentEvent
) -> Timestamp:
    """Changes the fulfillment as the event says; answers when the event happened."""
    match event:
        case events.FulfillmentStarted():
            fulfillment.step = pb.FULFILLMENT_STEP_RESERVING
            for line in event.lines:
                fulfillment.reservations.add(sku=line.sku, quantity=line.quantity, state=pb.RESERVATION_STATE_WANTED)
            fulfillment.start_time.CopyFrom(event.start_time)
            return event.start_time
        case events.ItemReserved():
            _item(fulfillment, event.sku, pb.RESERVATION_STATE_RESERVED)
            return event.reserve_time
        case events.PaymentAwaited():
            _step(fulfillment, pb.FULFILLMENT_STEP_AWAITING_PAYMENT)
            fulfillment.next_deadline_time.CopyFrom(event.payment_deadline_time)
            return event.await_time
        case events.PaymentCompleted():
            _step(fulfillment, pb.FULFILLMENT_STEP_CONFIRMING)
            return event.complete_time
        case events.ShipmentAwaited():
            _step(fulfillment, pb.FULFILLMENT_STEP_AWAITING_SHIPMENT)
            return event.await_time
        case events.CommitmentStarted():
            _step(fulfillment, pb.FULFILLMENT_STEP_COMMITTING)
            fulfillment.cancel_reason = ""
            return event.start_time
        case events.ItemCommitted():
            _item(fulfillment, event.sku, pb.RESERVATION_STATE_COMMITTED)
            return event.commit_time
        case events.FulfillmentCompleted():
            _step(fulfillment, pb.FULFILLMENT_STEP_COMPLETED)
            return event.complete_time
        case events.CompensationStarted():
            _step(fulfillment, pb.FULFILLMENT_STEP_COMPENSATING)
            fulfillment.cancel_reason = event.cancel_reason
            for each in _wanted(fulfillment)[1:]:
                each.state = pb.RESERVATION_STATE_UNTOUCHED
            return event.start_time
        case events.ItemReleased():
            _item(fulfillment, event.sku, pb.RESERVATION_STATE_RELEASED)
            return event.release_time
        case events.ItemAbandoned():
            _item(fulfillment, event.sku, pb.RESERVATION_STATE_ABANDONED, event.cause)
            return event.abandon_time
        case events.FulfillmentCancelled():
            _step(fulfillment, pb.FULFILLMENT_STEP_CANCELLED)
            return event.cancel_time
        case events.AttemptFailed():
            return event.fail_time
    assert_never(event)


def _step(fulfillment: queries_pb2.GetFulfillmentResponse, step: "pb.FulfillmentStep.ValueType") -> None:
    fulfillment.step = step
    fulfillment.ClearField("next_deadline_time")


def _wanted(fulfillment: queries_pb2.GetFulfillmentResponse) -> list[queries_pb2.Reservation]:
    return [each for each in fulfillment.reservations if each.state == pb.RESERVATION_STATE_WANTED]


def _item(
    fulfillment: queries_pb2.GetFulfillmentResponse,
    sku: str,
    state: "pb.ReservationState.ValueType",
    cause: str = "",
) -> None:
    for each in fulfillment.reservations:
        if each.sku == sku:
            each.state = state
            each.cause = cause
