"""Jaeger: keeps traces in memory and shows them. It runs where its binary is in the cache; nothing needs it."""

import os
import urllib.error
import urllib.request
from pathlib import Path

from deploy.local.component import Server
from deploy.local.process import Launch
from deploy.local.profile import Profile
from deploy.local.progress import Progress
from deploy.local.tools import cached_tool, tool

_CONFIG = Path(__file__).with_name("jaeger.yaml")


class Jaeger(Server):
    """Takes OTLP over gRPC; answers queries over HTTP."""

    name = "jaeger"
    ports = ("jaeger", "jaeger_otlp", "jaeger_query")

    @property
    def is_built(self) -> bool:
        """Whether it can be started at once."""
        return cached_tool("jaeger") is not None

    def install(self, progress: Progress) -> None:
        """Builds it, which takes minutes, where it is missing."""
        tool("jaeger", progress)

    def prepare(self, profile: Profile) -> Launch:
        """Its configuration takes the ports from the environment."""
        folder = profile.data(self.name)
        folder.mkdir(exist_ok=True)
        ports = {
            "JAEGER_HTTP_PORT": str(profile.port("jaeger")),
            "JAEGER_OTLP_PORT": str(profile.port("jaeger_otlp")),
            "JAEGER_GRPC_PORT": str(profile.port("jaeger_query")),
        }
        return Launch([tool("jaeger"), "--config", _CONFIG], {"PATH": os.defpath, **ports}, folder)

    def healthy(self, profile: Profile) -> bool:
        """Its query API answers."""
        try:
            with urllib.request.urlopen(f"http://{profile.address('jaeger')}/api/services", timeout=1):
                return True
        except (OSError, urllib.error.URLError):
            return False
