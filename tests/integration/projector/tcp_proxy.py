"""Stands before a server and can be closed, opened again, or go silent."""

import asyncio


class TcpProxy:
    """Forwards connections from one address to another."""

    def __init__(self, target: str, address: str) -> None:
        self.address = address
        self._target = target
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._silent = False

    async def start(self) -> None:
        """Listens."""
        host, _, port = self.address.rpartition(":")
        self._server = await asyncio.start_server(self._connected, host, int(port))

    async def stop(self) -> None:
        """Closes all connections and accepts no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def hang(self) -> None:
        """Takes connections and answers nothing."""
        self._silent = True

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._silent:
                await asyncio.Event().wait()
            host, _, port = self._target.rpartition(":")
            answers, upstream = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_copy(reader, upstream), _copy(answers, writer))
        except (asyncio.CancelledError, OSError):
            pass  # closed on purpose, or by either side
        finally:
            self._connections.discard(task)
            for each in (writer, upstream):
                if each is not None:
                    each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
