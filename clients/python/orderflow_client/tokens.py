"""What a client has changed and its queries must see: the newest consistency token of each aggregate."""

import threading
from collections import OrderedDict

from google.protobuf.message import Message

MOST_TOKENS = 100
"""As many as a query takes."""
_IDS = ("order_id", "customer_id", "sku")
_EARLIER = ("at_version", "as_of_time")


class Tokens:
    """Remembers tokens of answers and hands them to queries; of the last 100 aggregates. Safe to share by threads."""

    def __init__(self) -> None:
        self._newest: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, answer: Message) -> None:
        """Keeps the token of a command's answer; any other message has none."""
        token = getattr(answer, "consistency_token", "")
        field = next((name for name in _IDS if name in answer.DESCRIPTOR.fields_by_name), "")
        if not token or not field:
            return
        key = (field, getattr(answer, field))
        with self._lock:
            self._newest[key] = token
            self._newest.move_to_end(key)
            if len(self._newest) > MOST_TOKENS:
                self._newest.popitem(last=False)

    def wanted_by(self, query: Message) -> list[str]:
        """The tokens that a query should pass.

        A query of one order gets that order's, any other all of them. None go to what takes none or names its own,
        to a continued stream, which sees what its first call saw, and to a view of the past.
        """
        fields = query.DESCRIPTOR.fields_by_name
        if "consistency_tokens" not in fields or query.consistency_tokens:  # type: ignore[attr-defined]
            return []
        if getattr(query, "resume_token", "") or any(name in fields and query.HasField(name) for name in _EARLIER):
            return []
        with self._lock:
            if "order_id" in fields:
                token = self._newest.get(("order_id", query.order_id.lower()))  # type: ignore[attr-defined]
                return [token] if token else []
            return list(self._newest.values())
