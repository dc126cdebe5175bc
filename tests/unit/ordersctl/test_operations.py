import json
import re

from google.protobuf.duration_pb2 import Duration

from orderflow.admin.v1.projection_admin_service_pb2 import ListProjectionsResponse
from orderflow.admin.v1.rebuild_pb2 import GENERATION_STATE_KEPT, GENERATION_STATE_LIVE
from orderflow.admin.v1.relay_admin_service_pb2 import GetRelayStatusResponse
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services


def test_projections_are_listed_with_their_lag(services: Services, run: Run) -> None:
    response = ListProjectionsResponse()
    lag = Duration(seconds=2, nanos=500_000_000)
    projection = response.projections.add(
        name="orders", index="orders-3", generation=3, unindexed_positions=345, quarantined_count=67
    )
    projection.generations.add(generation=2, index="orders-2", state=GENERATION_STATE_KEPT)
    projection.generations.add(
        generation=3,
        index="orders-3",
        state=GENERATION_STATE_LIVE,
        lag_events=12,
        lag_duration=lag,
        mapping_current=True,
    )
    services.answer("ListProjections", response)
    table = re.sub(" +\n", "\n", run("--table", "projection", "list").stdout)
    for part in ("orders-3", "12", "2.5 s", "live\n", "orders-2", "kept, of another mapping", "345", "67", "it feeds"):
        assert part in table
    assert json.loads(run("projection", "list").stdout)["projections"][0]["generation"] == "3"


def test_a_live_index_of_another_mapping_is_listed_with_the_rebuild_that_it_needs(services: Services, run: Run) -> None:
    response = ListProjectionsResponse()
    projection = response.projections.add(name="orders", index="orders-2", generation=2)
    projection.generations.add(generation=1, index="orders-1", state=GENERATION_STATE_KEPT)
    projection.generations.add(generation=2, index="orders-2", state=GENERATION_STATE_LIVE)
    services.answer("ListProjections", response)
    shown = " ".join(run("--table", "projection", "list").stdout.split())
    assert shown.count("of another mapping") == 2
    assert shown.count("`ordersctl projection rebuild") == 1


def test_the_relay_is_shown_by_shard(services: Services, run: Run) -> None:
    response = GetRelayStatusResponse()
    response.shards.add(log_shard=0, cursor_position=41, head_position=42, lag_events=1, epoch=7)
    services.answer("GetRelayStatus", response)
    table = run("--table", "relay", "status").stdout
    for part in ("41", "42", "7", "never", "none"):
        assert part in table
