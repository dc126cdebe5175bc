"""How often work was begun in the same place, and what follows from it."""

import pytest

from service_kit.kafka_attempts import TOGETHER, Attempts


@pytest.mark.parametrize("attempts", [Attempts(), Attempts(1, 0), Attempts(4, 10**12)])
def test_what_is_committed_is_read_again(attempts: Attempts) -> None:
    assert Attempts.of(attempts.metadata) == attempts


@pytest.mark.parametrize("metadata", [None, "", "another program's", "begun=1", "begun=-1 to=2", "begun=1 to=2 more"])
def test_other_metadata_counts_as_nothing(metadata: str | None) -> None:
    assert Attempts.of(metadata) == Attempts()


def test_a_batch_is_begun_some_times_before_its_messages_are_doubted() -> None:
    attempts = Attempts()
    for _ in range(TOGETHER):
        assert not attempts.doubts(5)
        attempts = attempts.again(7)
    assert [attempts.doubts(offset) for offset in (5, 7, 8)] == [True, True, False]
    assert not attempts.deadly


def test_a_message_that_was_begun_alone_and_not_finished_is_deadly() -> None:
    assert Attempts(TOGETHER, 7).again(7).deadly


def test_a_message_that_was_finished_alone_leaves_doubts_about_the_others_until_the_last() -> None:
    assert Attempts(TOGETHER, 7).after(5) == Attempts(TOGETHER, 7)
    assert Attempts(TOGETHER, 7).after(7) == Attempts()
