"""Rows of the log as recorded events."""

from psycopg.rows import TupleRow

from orderflow.events.v1 import event_log_pb2


def recorded(row: TupleRow) -> event_log_pb2.RecordedEvent:
    """The event in a row of the read statements, which all select the same columns in the same order."""
    position, log_shard, aggregate_type, aggregate_id, version, event_type, event_data, metadata, created_at = row
    event = event_log_pb2.RecordedEvent(
        position=position,
        log_shard=log_shard,
        aggregate_type=aggregate_type,
        aggregate_id=str(aggregate_id),
        version=version,
        event_type=event_type,
        event_data=event_data,
        metadata=event_log_pb2.EventMetadata.FromString(metadata),
    )
    event.record_time.FromDatetime(created_at)
    return event
