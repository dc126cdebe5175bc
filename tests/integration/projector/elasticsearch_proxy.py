"""Stands between the projector and Elasticsearch, and can answer or hold back a bulk request."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, web

from tests.support.servers import READ_ES_URL

Answer = tuple[int, bytes]
_HEADERS = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Bulk:
    """A bulk request on its way.

    Args:
        body: two lines a document.
        forward: sends a body on and answers what Elasticsearch does.
    """

    body: bytes
    forward: Callable[[bytes], Awaitable[Answer]]


Faults = list[Callable[[Bulk], Awaitable[Answer]]]
Watch = Callable[[str, bytes], Awaitable[None]]
"""Is told a request's path and body, and waited for."""


class ElasticsearchProxy:
    """Forwards everything, except that each bulk request meets the next of the faults while there are any.

    `before` and `after` are waited for around each request.
    """

    def __init__(self) -> None:
        self.faults: Faults = []
        self.before: Watch = _nothing
        self.after: Watch = _nothing
        self.bulks = 0

    async def start(self) -> str:
        """Listens; answers its URL."""
        self._session = ClientSession()
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Closes."""
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()

        async def forward(changed: bytes) -> Answer:
            kept = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
            async with self._session.request(
                request.method, READ_ES_URL + str(request.rel_url), data=changed, headers=kept
            ) as response:
                return response.status, await response.read()

        await self.before(request.path, body)
        if request.path.endswith("/_bulk"):
            self.bulks += 1
            fault = self.faults.pop(0) if self.faults else None
            status, answer = await (fault(Bulk(body, forward)) if fault else forward(body))
        else:
            status, answer = await forward(body)
        await self.after(request.path, body)
        return web.Response(status=status, body=answer, headers=_HEADERS)


async def _nothing(path: str, body: bytes) -> None:
    pass


async def every_other_is_turned_away(bulk: Bulk) -> Answer:
    """Elasticsearch takes half of the documents and has no room for the others."""
    lines = bulk.body.splitlines(keepends=True)
    pairs = [lines[index : index + 2] for index in range(0, len(lines), 2)]
    admitted = pairs[::2]
    status, answer = await bulk.forward(b"".join(line for pair in admitted for line in pair))
    response: dict[str, Any] = json.loads(answer)
    items = iter(response["items"])
    response["items"] = [next(items) if index % 2 == 0 else _busy(pair[0]) for index, pair in enumerate(pairs)]
    return status, json.dumps({**response, "errors": True}).encode()


def refused(status: int) -> Callable[[Bulk], Awaitable[Answer]]:
    """Elasticsearch takes nothing and answers this status."""

    async def fault(_: Bulk) -> Answer:
        return status, json.dumps({"status": status, "error": {"type": "on_purpose", "reason": "a test"}}).encode()

    return fault


async def written_but_refused(bulk: Bulk) -> Answer:
    """Elasticsearch takes everything, but the answer is lost."""
    await bulk.forward(bulk.body)
    return 502, b'{"status": 502, "error": {"type": "on_purpose", "reason": "a test"}}'


def _busy(action: bytes) -> dict[str, Any]:
    (name, target), *_ = json.loads(action).items()
    error = {"type": "es_rejected_execution_exception", "reason": "on purpose"}
    return {name: {"_id": target["_id"], "status": 429, "error": error}}
