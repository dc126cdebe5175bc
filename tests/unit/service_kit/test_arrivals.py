"""Waiting for what arrives at about the same moment."""

import asyncio

from service_kit.arrivals import arrived


async def _arriving(waiting: list[int], count: int, *, passes_between: int) -> None:
    for number in range(count):
        waiting.append(number)
        for _ in range(passes_between):
            await asyncio.sleep(0)


async def test_what_comes_with_few_passes_between_is_waited_for() -> None:
    waiting = [0]
    arriving = asyncio.create_task(_arriving(waiting, 20, passes_between=4))
    await arrived(lambda: len(waiting), enough=100)
    assert len(waiting) == 21
    await arriving


async def test_what_is_enough_is_not_waited_for() -> None:
    waiting = [0]
    arriving = asyncio.create_task(_arriving(waiting, 20, passes_between=1))
    await arrived(lambda: len(waiting), enough=5)
    assert len(waiting) == 5
    await arriving


async def test_one_alone_is_not_held_up_by_what_comes_much_later() -> None:
    waiting = [0]

    async def much_later() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        waiting.append(1)

    arriving = asyncio.create_task(much_later())
    await arrived(lambda: len(waiting), enough=5)
    assert len(waiting) == 1
    await arriving


async def test_nothing_is_waited_for_where_nobody_waits() -> None:
    await asyncio.wait_for(arrived(lambda: 0, enough=5), 1)
