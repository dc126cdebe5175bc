"""Figures: ratios measured in one run, in interleaved rounds, shown as a table and as lines of JSON."""

import json
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio of something of ours to a limit taken in the same run.

    Args:
        values: one ratio a round.
        reach: the goal.
        at_least: the goal is a least value; else a most.
    """

    name: str
    values: tuple[float, ...]
    reach: float
    at_least: bool = True
    detail: str = ""

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool:
        """True when the median keeps the goal."""
        return self.value >= self.reach if self.at_least else self.value <= self.reach

    def as_json(self) -> str:
        """One line for programs."""
        return json.dumps(
            {
                "figure": self.name,
                "value": round(self.value, 3),
                "reach": f"{'>=' if self.at_least else '<='} {self.reach}",
                "reached": self.reached,
                "rounds": len(self.values),
                "spread": [round(min(self.values), 3), round(max(self.values), 3)],
                "detail": self.detail,
            }
        )


async def interleaved(
    ours: Callable[[], Awaitable[float]],
    limit: Callable[[], Awaitable[float]],
    rounds: int = ROUNDS,
    *,
    shown: Callable[[float], str] = "{:,.0f}/s".format,
) -> tuple[tuple[float, ...], str]:
    """The ratio of two measures in each of several rounds, one after the other, after a round that does not count.

    Args:
        shown: a measure in words; without it, a rate.
    """
    await ours()
    await limit()
    pairs = [(await ours(), await limit()) for _ in range(rounds)]
    medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
    return tuple(a / b for a, b in pairs), f"{shown(medians[0])} against {shown(medians[1])}"


def milliseconds(seconds: float) -> str:
    """A duration in words."""
    return f"{seconds * 1000:,.1f} ms"


def show(figures: list[Figure]) -> None:
    """Prints the table, then a line of JSON for each figure."""
    table = Table("figure", "value", "reach", "rounds", "spread", "medians")
    for each in figures:
        color = "green" if each.reached else "red"
        spread = f"{min(each.values):.2f}-{max(each.values):.2f}"
        reach = f"{'>=' if each.at_least else '<='} {each.reach}"
        table.add_row(each.name, f"[{color}]{each.value:.2f}[/]", reach, str(len(each.values)), spread, each.detail)
    Console(width=160).print(table)
    for each in figures:
        print(each.as_json())
