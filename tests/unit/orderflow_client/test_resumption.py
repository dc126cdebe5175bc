import grpc
import pytest

from orderflow.orders.v1.queries_pb2 import ListOrdersRequest, ListOrdersResponse, WatchOrdersRequest
from orderflow_client.errors import Details, InvalidRequest, NotVisibleYet, TryLater
from orderflow_client.resumption import BREAKS_IN_A_ROW, Resumption

BROKEN = TryLater(grpc.StatusCode.UNAVAILABLE, "gone", Details())


def listed() -> "Resumption[ListOrdersRequest]":
    return Resumption(ListOrdersRequest(order_by="create_time"), endless=False)


def test_a_broken_list_goes_on_after_the_last_message() -> None:
    stream = listed()
    stream.received(ListOrdersResponse(resume_token="1"))
    stream.received(ListOrdersResponse(resume_token="2"))
    assert stream.broken(BROKEN) is not None
    assert stream.request == ListOrdersRequest(order_by="create_time", resume_token="2")


def test_a_list_that_broke_after_its_last_message_is_complete() -> None:
    stream = listed()
    stream.received(ListOrdersResponse())
    assert stream.broken(BROKEN) is None
    assert stream.ended() is None


def test_a_watch_goes_on_when_the_server_ends_it() -> None:
    stream = Resumption(WatchOrdersRequest(), endless=True)
    assert stream.ended() is not None


def test_pauses_grow_and_a_message_makes_them_short_again() -> None:
    stream = listed()
    pauses = [stream.broken(BROKEN) or 0 for _ in range(BREAKS_IN_A_ROW)]
    assert all(later > earlier for earlier, later in zip(pauses[:5:2], pauses[2:6:2], strict=False))
    assert max(pauses) <= 5.0
    with pytest.raises(TryLater):
        stream.broken(BROKEN)
    stream.received(ListOrdersResponse(resume_token="1"))
    assert (stream.broken(BROKEN) or 9) <= 0.1


def test_the_servers_own_delay_is_waited_for() -> None:
    busy = TryLater(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", Details(reason="OVERLOADED", retry_after=7.5))
    assert listed().broken(busy) == 7.5


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest(grpc.StatusCode.INVALID_ARGUMENT, "no", Details(reason="TOKEN_INVALID")),
        NotVisibleYet(grpc.StatusCode.UNAVAILABLE, "no", Details(reason="EVENTUAL_CONSISTENCY_TIMEOUT")),
    ],
)
def test_what_another_call_would_not_help_is_the_callers(error: Exception) -> None:
    with pytest.raises(type(error)):
        listed().broken(error)  # type: ignore[arg-type]
