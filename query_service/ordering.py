"""In which order a list is sent: the syntax of AIP-132 over a few fields."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from service_kit.errors import InvalidArgument

_SCORE = "_score"


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field of the index, or `_score`, and its direction."""

    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Ordering:
    """At least one sort key.

    Args:
        tiebreak: a field that no two documents have in common; it is sorted in the direction of the first key.
        constant: fields that never change.
    """

    keys: tuple[SortKey, ...]
    tiebreak: str
    constant: AbstractSet[str]

    @property
    def is_stable(self) -> bool:
        """True when nothing ever changes its place."""
        return all(key.field in self.constant for key in self.keys)

    @property
    def is_relative(self) -> bool:
        """True when a place depends on what else there is, so that it means nothing at another time."""
        return any(key.field == _SCORE for key in self.keys)

    def to_sort(self) -> list[dict[str, Any]]:
        """The sort of an Elasticsearch request, with the tiebreak."""
        keys = (*self.keys, SortKey(self.tiebreak, self.keys[0].descending))
        return [{key.field: "desc" if key.descending else "asc"} for key in keys]


@dataclass(frozen=True, slots=True)
class Sortable:
    """What a list can be sorted by.

    Args:
        fields: of the index, by their names in `order_by`.
        tiebreak: as `Ordering` has it.
        constant: as `Ordering` has it.
    """

    fields: Mapping[str, str]
    tiebreak: str
    constant: AbstractSet[str]

    def by(self, *keys: SortKey) -> Ordering:
        """The ordering by these keys."""
        return Ordering(keys, self.tiebreak, self.constant)

    def parse(self, order_by: str, default: Ordering) -> Ordering:
        """The ordering that a well-formed `order_by` says; the default when it is empty.

        Raises:
            InvalidArgument: naming `order_by`, for an unknown field or one that comes twice.
        """
        parts = [part.split() for part in order_by.split(",") if part.strip()]
        if not parts:
            return default
        keys = tuple(self._key(part) for part in parts)
        if len({key.field for key in keys}) < len(keys):
            raise InvalidArgument.of("order_by", "names a field twice")
        return self.by(*keys)

    def _key(self, words: Sequence[str]) -> SortKey:
        if words[0] not in self.fields:
            raise InvalidArgument.of("order_by", f"{words[0]} is not one of {', '.join(self.fields)}")
        return SortKey(self.fields[words[0]], words[1:] == ["desc"])


ORDERS = Sortable(
    {"create_time": "create_time_us", "update_time": "update_time_us", "total_amount": "total_e4"},
    tiebreak="order_id",
    constant={"create_time_us"},
)
NEWEST_FIRST = ORDERS.by(SortKey("create_time_us", descending=True))
BEST_FIRST = ORDERS.by(SortKey(_SCORE, descending=True))
STOCK = Sortable(
    {
        "sku": "sku",
        "available": "available",
        "on_hand": "on_hand",
        "create_time": "create_time_us",
        "update_time": "update_time_us",
    },
    tiebreak="sku",
    constant={"sku", "create_time_us"},
)
BY_SKU = STOCK.by(SortKey("sku", descending=False))
