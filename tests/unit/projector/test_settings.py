"""The projector's settings."""

import pytest

from projector.settings import ProjectorSettings
from service_kit.settings import load

_SETTINGS = {
    "KAFKA_BROKERS": "kafka:9092",
    "READ_ES_URL": "http://elasticsearch:9200",
    "REDIS_URL": "redis://redis:6379/0",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for field in ProjectorSettings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name, value in _SETTINGS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_neighbors_addresses_are_enough() -> None:
    settings = load(ProjectorSettings)
    assert settings.kafka_brokers == "kafka:9092"
    assert settings.grpc_listen_address == "127.0.0.1:50053"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("KAFKA_BROKERS", "", "KAFKA_BROKERS: is not set"),
        ("KAFKA_BROKERS", "kafka", "KAFKA_BROKERS: must be HOST:PORT"),
        ("READ_ES_URL", "", "READ_ES_URL: is not set"),
        ("READ_ES_URL", "elasticsearch", "READ_ES_URL: must be"),
        ("REDIS_URL", "", "REDIS_URL: is not set"),
        ("REDIS_URL", "http://redis", "REDIS_URL: must be"),
        ("COMMAND_SERVICE_ADDRESS", "nowhere", "COMMAND_SERVICE_ADDRESS: must be HOST:PORT"),
        ("BATCH_SIZE", "0", "BATCH_SIZE: Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, complaint: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit) as exit_:
        load(ProjectorSettings)
    said = f"{exit_.value.code}{capsys.readouterr().err}".strip()
    assert complaint in said
    assert "\n" not in said
