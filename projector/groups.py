"""The consumer groups of a read model's generations: each generation is fed by one of its own."""

from projector.generations import Generation
from projector.lag import GroupLag, Lag
from projector.offsets import Offsets, TopicOffsets


class Groups:
    """Knows how far generations are; its methods raise BrokersAway.

    Args:
        prefix: of the groups' ids; the generation's number follows.
    """

    def __init__(self, prefix: str, offsets: TopicOffsets, lag: GroupLag) -> None:
        self._prefix = prefix
        self._offsets = offsets
        self._lag = lag

    def id_of(self, generation: Generation) -> str:
        """The group that feeds the generation."""
        return f"{self._prefix}.{generation.number}"

    async def ends(self) -> Offsets:
        """Where the topics end now."""
        return await self._offsets.ends()

    async def committed(self, generation: Generation) -> Offsets:
        """What the generation has not finished, from where on."""
        return await self._offsets.committed(self.id_of(generation))

    async def begin(self, generation: Generation, offsets: Offsets) -> None:
        """Has the generation, which nobody feeds yet, be fed from there on."""
        await self._offsets.set(self.id_of(generation), offsets)

    async def has_passed(self, generation: Generation, goal: Offsets) -> bool:
        """Whether the generation has finished everything before these offsets."""
        committed = await self.committed(generation)
        return all(committed.get(each, 0) >= offset for each, offset in goal.items())

    async def lag(self, generation: Generation) -> Lag:
        """How far it is behind."""
        return await self._lag.read(self.id_of(generation))
