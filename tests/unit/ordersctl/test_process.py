"""The command line as a process of its own: what pipes and signals do to it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orderflow.orders.v1.queries_pb2 import (
    ListOrdersRequest,
    ListOrdersResponse,
    SearchOrdersRequest,
    SearchOrdersResponse,
)
from orderflow.orders.v1.views_pb2 import OrderView
from tests.unit.ordersctl.services import Services

_WAIT = 10


def shell(services: Services, line: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """A line of bash in which $CTL is `ordersctl`, against the services."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "CTL": f"{sys.executable} -m ordersctl",
        "ORDERFLOW_COMMAND_ADDRESS": services.address,
        "ORDERFLOW_QUERY_ADDRESS": services.address,
        **variables,
    }
    return subprocess.run(["bash", "-c", line], capture_output=True, check=False, env=environment, timeout=_WAIT)


@contextmanager
def listing(services: Services) -> Iterator["subprocess.Popen[str]"]:
    """`ordersctl order list` in a pipe."""
    command = [sys.executable, "-m", "ordersctl", "--query-address", services.address, "order", "list"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    # Tests may run in the background, where a shell has Ctrl-C ignored, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        signal.signal(signal.SIGINT, before)
        try:
            yield process
        finally:
            process.kill()


def read_line(process: "subprocess.Popen[str]") -> str:
    """The next line of its output."""
    assert process.stdout is not None
    return process.stdout.readline()


def read_errors(process: "subprocess.Popen[str]") -> str:
    """All that it wrote to standard error, once it has ended."""
    assert process.stderr is not None
    return process.stderr.read()


def chunk(number: int) -> ListOrdersResponse:
    """A chunk of one order."""
    return ListOrdersResponse(orders=[OrderView(order_id=f"order-{number}")])


def test_orders_are_written_as_they_arrive(services: Services) -> None:
    go_on = threading.Event()

    def chunks(_: ListOrdersRequest) -> Iterator[ListOrdersResponse]:
        yield chunk(1)
        assert go_on.wait(_WAIT)
        yield chunk(2)

    services.answer("ListOrders", chunks)
    with listing(services) as process:
        assert "order-1" in read_line(process), "the first order comes while the second is not known yet"
        go_on.set()
        assert "order-2" in read_line(process)
        assert process.wait(_WAIT) == 0


def test_ctrl_c_ends_a_stream_quietly_with_130(services: Services) -> None:
    ended = threading.Event()

    def chunks(_: ListOrdersRequest) -> Iterator[ListOrdersResponse]:
        yield chunk(1)
        ended.wait(_WAIT)

    services.answer("ListOrders", chunks)
    with listing(services) as process:
        read_line(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(_WAIT) == 130
        ended.set()
        assert read_errors(process) == ""


def test_a_reader_that_goes_away_is_no_error_to_speak_of(services: Services) -> None:
    closed = threading.Event()

    def chunks(_: ListOrdersRequest) -> Iterator[ListOrdersResponse]:
        yield chunk(1)
        assert closed.wait(_WAIT)
        yield chunk(2)

    services.answer("ListOrders", chunks)
    with listing(services) as process:
        read_line(process)
        assert process.stdout is not None
        process.stdout.close()
        closed.set()
        assert process.wait(_WAIT) == 141
        assert read_errors(process) == ""


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (r"$CTL order create --customer ID --item $'bad\xff:x:3:4.50'", 2),
        ("$CTL order list >/dev/full", 4),
        ("$CTL --table order list >/dev/full", 4),
        ("$CTL --help >/dev/full", 4),
        ("$CTL order get ID >&-", 4),
    ],
)
def test_what_cannot_be_read_or_written_is_said_in_a_line(services: Services, line: str, status: int) -> None:
    services.answer("ListOrders", [chunk(1)])
    ended = shell(services, line)
    assert ended.returncode == status
    assert len(ended.stderr.splitlines()) == 1, ended.stderr.decode()
    assert ended.stderr.startswith(b"ordersctl: ")


def test_text_is_utf_8_in_every_locale(services: Services) -> None:
    found = SearchOrdersResponse(orders=[OrderView(order_id="1", customer_name="Zoë Ångström")], total=1)
    services.answer("SearchOrders", [found])
    ended = shell(services, "$CTL --table order search zoë", LC_ALL="C", PYTHONUTF8="0", COLUMNS="140")
    assert ended.returncode == 0, ended.stderr.decode()
    assert "Zoë Ångström" in ended.stdout.decode()
    assert isinstance(services.request, SearchOrdersRequest)
    assert services.request.query == "zoë"
