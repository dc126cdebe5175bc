"""Brings the write database's schema up to date, once, however many processes start together."""

from contextlib import closing
from importlib.resources import as_file, files
from urllib.parse import urlencode

import psycopg
import structlog
import yoyo
from psycopg import sql

_MIGRATION_LOCK = 1869768039
_log = structlog.get_logger("command_service.schema")


def migrate(owner_url: str, service_url: str) -> None:
    """Applies what is missing as the schema's owner, and lets the service's login act as `orderflow_service`.

    A session lock of the database keeps other processes waiting, and is gone with a process that dies.

    Args:
        owner_url: of a login that owns the database and may create roles.
        service_url: of the login that the services use; only its user name is read.

    Raises:
        psycopg.Error: the database is away or a migration failed; nothing of that migration remains.
    """
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=5) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        with as_file(files("command_service.event_store").joinpath("migrations")) as folder:
            backend = yoyo.get_backend(_yoyo_url(owner_url))
            with closing(backend.connection):
                missing = backend.to_apply(yoyo.read_migrations(str(folder)))
                backend.apply_migrations(missing)
        service_login = psycopg.conninfo.conninfo_to_dict(service_url).get("user")
        if service_login:
            guard.execute(sql.SQL("GRANT orderflow_service TO {}").format(sql.Identifier(str(service_login))))
        if missing:
            _log.info("schema migrated", migrations=[each.id for each in missing])


def _yoyo_url(owner_url: str) -> str:
    """The same connection for yoyo, which reads URLs otherwise than PostgreSQL's own clients do."""
    return f"postgresql+psycopg://?{urlencode(psycopg.conninfo.conninfo_to_dict(owner_url))}"
