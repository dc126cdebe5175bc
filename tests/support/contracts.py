"""What the contracts hold, from the generated descriptors, so that nothing new is forgotten in a list."""

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

_GENERATED = Path(__file__).parents[2] / "generated" / "python"


@cache
def files() -> tuple[FileDescriptor, ...]:
    """Every file of ours, in order of its path."""
    paths = sorted(path.relative_to(_GENERATED) for path in (_GENERATED / "orderflow").rglob("*_pb2.py"))
    modules = (importlib.import_module(".".join(path.with_suffix("").parts)) for path in paths)
    return tuple(module.DESCRIPTOR for module in modules)


def services() -> Iterator[ServiceDescriptor]:
    """Every service of ours."""
    for file in files():
        yield from file.services_by_name.values()
