"""Settings that cannot work are refused at start."""

import pytest
from pydantic import ValidationError

from query_service.settings import QuerySettings

_GOOD = {"read_es_url": "http://es:9200", "redis_url": "redis://redis:6379/0", "token_signing_key": "0123456789abcdef"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("read_es_url", "https://user:password@es.example.org:9200/path"),
        ("redis_url", "redis://redis"),
        ("redis_url", "rediss://:password@redis:6379/1"),
        ("redis_url", "unix:///run/redis.sock?db=1"),
    ],
)
def test_servers_may_be_named_in_full(name: str, value: str) -> None:
    QuerySettings(**{**_GOOD, name: value})  # type: ignore[arg-type]


def test_what_must_be_set_is_enough() -> None:
    assert QuerySettings(**_GOOD).grpc_listen_address == "127.0.0.1:50052"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_signing_key", "0123456789abcde"),
        ("read_es_url", "es:9200"),
        ("read_es_url", "http://es"),
        ("read_es_url", "http://es:92OO"),
        ("read_es_url", "http://es:99999"),
        ("redis_url", "redis:6379"),
        ("redis_url", "redis://"),
        ("redis_url", "redis://redis:port/0"),
        ("command_service_address", "command"),
        ("read_index_prefix", "Orders*"),
        ("consistency_wait_seconds", -1),
        ("page_size", 10_000),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: str | int) -> None:
    with pytest.raises(ValidationError) as refused:
        QuerySettings(**{**_GOOD, name: value})  # type: ignore[arg-type]
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


@pytest.mark.parametrize("missing", _GOOD)
def test_what_must_be_set_is_missed_by_name(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _GOOD:
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(ValidationError) as refused:
        QuerySettings(**{name: value for name, value in _GOOD.items() if name != missing})  # type: ignore[arg-type]
    assert [error["loc"] for error in refused.value.errors()] == [(missing,)]
