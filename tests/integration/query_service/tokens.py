"""Consistency tokens as commands would give them."""

from orderflow.common.v1.consistency_pb2 import ConsistencyTokenContents
from service_kit import consistency_token


def token(aggregate_type: str, aggregate_id: str, version: int, traceparent: str = "") -> str:
    """A token of a command that left the aggregate at this version."""
    return consistency_token.encode(
        ConsistencyTokenContents(
            aggregate_type=aggregate_type, aggregate_id=aggregate_id, version=version, traceparent=traceparent
        )
    )
