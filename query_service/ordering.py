"""In which order a list is sent: the syntax of AIP-132 over a few fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service_kit.errors import InvalidArgument

_FIELDS = {"create_time": "create_time_us", "update_time": "update_time_us", "total_amount": "total_e4"}
_SCORE = "_score"


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field of the index, or `_score`, and its direction."""

    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Ordering:
    """At least one sort key; ties are broken by order id, in the direction of the first."""

    keys: tuple[SortKey, ...]

    @property
    def is_stable(self) -> bool:
        """True when no order ever changes its place."""
        return all(key.field == "create_time_us" for key in self.keys)

    @property
    def is_relative(self) -> bool:
        """True when an order's place depends on what else there is, so that it means nothing at another time."""
        return any(key.field == _SCORE for key in self.keys)

    def to_sort(self) -> list[dict[str, Any]]:
        """The sort of an Elasticsearch request, with the tiebreak."""
        keys = (*self.keys, SortKey("order_id", self.keys[0].descending))
        return [{key.field: "desc" if key.descending else "asc"} for key in keys]


NEWEST_FIRST = Ordering((SortKey("create_time_us", descending=True),))
BEST_FIRST = Ordering((SortKey(_SCORE, descending=True),))


def parse(order_by: str, default: Ordering) -> Ordering:
    """The ordering that a well-formed `order_by` says; the default when it is empty.

    Raises:
        InvalidArgument: naming `order_by`, for an unknown field or one that comes twice.
    """
    parts = [part.split() for part in order_by.split(",") if part.strip()]
    if not parts:
        return default
    keys = tuple(_key(part) for part in parts)
    if len({key.field for key in keys}) < len(keys):
        raise InvalidArgument.of("order_by", "names a field twice")
    return Ordering(keys)


def _key(words: Sequence[str]) -> SortKey:
    if words[0] not in _FIELDS:
        raise InvalidArgument.of("order_by", f"{words[0]} is not one of {', '.join(_FIELDS)}")
    return SortKey(_FIELDS[words[0]], words[1:] == ["desc"])
