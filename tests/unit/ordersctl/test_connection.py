"""Options that say how services are reached."""

import pytest

from tests.unit.ordersctl.conftest import Run
from tests.unit.ordersctl.services import Services

_LIST = ("order", "list")


@pytest.mark.parametrize("option", ["--command-address", "--query-address", "--projector-address"])
@pytest.mark.parametrize(
    "address",
    [
        *("", "localhost", "nonsense", "localhost:", ":50052", "localhost:0", "localhost:65536", "localhost:99999"),
        *("http://localhost:50052", "localhost:50052/", "::1:50052", "user@localhost:50052", "local host:50052"),
    ],
)
def test_an_address_that_is_none_is_wrong_usage(services: Services, run: Run, option: str, address: str) -> None:
    for line in ((option, address, *_LIST), (*_LIST, option, address)):
        result = run(*line)
        assert result.exit_code == 2
        assert option in result.stderr
    assert services.requests == []


def test_an_address_in_the_environment_is_checked_too(services: Services, run: Run) -> None:
    result = run(*_LIST, ORDERFLOW_QUERY_ADDRESS="http://localhost:50052")
    assert result.exit_code == 2
    assert "ORDERFLOW_QUERY_ADDRESS" in result.stderr
    assert services.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_host_has_a_name_or_an_address_of_either_family(services: Services, run: Run, host: str) -> None:
    port = services.address.rpartition(":")[2]
    assert run(*_LIST, "--query-address", f"{host}:{port}").exit_code == 0
    assert len(services.requests) == 1


@pytest.mark.parametrize("seconds", ["inf", "1e300", "nan", "-1", "0", "86401", "soon"])
def test_a_time_out_out_of_bounds_is_wrong_usage(services: Services, run: Run, seconds: str) -> None:
    for line in (("--timeout", seconds, *_LIST), (*_LIST, "--timeout", seconds)):
        result = run(*line)
        assert result.exit_code == 2
        assert "--timeout" in result.stderr
    assert services.requests == []


@pytest.mark.parametrize("seconds", ["86400", "0.5"])
def test_a_time_out_within_bounds_is_kept(services: Services, run: Run, seconds: str) -> None:
    assert run(*_LIST, "--timeout", seconds).exit_code == 0
    assert len(services.requests) == 1
