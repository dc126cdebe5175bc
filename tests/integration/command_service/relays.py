"""Relays in this process and in processes of their own, and what they have published."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from command_service.event_store.database import Database
from command_service.relay.admin_servicer import RelayAdminServicer
from command_service.relay.app import serve
from command_service.relay.settings import RelaySettings
from orderflow.admin.v1 import relay_admin_service_pb2 as pb
from orderflow.events.v1.event_log_pb2 import RecordedEvent
from service_kit.cloudevents import event_of, text_headers
from tests.integration.conftest import WriteDatabase
from tests.support.eventually import eventually
from tests.support.servers import KAFKA_BROKERS

PARTITIONS = 3
LEASE_SECONDS = 5.0
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


def environment(database: WriteDatabase, topic_prefix: str, **settings: str) -> dict[str, str]:
    """A relay's settings as a process gets them."""
    return {
        "WRITE_DB_URL": database.service_url,
        "PERSONAL_DATA_MASTER_KEY": MASTER_KEY,
        "KAFKA_BROKERS": KAFKA_BROKERS,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "KAFKA_TOPIC_PARTITIONS": str(PARTITIONS),
        **settings,
    }


@asynccontextmanager
async def relaying(database: WriteDatabase, topic_prefix: str, **settings: str) -> AsyncIterator["asyncio.Task[None]"]:
    """A relay in this process."""
    named = {name.lower(): value for name, value in environment(database, topic_prefix, **settings).items()}
    stop = asyncio.Event()
    task = asyncio.create_task(serve(RelaySettings.model_validate(named), stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait({task})


class Running:
    """A process of the project, and what it has logged."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._output = output

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Its log records of an event."""
        lines = self._output.read_text().splitlines()
        records: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in records if each["event"] == event]

    async def until_logged(self, event: str, *, times: int = 1, within: float = 60.0) -> None:
        """Returns when it has logged an event so many times."""

        async def enough() -> bool:
            return len(self.logged(event)) >= times

        await eventually(enough, within=within, what=f"{times} x {event!r}")

    async def end(self, *, within: float = 60.0) -> int:
        """Its exit status, once it has ended."""
        return await asyncio.to_thread(self.process.wait, within)


@contextmanager
def process(module: str, settings: Mapping[str, str], *arguments: str) -> Iterator[Running]:
    """A process of the project; killed at the end if it is still there."""
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with (
        TemporaryDirectory() as folder,
        Path(folder, "output").open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**own, "PYTHONUNBUFFERED": "1", **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as started,
    ):
        try:
            yield Running(started, Path(output.name))
        finally:
            started.kill()


async def status(database: Database) -> Sequence[pb.RelayShardStatus]:
    """What RelayAdminService shows."""
    context: Any = None
    return (await RelayAdminServicer(database).GetRelayStatus(pb.GetRelayStatusRequest(), context)).shards


async def caught_up(database: Database, *, within: float = 60.0) -> Sequence[pb.RelayShardStatus]:
    """The status, as soon as every shard is published to its end."""

    async def published() -> Sequence[pb.RelayShardStatus] | None:
        shards = await status(database)
        there = bool(shards) and all(each.cursor_position == each.head_position > 0 for each in shards)
        return shards if there else None

    return await eventually(published, within=within, what="the relay's end of the log")


class Topics:
    """Reads everything that was published, from the beginning on."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._consumer: Consumer | None = None
        self.messages: list[Message] = []

    def close(self) -> None:
        """Stops reading."""
        if self._consumer is not None:
            self._consumer.close()

    async def read(self, count: int, *, within: float = 60.0) -> list[RecordedEvent]:
        """The events so far, once there are so many."""

        async def enough() -> bool:
            await asyncio.to_thread(self._poll)
            return len(self.messages) >= count

        await eventually(enough, within=within, what=f"{count} messages")
        return self.events

    async def read_all(self, wanted: Collection[tuple[str, int]], *, within: float = 60.0) -> None:
        """Returns once each of these versions of aggregates has appeared."""
        seen: set[tuple[str, int]] = set()
        read = 0

        async def complete() -> bool:
            nonlocal read
            await asyncio.to_thread(self._poll)
            seen.update((each.aggregate_id, each.version) for each in _events(self.messages[read:]))
            read = len(self.messages)
            return seen.issuperset(wanted)

        await eventually(complete, within=within, what=f"{len(wanted)} events")

    @property
    def events(self) -> list[RecordedEvent]:
        """The events that the messages carry."""
        return _events(self.messages)

    @property
    def headers(self) -> list[Mapping[str, str]]:
        """The messages' headers."""
        return [text_headers(_headers(each)) for each in self.messages]

    def first_appearances(self) -> dict[str, list[int]]:
        """The versions of each aggregate in the order in which each appeared first."""
        seen: defaultdict[str, list[int]] = defaultdict(list)
        for event in self.events:
            if event.version not in seen[event.aggregate_id]:
                seen[event.aggregate_id].append(event.version)
        return dict(seen)

    def _poll(self) -> None:
        if self._consumer is None:
            self._consumer = self._assigned()
        if self._consumer is not None:
            for message in self._consumer.consume(500, 0.2):
                assert message.error() is None, message.error()
                self.messages.append(message)

    def _assigned(self) -> Consumer | None:
        consumer = Consumer({"bootstrap.servers": KAFKA_BROKERS, "group.id": str(uuid.uuid4())})
        made = {
            name: topic
            for name, topic in consumer.list_topics(timeout=10).topics.items()
            if name.startswith(f"{self.prefix}.")
        }
        if len(made) < 3:
            consumer.close()
            return None
        consumer.assign([TopicPartition(name, each, 0) for name, topic in made.items() for each in topic.partitions])
        return consumer


def _events(messages: Sequence[Message]) -> list[RecordedEvent]:
    return [event_of(each.value(), _headers(each)) for each in messages]


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    headers = message.headers()
    return headers if isinstance(headers, list) else []
