"""What a newcomer runs first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.system import System


@pytest.mark.timeout(120)  # one of its orders waits ten seconds for a payment that does not come
def test_the_demo_plays_its_journey_and_shows_what_to_try(system: System) -> None:
    environment = {
        **os.environ,
        "ORDERFLOW_COMMAND_ADDRESS": system.stack.address("command_service"),
        "ORDERFLOW_QUERY_ADDRESS": system.stack.address("query_service"),
        "ORDERFLOW_PROJECTOR_ADDRESS": system.stack.address("projector"),
    }
    ordersctl = Path(sys.executable).with_name("ordersctl")
    done = subprocess.run(
        [ordersctl, "demo"], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in ("DELIVERED", "CANCELLED", "CANNOT_CANCEL_DELIVERED_ORDER", "grpcurl", "not paid in full by"):
        assert expected in done.stdout
