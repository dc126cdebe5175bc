"""Redis: a cache, so nothing of it is kept on disk."""

import os
import shutil
import socket
from pathlib import Path

from deploy.local.account import servers_account
from deploy.local.component import Server
from deploy.local.packages import ensure_program
from deploy.local.ports import HOST
from deploy.local.process import Launch
from deploy.local.profile import Profile
from deploy.local.progress import Progress


class Redis(Server):
    """Debian's Redis."""

    name = "redis"
    ports = ("redis",)

    def install(self, progress: Progress) -> None:
        """Installs redis-tools: it holds the server's binary, while redis-server would start a service."""
        if shutil.which("redis-server") is None:
            ensure_program("redis-check-rdb", "redis-tools", progress)

    def prepare(self, profile: Profile) -> Launch:
        """No persistence, bounded memory."""
        folder = profile.data(self.name)
        folder.mkdir(exist_ok=True)
        account = servers_account()
        if account:
            account.own(folder)
        settings = {
            "port": str(profile.port("redis")),
            "bind": HOST,
            "dir": str(folder),
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
        }
        options = [word for key, value in settings.items() for word in (f"--{key}", value)]
        return Launch([_program(folder), *options], {"PATH": os.defpath}, folder, account)

    def healthy(self, profile: Profile) -> bool:
        """It answers PING."""
        try:
            with socket.create_connection((HOST, profile.port("redis")), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
        except OSError:
            return False


def _program(folder: Path) -> Path:
    """The server's binary: one file is Redis's server and its checkers, and goes by the name it is called."""
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    link = folder / "redis-server"
    if not link.is_symlink():
        link.symlink_to(shutil.which("redis-check-rdb") or "/usr/bin/redis-check-rdb")
    return link
