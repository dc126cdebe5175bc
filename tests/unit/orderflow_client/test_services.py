"""Both clients offer every service that is neither the operator's nor for services alone."""

import pytest

from orderflow_client import AsyncClient, Client
from tests.support.contracts import services

_NOWHERE = "127.0.0.1:1"
_NOT_OFFERED = ("orderflow.admin.", "orderflow.customers.v1.PersonalDataService")
OFFERED = [each for each in services() if not each.full_name.startswith(_NOT_OFFERED)]


def offered(client: Client | AsyncClient) -> set[str]:
    names = [name for name in dir(type(client)) if not name.startswith("_")]
    return {type(getattr(client, name)).__name__ for name in names}


@pytest.mark.parametrize("service", OFFERED)
async def test_a_service_has_an_attribute(service: object) -> None:
    stub = f"{service.name}Stub"  # type: ignore[attr-defined]
    with Client(command=_NOWHERE, query=_NOWHERE) as client:
        assert stub in offered(client)
    async with AsyncClient(command=_NOWHERE, query=_NOWHERE) as aio:
        assert stub in offered(aio)
