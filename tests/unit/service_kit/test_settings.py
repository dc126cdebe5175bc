"""Settings from the environment: checked once, wrong ones named in one line, values never shown."""

import pytest
from pydantic import Field, SecretStr

from service_kit.settings import HostPort, KafkaBrokers, PostgresUrl, ServiceSettings, load

SECRET = "hunter2"
URL = f"postgresql://app:{SECRET}@db.example.com:5432/orders"


class Example(ServiceSettings):
    """One setting of each kind."""

    grpc_listen_address: HostPort = Field(default="127.0.0.1:50051")
    write_db_url: PostgresUrl
    kafka_brokers: KafkaBrokers = "127.0.0.1:9092"
    log_shards: int = Field(default=1, ge=1)
    token_signing_key: SecretStr = Field(default=SecretStr("0123456789abcdef"), min_length=16)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Example.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("WRITE_DB_URL", URL)
    return monkeypatch


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """What a start with these settings prints."""
    with pytest.raises(SystemExit) as end:
        load(Example)
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert SECRET not in printed.err
    assert printed.err.endswith("\n")
    return printed.err.removesuffix("\n")


def test_a_field_is_its_name_in_capitals(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LOG_SHARDS", "4")
    environment.setenv("GRPC_REFLECTION", "false")
    settings = load(Example)
    assert (settings.log_shards, settings.grpc_reflection, settings.write_db_url) == (4, False, URL)


def test_an_empty_variable_is_one_that_is_not_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LOG_SHARDS", "")
    assert load(Example).log_shards == 1


def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.delenv("WRITE_DB_URL")
    assert refused(capsys) == "settings: WRITE_DB_URL: is not set"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_SHARDS", "hunter2"),
        ("LOG_SHARDS", "0"),
        ("LOG_LEVEL", "hunter2"),
        ("DRAIN_SECONDS", "-1"),
        ("GRPC_REFLECTION", "hunter2"),
        ("FAIL_POINT", "hunter2"),
        ("FAIL_POINT", "append.committed:"),
        ("FAIL_POINT", "append.committed:0"),
        ("FAIL_POINT", "append.committed:many"),
        ("FAIL_POINT", ":2"),
        ("GRPC_LISTEN_ADDRESS", "hunter2"),
        ("GRPC_LISTEN_ADDRESS", "hunter2:"),
        ("GRPC_LISTEN_ADDRESS", ":50051"),
        ("GRPC_LISTEN_ADDRESS", "hunter2:65536"),
        ("GRPC_LISTEN_ADDRESS", "hunter2:\N{SUPERSCRIPT TWO}"),
        ("KAFKA_BROKERS", "kafka:9092,hunter2"),
        ("KAFKA_BROKERS", "kafka:9092,"),
        ("WRITE_DB_URL", "hunter2"),
        ("WRITE_DB_URL", "mysql://app:hunter2@db/orders"),
        ("WRITE_DB_URL", "postgresql://app:hunter2@db:port/orders"),
        ("WRITE_DB_URL", "postgresql://app:hunter2@db:65536/orders"),
        ("WRITE_DB_URL", "postgresql://app:hunter2%zz@db:5432/orders"),
        ("WRITE_DB_URL", "postgresql://app:hunter2@[db/orders"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    environment.setenv(name, value)
    line = refused(capsys)
    assert line.startswith(f"settings: {name}: ")
    assert "\n" not in line
    assert ";" not in line


def test_a_short_secret_is_told_its_least_length_in_characters(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("TOKEN_SIGNING_KEY", SECRET)
    assert refused(capsys) == "settings: TOKEN_SIGNING_KEY: must have at least 16 characters"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db/orders",
        "postgresql://app@/orders?host=/run/postgresql",
        "postgresql://app:p%40ss@[::1]:5432/orders?sslmode=require",
        "postgresql://app:pass@first:5432,second:5432/orders?target_session_attrs=read-write",
    ],
)
def test_every_url_that_postgresql_takes_is_taken(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("WRITE_DB_URL", url)
    assert load(Example).write_db_url == url


def test_several_wrong_settings_are_named_in_one_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("WRITE_DB_URL")
    environment.setenv("KAFKA_BROKERS", "kafka")
    environment.setenv("LOG_SHARDS", "many")
    line = refused(capsys)
    assert "\n" not in line
    assert all(name in line for name in ("WRITE_DB_URL: is not set", "KAFKA_BROKERS: ", "LOG_SHARDS: "))
