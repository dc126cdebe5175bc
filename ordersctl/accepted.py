"""How the answer of a command is shown that nothing follows."""

from collections.abc import Sequence
from typing import Any

from ordersctl import tables
from ordersctl.command import Session
from ordersctl.options import Envelope


def show_accepted(session: Session, response: Any, facts: Sequence[tables.Row], envelope: Envelope) -> None:
    """Shows an answer: what it says of its aggregate, and what every answer has."""
    rows: list[tables.Row] = [
        *facts,
        ("version", str(response.version)),
        ("token", response.consistency_token),
        ("request id", envelope.request_id),
    ]
    title = "valid; nothing was changed" if envelope.validate_only else "accepted"
    session.output.message(response, tables.facts(rows, title=title), {"request_id": envelope.request_id})
