"""The command line in-process, against services in-process."""

from collections.abc import Callable, Iterator

import pytest
import typer
from typer.testing import CliRunner, Result

from ordersctl.app import build
from tests.unit.ordersctl.services import Services, serving

Run = Callable[..., Result]


@pytest.fixture
def services() -> Iterator[Services]:
    """All services, on one address."""
    with serving(Services()) as running:
        yield running


@pytest.fixture(scope="session")
def app() -> typer.Typer:
    """The whole command line."""
    return build()


@pytest.fixture
def run(services: Services, app: typer.Typer) -> Run:
    """Runs a command line against the services, in a pipe of 120 columns."""
    environment = {
        "ORDERFLOW_COMMAND_ADDRESS": services.address,
        "ORDERFLOW_QUERY_ADDRESS": services.address,
        "ORDERFLOW_PROJECTOR_ADDRESS": services.address,
        "COLUMNS": "120",
    }

    def invoke(*arguments: str, **variables: str) -> Result:
        return CliRunner(env={**environment, **variables}).invoke(app, arguments, catch_exceptions=False)

    return invoke
