"""A gate before a server, which a test closes to hold what is on its way there or back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

Chosen = Callable[[bytes], bool]


class Gate:
    """Passes everything but, while it is closed, requests that a test chose, or their answers.

    Args:
        server: `host:port` of what is behind it.
        chosen: says of the first bytes of what a client sends whether that is held.
        answers: hold the answer instead, to something that the server has done.
    """

    def __init__(self, server: str, chosen: Chosen, *, answers: bool) -> None:
        self.address = ""
        self.waiting = self.most_waiting = 0
        self.connections: set[asyncio.Task[None]] = set()
        self._server = server
        self._chosen = chosen
        self._answers = answers
        self._opened = asyncio.Event()
        self._opened.set()

    @property
    def http_url(self) -> str:
        """Where to find the server."""
        return f"http://{self.address}"

    def close(self) -> None:
        """Holds what comes from now on."""
        self._opened.clear()

    def open(self) -> None:
        """Lets through what is held and what comes."""
        self._opened.set()

    async def holds(self, number: int) -> bool:
        """Whether so many requests or answers are being held."""
        return self.waiting == number

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection."""
        self.connections.add(cast("asyncio.Task[None]", asyncio.current_task()))
        host, _, port = self._server.rpartition(":")
        answers, requests = await asyncio.open_connection(host, int(port))
        asked = asyncio.Event()
        try:
            with suppress(ConnectionError):  # of a client that has gone
                await asyncio.gather(self._forward(reader, requests, asked), self._back(answers, writer, asked))
        finally:
            requests.close()
            writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, requests: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if self._chosen(data):
                if self._answers:
                    asked.set()
                else:
                    await self._pass()
            requests.write(data)
        requests.write_eof()

    async def _back(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        while data := await answers.read(65536):
            if asked.is_set():
                asked.clear()
                await self._pass()
            writer.write(data)
        writer.close()

    async def _pass(self) -> None:
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        await self._opened.wait()
        self.waiting -= 1


@asynccontextmanager
async def gate(server: str, chosen: Chosen, *, answers: bool = False) -> AsyncIterator[Gate]:
    """A gate that is open at first."""
    stands = Gate(server, chosen, answers=answers)
    async with await asyncio.start_server(stands.accept, "127.0.0.1", 0) as listening:
        stands.address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield stands
        stands.open()
        for each in stands.connections:
            each.cancel()
        if stands.connections:
            await asyncio.wait(stands.connections)


def asks(method: str, path_part: str) -> Chosen:
    """Chooses HTTP requests by method and a part of their path."""

    def chosen(data: bytes) -> bool:
        line = data.split(b"\r\n", 1)[0]
        return line.startswith(method.encode() + b" ") and path_part.encode() in line

    return chosen
