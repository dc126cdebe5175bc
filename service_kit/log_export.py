"""Log records over OTLP, as structured as on standard output."""

import json
import logging

import structlog
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider

from service_kit.logs import formatter

_SEVERITIES = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}
_CARRIED_ELSEWHERE = {"event", "level", "timestamp", "trace_id", "span_id", "logger"}


class OtlpHandler(logging.Handler):
    """Hands records to OpenTelemetry; what OpenTelemetry itself logs is left out, as it would tell of itself for ever.

    The SDK's own handler is deprecated and would send structlog's events as one text.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider
        self.setFormatter(formatter(structlog.processors.ExceptionRenderer(), structlog.processors.JSONRenderer()))

    def emit(self, record: logging.LogRecord) -> None:
        """Queues the record; it is sent in batches, and dropped where the queue is full."""
        if record.name.startswith("opentelemetry"):
            return
        try:
            event = json.loads(self.format(record))
            self._provider.get_logger(record.name).emit(
                LogRecord(
                    timestamp=int(record.created * 1e9),
                    severity_text=record.levelname,
                    severity_number=_SEVERITIES.get(record.levelno, SeverityNumber.UNSPECIFIED),
                    body=str(event["event"]),
                    attributes={key: _sendable(event[key]) for key in event.keys() - _CARRIED_ELSEWHERE},
                )
            )
        except Exception:  # noqa: BLE001 -- a record that cannot be sent must not end the work that it tells of
            self.handleError(record)


def _sendable(value: object) -> str | bool | int | float:
    return value if isinstance(value, (str, bool, int, float)) else json.dumps(value)
