"""Settings of a process: environment variables, checked once at start."""

import os
import re
import sys
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

_WRONG_USAGE = 2


def _is_port(text: str) -> bool:
    return text.isdecimal() and int(text) <= 65535  # noqa: PLR2004


def _host_and_port(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not separator or not host or not _is_port(port):
        raise ValueError("must be HOST:PORT")
    return value


HostPort = Annotated[str, AfterValidator(_host_and_port)]


def _postgres_url(value: str) -> str:
    from psycopg import ProgrammingError  # noqa: PLC0415 -- only for services that have such a setting
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        ports = str(conninfo_to_dict(value).get("port") or "").split(",")
    except ProgrammingError:
        ports = ["unreadable"]
    if not value.startswith(("postgresql://", "postgres://")) or not all(_is_port(each or "0") for each in ports):
        raise ValueError("must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return value


PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]


def _brokers(value: str) -> str:
    for each in value.split(","):
        _host_and_port(each.strip())
    return value


KafkaBrokers = Annotated[str, AfterValidator(_brokers)]


def _elasticsearch_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+:(\d+)(/\S*)?", value) or not _has_good_port(value):
        raise ValueError("must be http://HOST:PORT or https://HOST:PORT")
    return value


ElasticsearchUrl = Annotated[str, AfterValidator(_elasticsearch_url)]


def _redis_url(value: str) -> str:
    if not re.fullmatch(r"rediss?://[^/\s]+(/\S*)?|unix:///\S+", value) or not _has_good_port(value):
        raise ValueError("must be redis://HOST:PORT/NUMBER")
    return value


RedisUrl = Annotated[str, AfterValidator(_redis_url)]


def _has_good_port(url: str) -> bool:
    try:
        urlsplit(url).port  # noqa: B018 -- reading it checks it
    except ValueError:
        return False
    return True


def _fail_point(value: str) -> str:
    if value and not re.fullmatch(r"[a-z]+(\.[a-z]+)*(:[1-9][0-9]{0,8})?", value):
        raise ValueError("must be NAME or NAME:N")
    return value


FailPoint = Annotated[str, AfterValidator(_fail_point)]


_PROMETHEUS_PORT = "OTEL_EXPORTER_PROMETHEUS_PORT"


def prometheus_port() -> int:
    """Where metrics are shown to Prometheus, if they are: OpenTelemetry's setting, or its default.

    Raises:
        ValueError: the setting is no port.
    """
    named = os.environ.get(_PROMETHEUS_PORT) or "9464"
    if not _is_port(named):
        raise ValueError(f"{_PROMETHEUS_PORT} must be a port")
    return int(named)


class ProcessSettings(BaseSettings):
    """What every process can be told. A field's name in capitals is its environment variable."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")
    drain_seconds: float = Field(
        default=10.0, ge=0, le=600, description="Longest time that work in hand gets to finish on SIGTERM."
    )
    fail_point: FailPoint = Field(
        default="", description="For tests only: where this process kills itself, `NAME` or `NAME:N` for the N-th time."
    )


class ServiceSettings(ProcessSettings):
    """What every process that serves gRPC can be told."""

    grpc_listen_address: HostPort = Field(description="Where this process serves gRPC.")
    grpc_reflection: bool = Field(default=True, description="Serve gRPC reflection; turn off in production.")


Settings = TypeVar("Settings", bound=BaseSettings)


def load(settings: type[Settings]) -> Settings:
    """Reads the settings from the environment; ends the process with status 2 and one line if one is wrong."""
    try:
        prometheus_port()
        return settings()
    except ValidationError as error:
        sys.stderr.write(f"{_one_line(error)}\n")
    except ValueError as error:
        sys.stderr.write(f"settings: {error}\n")
    sys.exit(_WRONG_USAGE)


def _one_line(error: ValidationError) -> str:
    """Says every wrong setting in one line, by the name of its environment variable; values stay unsaid."""
    wrong = (f"{str(each['loc'][0]).upper()}: {_cause(each)}" for each in error.errors())
    return f"settings: {'; '.join(wrong)}"


def _cause(wrong: ErrorDetails) -> str:
    match wrong["type"]:
        case "missing":
            return "is not set"
        case "too_short":  # of a secret, whose length pydantic counts in items
            return f"must have at least {wrong['ctx']['min_length']} characters"
    return wrong["msg"].removeprefix("Value error, ")
