"""Shows a streamed list as it arrives, and how to go on where it stops."""

from collections.abc import AsyncIterator, Sequence

from ordersctl.command import Session
from ordersctl.errors import CallFailed
from ordersctl.output import AnyMessage, Rows


async def show_chunks(
    session: Session, rows: Rows[AnyMessage], chunks: AsyncIterator[tuple[Sequence[AnyMessage], str]]
) -> int:
    """Shows what comes and returns how much that was.

    Args:
        chunks: each as what is in it, and the token that continues after it; empty where nothing follows.

    Raises:
        CallFailed: the list broke off; says how to continue it.
    """
    resume_token = ""
    try:
        async for messages, resume_token in chunks:  # noqa: B007
            rows.add(messages)
    except CallFailed as failed:
        raise failed.repeat_with("--resume", resume_token) if resume_token else failed from failed
    if resume_token:
        session.output.note(f"more follow: --resume {resume_token}", resume_token=resume_token)
    return rows.count
