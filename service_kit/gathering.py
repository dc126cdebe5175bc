"""Looks many things up in one round trip: those asked for at about the same moment share one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Generic, TypeVar

from service_kit.arrivals import arrived

Answer = TypeVar("Answer")


class Gathering(Generic[Answer]):
    """Makes one round trip at a time; a key that several ask for is looked up once in it.

    A round trip begins after all whom it answers have asked, so that nobody is told what was true before.

    Args:
        look_up: the answers for some keys, in their order.
        most_keys: that one round trip may look up.
    """

    def __init__(self, look_up: Callable[[Sequence[str]], Awaitable[Sequence[Answer]]], *, most_keys: int) -> None:
        self._look_up = look_up
        self._most_keys = most_keys
        self._asked: dict[str, list[asyncio.Future[Answer]]] = {}
        self._waiting = 0
        self._answering: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Answer:
        """The answer for the key; whatever looking it up raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, []).append(answer)
        self._waiting += 1
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer_all())
        return await answer

    async def _answer_all(self) -> None:
        try:
            while self._asked:
                await arrived(lambda: self._waiting, enough=self._most_keys)
                keys = list(self._asked)[: self._most_keys]
                asked = {key: self._asked.pop(key) for key in keys}
                self._waiting -= sum(map(len, asked.values()))
                await self._answer(asked)
        finally:
            self._answering = None

    async def _answer(self, asked: dict[str, list[asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._look_up(list(asked))
        except Exception as error:  # noqa: BLE001
            for each in chain.from_iterable(asked.values()):
                if not each.done():
                    each.set_exception(error)
            return
        for waiting, answer in zip(asked.values(), answers, strict=True):
            for each in waiting:
                if not each.done():  # the caller has gone
                    each.set_result(answer)
