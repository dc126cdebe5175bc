"""A proxy before a server, so that a test can cut, mute and restore the way to it without touching the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class TcpProxy:
    """Forwards connections to `target`; `port` is its own."""

    target: tuple[str, int]
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _muted: bool = False
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        """Lets connections through, at the same port as before."""
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Closes the port, and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.drop()

    async def drop(self) -> None:
        """Closes every connection; new ones are let through again, with all that is answered."""
        self._muted = False
        self._flowing.set()
        for writer in list(self._writers):
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def mute(self) -> None:
        """Swallows what the server answers from now on; what clients send still arrives."""
        self._muted = True

    def freeze(self) -> None:
        """Holds back what is sent in either direction, as a host does whose processes stand still."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Delivers what was held back."""
        self._flowing.set()

    def rewrite(self, data: bytes) -> bytes:
        """What becomes of a piece of the server's answers."""
        return data

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.target)
            self._writers.add(there_writer)
            await asyncio.gather(self._forward(reader, there_writer), self._answers(there_reader, writer))
        except OSError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await self.piece(reader):
                await self._flowing.wait()
                if not self._muted:
                    writer.write(self.rewrite(data))
                    await writer.drain()
        writer.close()

    async def piece(self, reader: asyncio.StreamReader) -> bytes:
        """The next piece of the server's answers."""
        return await reader.read(65536)


class KafkaProxy(TcpProxy):
    """A proxy that Kafka's clients stay with: in the broker's answers its address is the proxy's."""

    async def piece(self, reader: asyncio.StreamReader) -> bytes:
        """One whole answer."""
        size = await reader.readexactly(4)
        return size + await reader.readexactly(int.from_bytes(size))

    def freeze(self) -> None:
        """Holds back what is sent in either direction, as a host does whose processes stand still."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Delivers what was held back."""
        self._flowing.set()

    def rewrite(self, data: bytes) -> bytes:
        """Addresses are a host and a port of four bytes after it."""
        host = self.target[0].encode()
        return data.replace(host + self.target[1].to_bytes(4), host + self.port.to_bytes(4))


@asynccontextmanager
async def opened(proxy: TcpProxy) -> AsyncIterator[TcpProxy]:
    """The proxy, open, and cut at the end."""
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.cut()
