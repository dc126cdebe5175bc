"""Counts how often work was begun in the same place, so that a message that kills the process is found.

A death leaves no time to count it, so what is counted is the beginning: in the metadata of the committed offset, once
for the first batch of an assignment. The next commit has other metadata, and so takes the count back.
"""

import re
from dataclasses import dataclass
from typing import Self

TOGETHER = 3
"""How often a batch is begun in the same place before its messages are handled one by one."""

_TEXT = re.compile(r"begun=(\d+) to=(\d+)")


@dataclass(frozen=True, slots=True)
class Attempts:
    """What a partition's committed offset says about the messages from it on.

    Args:
        begun: how often they were begun and not finished.
        to: the offset of the last one that was.
    """

    begun: int = 0
    to: int = -1

    @classmethod
    def of(cls, metadata: str | None) -> Self:
        """Reads commit metadata; anything else than what is written here counts as nothing."""
        found = _TEXT.fullmatch(metadata or "")
        return cls(*map(int, found.groups())) if found else cls()

    @property
    def metadata(self) -> str:
        """What is committed with the offset."""
        return f"begun={self.begun} to={self.to}" if self.begun else ""

    @property
    def deadly(self) -> bool:
        """The first message was begun alone, and not finished."""
        return self.begun > TOGETHER

    def doubts(self, offset: int) -> bool:
        """The message at this offset is to be handled alone."""
        return self.begun >= TOGETHER and offset <= self.to

    def again(self, to: int) -> Self:
        """The same begun once more, up to and with this offset."""
        return type(self)(self.begun + 1, to)

    def after(self, offset: int) -> Self:
        """What is left once the message at this offset, handled alone, is finished."""
        return type(self)(TOGETHER, self.to) if offset < self.to else type(self)()
