"""The library `eventsourcing`, saving new aggregates into PostgreSQL in its own process: what Python offers today."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate

from benchmarks.database import BenchDatabase

_THREADS = (1, 8, 16)
_SAVES = 1_500
_DATA = "x" * 250


class _Order(Aggregate):
    """An aggregate whose creation carries as many bytes as an OrderCreated."""

    def __init__(self, data: str) -> None:
        self.data = data


class Peer:
    """An application of the library on the benchmark's database, with the threads that suit it best."""

    def __init__(self, bench: BenchDatabase) -> None:
        parts = urlsplit(bench.owner_url)
        settings = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path.removeprefix("/"),
            "POSTGRES_HOST": str(parts.hostname),
            "POSTGRES_PORT": str(parts.port),
            "POSTGRES_USER": str(parts.username),
            "POSTGRES_PASSWORD": str(parts.password),
            "POSTGRES_POOL_SIZE": "16",
        }
        self._application: Application[uuid.UUID] = Application(env=settings)
        self._threads = max(_THREADS, key=self._rate)

    @property
    def threads(self) -> int:
        """How many threads suit it best."""
        return self._threads

    def rate(self) -> float:
        """Saved aggregates a second."""
        return self._rate(self._threads)

    def close(self) -> None:
        """Frees its connections."""
        self._application.close()

    def _rate(self, threads: int) -> float:
        begin = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: self._application.save(_Order(_DATA)), range(_SAVES)))
        return _SAVES / (time.perf_counter() - begin)
