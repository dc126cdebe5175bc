"""How much a test does: little of it in `make test`, all of it in `make test-long`."""

import os

_LONG = os.environ.get("ORDERFLOW_TEST_LONG") == "1"


def quick_or_long(quick: int, long: int) -> int:
    """The first number, or the second in the long form. A test that asks has the mark `long`, which selects it."""
    return long if _LONG else quick
