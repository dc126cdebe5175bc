"""What may happen next in a simulated world, and who chooses: every way up to so many deviations, or a tape."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Option = TypeVar("Option")


class Chooser:
    """Plays a given beginning of choices, then always the first option, and notes how many there were.

    Args:
        beginning: an option's number at each place where there is a choice.
    """

    def __init__(self, beginning: Sequence[int] = ()) -> None:
        self._beginning = beginning
        self.taken: list[int] = []
        self.offered: list[int] = []

    def choose(self, options: Sequence[Option]) -> Option:
        """One of the options; the first is what happens where nothing goes wrong."""
        place = len(self.taken)
        number = self._beginning[place] if place < len(self._beginning) else 0
        number %= len(options)
        self.taken.append(number)
        self.offered.append(len(options))
        return options[number]


def every_way(play: Callable[[Chooser], object], *, deviations: int) -> int:
    """Plays every course of things with at most so many deviations from the first options; how many there were."""
    played = 0
    for chooser in _ways(play, [], deviations):
        played += bool(chooser)
    return played


def _ways(play: Callable[[Chooser], object], beginning: list[int], left: int) -> Iterator[Chooser]:
    chooser = Chooser(beginning)
    play(chooser)
    yield chooser
    if left:
        for place in range(len(beginning), len(chooser.offered)):
            for number in range(1, chooser.offered[place]):
                yield from _ways(play, [*chooser.taken[:place], number], left - 1)


def on_tape(tape: Sequence[int], *, deviate_from: int) -> "TapeChooser":
    """A chooser that deviates where the tape has that number or a larger one."""
    return TapeChooser(tape, deviate_from)


class TapeChooser(Chooser):
    """Chooses by numbers of a tape; at its end, the first option."""

    def __init__(self, tape: Sequence[int], deviate_from: int) -> None:
        super().__init__()
        self._tape = iter(tape)
        self._deviate_from = deviate_from

    def choose(self, options: Sequence[Option]) -> Option:
        """One of the options."""
        over = next(self._tape, 0) - self._deviate_from
        return options[0 if over < 0 else 1 + over % (len(options) - 1)] if len(options) > 1 else options[0]
