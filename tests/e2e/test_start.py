"""What a service does at start when it is told something wrong."""

import base64
import os
import subprocess
import sys

import pytest

from tests.support.system import SERVICES, System

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
SETTINGS = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def _started(module: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("module", [*SERVICES, "command_service.relay"])
def test_a_service_without_settings_stops_with_one_line_that_names_them(module: str) -> None:
    done = _started(module, SETTINGS)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "is not set" in done.stderr


def test_a_wrong_setting_is_named_and_its_value_stays_unsaid() -> None:
    wrong = {
        **SETTINGS,
        "WRITE_DB_URL": "postgresql://secret@x/y",
        "GRPC_LISTEN_ADDRESS": "nowhere",
        "PERSONAL_DATA_MASTER_KEY": MASTER_KEY,
    }
    done = _started("command_service", wrong)
    assert done.stderr.strip() == "settings: GRPC_LISTEN_ADDRESS: must be HOST:PORT"


def test_a_taken_port_ends_the_start_with_a_line_that_names_the_setting(system: System) -> None:
    taken = {**SETTINGS, **system.stack.environment(), "GRPC_LISTEN_ADDRESS": system.stack.address("query_service")}
    done = _started("query_service", taken)
    assert done.returncode == 1
    assert "GRPC_LISTEN_ADDRESS" in done.stdout


def test_a_master_key_that_is_none_is_named_and_stays_unsaid(system: System) -> None:
    wrong = {**SETTINGS, **system.stack.environment(), "PERSONAL_DATA_MASTER_KEY": "c2VjcmV0"}
    done = _started("command_service", wrong)
    assert done.stderr.strip() == "settings: PERSONAL_DATA_MASTER_KEY: must be 32 bytes in base64"


def test_another_master_key_than_the_databases_is_refused(system: System) -> None:
    other = {
        **SETTINGS,
        **system.stack.environment(),
        "PERSONAL_DATA_MASTER_KEY": MASTER_KEY,
        "GRPC_LISTEN_ADDRESS": "127.0.0.1:1",
    }
    done = _started("command_service", other)
    assert done.returncode == 1
    assert "PERSONAL_DATA_FORMER_MASTER_KEYS" in done.stdout
    assert MASTER_KEY not in done.stdout


def test_another_number_of_shards_than_the_logs_is_refused(system: System) -> None:
    other = {**SETTINGS, **system.stack.environment(), "LOG_SHARDS": "7", "GRPC_LISTEN_ADDRESS": "127.0.0.1:1"}
    done = _started("command_service", other)
    assert done.returncode == 1
    assert "LOG_SHARDS is 7" in done.stdout
