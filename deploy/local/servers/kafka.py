"""Kafka in KRaft mode: one node that is broker and controller."""

import os
import shutil
import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from deploy.local import tools
from deploy.local.account import Account, run_as, servers_account
from deploy.local.component import Server
from deploy.local.errors import StackError
from deploy.local.ports import HOST
from deploy.local.process import Launch
from deploy.local.profile import Profile
from deploy.local.progress import Progress

_HERE = Path(__file__).parent
_QUIET = Progress(quiet=True)


class Kafka(Server):
    """Apache Kafka from its jars."""

    name = "kafka"
    ports = ("kafka", "kafka_controller")

    def install(self, progress: Progress) -> None:
        """Fetches the jars and a Java runtime."""
        tools.java_home(progress)
        tools.kafka_jars(progress)

    def prepare(self, profile: Profile) -> Launch:
        """Writes the configuration and formats the storage where that is missing."""
        folder = profile.data(self.name)
        folder.mkdir(exist_ok=True)
        account = servers_account()
        if account:
            account.own(folder)
        shutil.copy(_HERE / "kafka.log4j2.properties", folder / "log4j2.properties")
        configuration = folder / "server.properties"
        configuration.write_text(_configuration(profile, folder / "log"))
        java: list[str | Path] = [tools.java_home(_QUIET) / "bin" / "java", "-cp", f"{tools.kafka_jars(_QUIET)}/*"]
        if not (folder / "log" / "meta.properties").exists():
            _format(java, configuration, account)
        options = ["-Xms256m", "-Xmx384m", f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"]
        return Launch([*java, *options, "kafka.Kafka", configuration], {"PATH": os.defpath}, folder, account)

    def healthy(self, profile: Profile) -> bool:
        """It answers a metadata request and knows itself as a broker."""
        try:
            with socket.create_connection((HOST, profile.port("kafka")), timeout=1) as connection:
                connection.sendall(_METADATA_REQUEST)
                answer = connection.recv(12, socket.MSG_WAITALL)
        except OSError:
            return False
        length = struct.calcsize(">iii")
        return len(answer) == length and struct.unpack(">iii", answer)[2] > 0


# Length, then: Metadata (3) in version 0, correlation id 1, no client id, all topics.
# The answer is: length, correlation id, number of brokers, …
_METADATA_REQUEST = struct.pack(">ihhihi", 14, 3, 0, 1, -1, 0)


def _configuration(profile: Profile, log: Path) -> str:
    broker, controller = profile.address("kafka"), profile.address("kafka_controller")
    return (_HERE / "kafka.properties").read_text() + (
        f"listeners=PLAINTEXT://{broker},CONTROLLER://{controller}\n"
        f"advertised.listeners=PLAINTEXT://{broker}\n"
        f"controller.quorum.voters=1@{controller}\n"
        f"log.dirs={log}\n"
    )


def _format(java: list[str | Path], configuration: Path, account: Account | None) -> None:
    shutil.rmtree(configuration.with_name("log"), ignore_errors=True)  # what an interrupted run left
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    result = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", configuration],
        cwd=configuration.parent,
        capture_output=True,
        text=True,
        check=False,
        **run_as(account),
    )
    if result.returncode != 0:
        raise StackError(f"Kafka's storage could not be formatted: {result.stdout}{result.stderr}".strip())
