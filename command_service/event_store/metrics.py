"""What the event store tells of its batches: how large, how long waited for, how long in the database, and the end."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.semconv._incubating.metrics.db_metrics import DB_CLIENT_OPERATION_DURATION
from opentelemetry.semconv.attributes.db_attributes import DB_COLLECTION_NAME, DB_OPERATION_NAME, DB_SYSTEM_NAME
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

from command_service.event_store.batcher import MAX_BATCH_COMMANDS, Batch
from command_service.event_store.port import Appended, Conflict, Outcome, Remembered
from service_kit.metrics import SECONDS_BUCKETS

_SHARD = "orderflow.log.shard"
_OUTCOME = "orderflow.append.outcome"
_SIZES = tuple(2**power for power in range(MAX_BATCH_COMMANDS.bit_length()))
_INSERT = {DB_SYSTEM_NAME: "postgresql", DB_OPERATION_NAME: "INSERT", DB_COLLECTION_NAME: "event_store"}
_OUTCOMES: Mapping[type[Outcome], str] = {Appended: "appended", Conflict: "conflict", Remembered: "remembered"}
# Not empty, or the current context would be taken: that of whichever append a lane was opened for.
_NO_TRACE = trace.set_span_in_context(trace.INVALID_SPAN, Context())


class AppendMetrics:
    """Records batches, some measurements for each and none for each append in it: appends are the hot path.

    Args:
        waiting: how many appends wait now, by shard.
    """

    def __init__(self, meter: Meter, waiting: Callable[[], Mapping[int, int]]) -> None:
        self._waiting = waiting
        self._sizes = meter.create_histogram(
            "orderflow.append.batch.size",
            unit="{command}",
            description="Commands stored together.",
            explicit_bucket_boundaries_advisory=_SIZES,
        )
        self._waits = meter.create_histogram(
            "orderflow.append.batch.wait",
            unit="s",
            description="How long the first command of a batch waited to be sent to the database.",
            explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
        )
        self._durations = meter.create_histogram(
            DB_CLIENT_OPERATION_DURATION,
            unit="s",
            description="How long the database took to store a batch.",
            explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
        )
        self._commands = meter.create_counter(
            "orderflow.append.commands", unit="{command}", description="Commands by what became of their append."
        )
        meter.create_observable_up_down_counter(
            "orderflow.append.waiting",
            [self._observe_waiting],
            unit="{command}",
            description="Commands that wait for a batch.",
        )

    def record(self, log_shard: int, batch: Batch) -> None:
        """Records a batch of a shard."""
        shard = {_SHARD: log_shard}
        context = _NO_TRACE if batch.span is None else trace.set_span_in_context(batch.span, Context())
        self._sizes.record(len(batch.outcomes), shard, context)
        self._waits.record(batch.waited_seconds, shard, context)
        failures = [outcome for outcome in batch.outcomes if isinstance(outcome, Exception)]
        failed = {ERROR_TYPE: type(failures[0]).__name__} if failures else {}
        self._durations.record(batch.commit_seconds, {**_INSERT, **failed}, context)
        for outcome, count in Counter(map(_word, batch.outcomes)).items():
            self._commands.add(count, {_OUTCOME: outcome}, context)

    def _observe_waiting(self, _: CallbackOptions) -> Iterator[Observation]:
        for log_shard, count in self._waiting().items():
            yield Observation(count, {_SHARD: log_shard})


def _word(outcome: Outcome | Exception) -> str:
    return "failed" if isinstance(outcome, Exception) else _OUTCOMES[type(outcome)]
