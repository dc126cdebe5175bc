"""What the documents of all read models have in common."""

import base64
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def index_body(name: str) -> dict[str, Any]:
    """Settings and mappings of a read model's index, from the file of this name; see `ReadModel`."""
    body: dict[str, Any] = json.loads(files("read_models").joinpath(f"{name}_index.json").read_text())
    return body


def encoded(view: Message) -> str:
    """A view as the field `view` has it."""
    return base64.b64encode(view.SerializeToString()).decode()


def view_bytes(document: Mapping[str, Any]) -> bytes:
    """The bytes of the view in a document."""
    return base64.b64decode(document["view"])


def in_microseconds(time: Timestamp) -> int:
    """Microseconds since 1970."""
    return time.seconds * 10**6 + time.nanos // 1000
