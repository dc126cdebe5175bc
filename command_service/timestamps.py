"""Moments as protobuf timestamps."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def stamp(moment: datetime) -> Timestamp:
    """The same moment as a protobuf timestamp.

    Args:
        moment: with its time zone.
    """
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
