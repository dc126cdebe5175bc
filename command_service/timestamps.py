"""Moments as protobuf timestamps, and back; in whole microseconds, as clocks here tell them."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400


def stamp(moment: datetime) -> Timestamp:
    """The same moment as a protobuf timestamp.

    Args:
        moment: with its time zone.
    """
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * _DAY_SECONDS + since.seconds, nanos=since.microseconds * 1000)


def moment_of(timestamp: Timestamp) -> datetime:
    """The moment that a timestamp of the years 1 to 9999 tells, in UTC."""
    return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
