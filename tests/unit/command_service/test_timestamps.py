"""Moments and timestamps are the same as protobuf itself has them."""

from datetime import UTC, datetime, timedelta, timezone

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from command_service.timestamps import moment_of, stamp

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))])
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES)  # noqa: DTZ001 -- in any zone


@given(MOMENTS)
def test_a_moment_is_stamped_as_protobuf_does(moment: datetime) -> None:
    expected = Timestamp()
    expected.FromDatetime(moment)
    assert stamp(moment) == expected
    assert moment_of(expected) == moment


@given(st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999_999))
def test_a_timestamp_is_read_as_protobuf_does(seconds: int, nanos: int) -> None:
    timestamp = Timestamp(seconds=seconds, nanos=nanos)
    assert moment_of(timestamp) == timestamp.ToDatetime(tzinfo=UTC)
