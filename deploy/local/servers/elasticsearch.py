"""Elasticsearch: the read models' store, one node."""

import json
import os
import shutil
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from deploy.local import tools
from deploy.local.account import servers_account
from deploy.local.component import Server
from deploy.local.ports import HOST
from deploy.local.process import Launch, Process
from deploy.local.profile import Profile
from deploy.local.progress import Progress

_HERE = Path(__file__).parent
_QUIET = Progress(quiet=True)
# The distribution's own file names a module that small Java runtimes lack, and writes logs into its folder.
_JVM_OPTIONS = """\
-Xms512m
-Xmx512m
-XX:+UseG1GC
-XX:+ExitOnOutOfMemoryError
-Djava.io.tmpdir=${ES_TMPDIR}
-Dorg.apache.lucene.store.defaultReadAdvice=normal
-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1
"""


class Elasticsearch(Server):
    """Elastic's own minimal distribution."""

    name = "elasticsearch"
    ports = ("elasticsearch", "elasticsearch_transport")

    def install(self, progress: Progress) -> None:
        """Fetches the distribution and a Java runtime."""
        tools.java_home(progress)
        tools.elasticsearch_home(progress)

    def prepare(self, profile: Profile) -> Launch:
        """Writes the configuration; the launcher starts the server in the background and then ends."""
        folder = profile.data(self.name)
        account = servers_account()
        configuration = folder / "config"
        for made in (folder, configuration, configuration / "jvm.options.d", folder / "tmp"):
            made.mkdir(exist_ok=True)
            if account:
                account.own(made)
        (configuration / "elasticsearch.yml").write_text(_configuration(profile, folder))
        (configuration / "jvm.options").write_text(_JVM_OPTIONS)
        shutil.copy(_HERE / "elasticsearch.log4j2.properties", configuration / "log4j2.properties")
        log = profile.logs.resolve() / "elasticsearch.log"
        log.touch()
        if account:
            account.own(log)
        _pid_file(profile).unlink(missing_ok=True)
        environment = {
            "PATH": os.defpath,
            "ES_JAVA_HOME": str(tools.java_home(_QUIET)),
            "ES_PATH_CONF": str(configuration),
            "ES_TMPDIR": str(folder / "tmp"),
        }
        launcher = tools.elasticsearch_home(_QUIET) / "bin" / "elasticsearch"
        return Launch([launcher, "-d", "-p", _pid_file(profile)], environment, folder, account)

    def main_process(self, profile: Profile, launched: Process) -> Process:
        """The server itself, as soon as it has written its pid."""
        try:
            return Process.of(int(_pid_file(profile).read_text())) or launched
        except (FileNotFoundError, ValueError):
            return launched

    def healthy(self, profile: Profile) -> bool:
        """Its cluster is at least yellow; `GET /` is no test, as the minimal distribution refuses it."""
        connection = HTTPConnection(HOST, profile.port("elasticsearch"), timeout=2)
        try:
            connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
            answer = json.load(connection.getresponse())
        except (OSError, HTTPException, ValueError):
            return False
        finally:
            connection.close()
        return answer.get("status") in {"green", "yellow"} and not answer["timed_out"]


def _pid_file(profile: Profile) -> Path:
    return profile.data("elasticsearch") / "pid"


def _configuration(profile: Profile, folder: Path) -> str:
    settings = {
        "cluster.name": f"orderflow-{profile.name}",
        "node.name": f"orderflow-{profile.name}",
        "http.host": HOST,
        "http.port": profile.port("elasticsearch"),
        "transport.host": HOST,
        "transport.port": profile.port("elasticsearch_transport"),
        "path.data": folder / "indices",
        "path.logs": profile.logs.resolve(),
    }
    # A JSON string is a YAML string.
    lines = "".join(f"{key}: {json.dumps(str(value))}\n" for key, value in settings.items())
    return (_HERE / "elasticsearch.yml").read_text() + lines
