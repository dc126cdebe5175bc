import json

from orderflow.admin.v1 import rebuild_pb2 as pb
from projector.errors import GenerationBehind, RebuildRunning
from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

_BEGUN = pb.Rebuild(projection="orders", generation=3, phase=pb.REBUILD_PHASE_FILLING)
_HALF = pb.Rebuild(
    projection="orders", generation=3, phase=pb.REBUILD_PHASE_FILLING, done_count=50, total_count=100, rate=25
)
_DONE = pb.Rebuild(projection="orders", generation=3, phase=pb.REBUILD_PHASE_DONE, unfolded_count=2)
_FAILED = pb.Rebuild(projection="orders", generation=3, phase=pb.REBUILD_PHASE_FAILED, failure="it lacks an order")


def _goes(services: Services, *states: pb.Rebuild) -> None:
    left = iter(states)
    services.answer("RebuildProjection", pb.RebuildProjectionResponse(rebuild=_BEGUN))
    services.answer("GetRebuild", lambda _: pb.GetRebuildResponse(rebuild=next(left)))


def test_a_rebuild_is_followed_to_its_end_in_lines(services: Services, run: Run) -> None:
    _goes(services, _HALF, _HALF, _DONE)
    result = run("projection", "rebuild", "orders", "--ignore-differences")
    assert result.exit_code == 0
    phases = [json.loads(line)["phase"] for line in result.stdout.splitlines()]
    assert phases == ["REBUILD_PHASE_FILLING", "REBUILD_PHASE_FILLING", "REBUILD_PHASE_DONE"]
    assert services.requests[0] == pb.RebuildProjectionRequest(name="orders", ignore_differences=True)
    assert services.requests[1] == pb.GetRebuildRequest(name="orders", generation=3)


def test_a_rebuild_is_shown_to_people_when_it_is_done(services: Services, run: Run) -> None:
    _goes(services, _HALF, _DONE)
    shown = run("--table", "projection", "rebuild", "orders").stdout
    for part in ("orders", "3", "done", "not folded", "2"):
        assert part in shown


def test_a_rebuild_that_fails_says_why_and_exits_so(services: Services, run: Run) -> None:
    _goes(services, _FAILED)
    result = run("--table", "projection", "rebuild", "orders")
    assert result.exit_code == 4
    assert "it lacks an order" in result.stderr


def test_a_rebuild_need_not_be_waited_for(services: Services, run: Run) -> None:
    _goes(services)
    assert json.loads(run("projection", "rebuild", "orders", "--no-wait").stdout)["generation"] == "3"
    assert len(services.requests) == 1


def test_a_rebuild_that_runs_is_followed_without_beginning_another(services: Services, run: Run) -> None:
    _goes(services, _HALF, _DONE)
    assert run("projection", "rebuild", "orders", "--follow").exit_code == 0
    assert {type(each) for each in services.requests} == {pb.GetRebuildRequest}


def test_a_second_rebuild_is_refused_with_advice(services: Services, run: Run) -> None:
    services.refuse("RebuildProjection", RebuildRunning.of("orders"))
    result = run("--table", "projection", "rebuild", "orders")
    assert result.exit_code == 1
    assert "--follow" in result.stderr


def test_a_rollback_names_the_generation_that_is_live_now(services: Services, run: Run) -> None:
    services.answer("RollbackProjection", pb.RollbackProjectionResponse(generation=2, replaced_generation=3))
    shown = run("--table", "projection", "rollback", "orders", "--generation", "2").stdout
    assert "generation 2" in shown
    assert services.request == pb.RollbackProjectionRequest(name="orders", generation=2)
    services.refuse("RollbackProjection", GenerationBehind("it is behind", subject="generation/2"))
    assert "GENERATION_BEHIND" in run("--table", "projection", "rollback", "orders").stderr
