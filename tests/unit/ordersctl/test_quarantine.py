import json

from google.protobuf.timestamp_pb2 import Timestamp

from orderflow.admin.v1 import quarantine_pb2 as pb
from projector.errors import CannotSkipCreation
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

ENTRY = pb.QuarantineEntry(
    id="order/7c0e",
    aggregate_type="order",
    aggregate_id="7c0e",
    version=3,
    topic="orderflow.orders.events.v1",
    partition=5,
    offset=42,
    event_type="orderflow.orders.v1.OrderTeleported",
    cause="Undecodable: no such type",
    quarantine_time=Timestamp(seconds=1_800_000_000),
    state=pb.QUARANTINE_STATE_QUARANTINED,
    projection="orders",
)
SKIPPED = pb.QuarantineEntry(
    id="orderflow.orders.events.v1/5/43",
    state=pb.QUARANTINE_STATE_SKIPPED,
    skips=[pb.QuarantineSkip(actor="Ada", reason="a test", skip_time=Timestamp(seconds=1_800_000_001))],
)


def test_entries_are_listed_as_a_table_or_a_line_each(services: Services, run: Run) -> None:
    services.answer("ListQuarantine", [pb.ListQuarantineResponse(entries=[each]) for each in (ENTRY, SKIPPED)])
    table = run("--table", "quarantine", "list").stdout
    for part in (
        "order/7c0e",
        " orders ",
        " 3 ",
        "quarantined",
        "2027-01-15",
        "Undecodable",
        "events.v1/5/43",
        "skipped",
    ):
        assert part in table
    assert table.count("cause") == 1
    lines = run("quarantine", "list").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [ENTRY.id, SKIPPED.id]


def test_entries_can_be_listed_by_state(services: Services, run: Run) -> None:
    result = run("--table", "quarantine", "list", "--state", "quarantined", "--state", "replaying")
    assert services.request == pb.ListQuarantineRequest(
        states=[pb.QUARANTINE_STATE_QUARANTINED, pb.QUARANTINE_STATE_REPLAYING]
    )
    assert "nothing" in result.stderr


def test_entries_of_another_generation_can_be_listed(services: Services, run: Run) -> None:
    run("quarantine", "list", "--generation", "2")
    assert services.request == pb.ListQuarantineRequest(generation=2)


def test_an_entry_of_another_generation_can_be_shown(services: Services, run: Run) -> None:
    services.answer("GetQuarantined", pb.GetQuarantinedResponse(entry=ENTRY))
    run("quarantine", "show", ENTRY.id, "--generation", "2")
    assert services.request == pb.GetQuarantinedRequest(id=ENTRY.id, generation=2)


def test_a_projection_can_be_named_wherever_an_entry_is(services: Services, run: Run) -> None:
    services.answer("GetQuarantined", pb.GetQuarantinedResponse(entry=ENTRY))
    services.answer("SkipQuarantined", pb.SkipQuarantinedResponse(entry=SKIPPED))
    of_customers = ("--projection", "customers")
    run("quarantine", "list", *of_customers)
    run("quarantine", "show", ENTRY.id, *of_customers)
    run("quarantine", "replay", ENTRY.id, *of_customers)
    run("quarantine", "skip", ENTRY.id, "--actor", "Ada", "--reason", "a test", *of_customers)
    assert services.requests == [
        pb.ListQuarantineRequest(projection="customers"),
        pb.GetQuarantinedRequest(id=ENTRY.id, projection="customers"),
        pb.ReplayQuarantinedRequest(id=ENTRY.id, projection="customers"),
        pb.SkipQuarantinedRequest(id=ENTRY.id, actor="Ada", reason="a test", projection="customers"),
    ]


def test_an_entry_is_shown_with_its_message(services: Services, run: Run) -> None:
    headers = [
        pb.QuarantinedHeader(name="ce_type", value=b"orderflow.orders.v1.OrderTeleported"),
        pb.QuarantinedHeader(name="odd"),
    ]
    message = pb.QuarantinedMessage(key=b"7c0e", value=b"\xff\x1b", headers=headers)
    services.answer("GetQuarantined", pb.GetQuarantinedResponse(entry=ENTRY, message=message, event_json='{"a": 1}'))
    shown = run("--table", "quarantine", "show", ENTRY.id).stdout
    for part in (
        "7c0e",
        "2 bytes: ff 1b",
        "OrderTeleported",
        "odd",
        "null",
        "orderflow.orders.events.v1/5/42",
        '{"a": 1}',
    ):
        assert part in shown
    assert json.loads(run("quarantine", "show", ENTRY.id).stdout)["message"]["value"] == "/xs="
    assert services.requests[0] == pb.GetQuarantinedRequest(id=ENTRY.id)


def test_a_null_message_and_an_empty_one_are_told_apart(services: Services, run: Run) -> None:
    services.answer("GetQuarantined", pb.GetQuarantinedResponse(entry=ENTRY, message=pb.QuarantinedMessage(value=b"")))
    lines = run("--table", "quarantine", "show", ENTRY.id).stdout.splitlines()
    shown = [line.split() for line in lines if line.startswith(("key", "value"))]
    assert shown == [["key", "null"], ["value", "empty"]]


def test_a_replay_says_what_became_of_the_entry(services: Services, run: Run) -> None:
    assert "gone" in run("--table", "quarantine", "replay", ENTRY.id).stdout
    assert services.request == pb.ReplayQuarantinedRequest(id=ENTRY.id)
    services.answer("ReplayQuarantined", pb.ReplayQuarantinedResponse(entry=ENTRY))
    assert "Undecodable" in run("--table", "quarantine", "replay", ENTRY.id).stdout
    assert json.loads(run("quarantine", "replay", ENTRY.id).stdout)["entry"]["version"] == "3"


def test_a_skip_names_the_version_who_and_why(services: Services, run: Run) -> None:
    services.answer("SkipQuarantined", pb.SkipQuarantinedResponse(entry=SKIPPED))
    arguments = ("--version", "3", "--actor", "Ada", "--reason", "a test")
    shown = run("--table", "quarantine", "skip", ENTRY.id, *arguments).stdout
    assert "the message by Ada at 2027-01-15" in shown
    assert services.request == pb.SkipQuarantinedRequest(id=ENTRY.id, version=3, actor="Ada", reason="a test")


def test_a_skip_without_who_or_why_is_wrong_usage(services: Services, run: Run) -> None:
    assert run("quarantine", "skip", ENTRY.id, "--version", "3", "--actor", "Ada").exit_code == 2
    assert services.requests == []


def test_a_refused_skip_says_why(services: Services, run: Run) -> None:
    services.refuse("SkipQuarantined", CannotSkipCreation(ENTRY.id))
    result = run("quarantine", "skip", ENTRY.id, "--version", "1", "--actor", "Ada", "--reason", "a test")
    assert result.exit_code == 1
    assert json.loads(result.stderr)["error"]["reason"] == "CANNOT_SKIP_CREATION"
