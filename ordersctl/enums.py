"""Values of enums as people read them."""

from typing import Any


def value_name(enum: Any, number: int, prefix: str) -> str:
    """The name of a value without its enum's prefix; of one that only a newer server knows, its number.

    Args:
        enum: as protobuf generates it.
    """
    try:
        name: str = enum.Name(number)
    except ValueError:
        return str(number)
    return name.removeprefix(prefix)
