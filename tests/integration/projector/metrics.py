"""What a projector in this process measures."""

from collections.abc import Mapping

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric, NumberDataPoint


class Metrics:
    """Collects what is recorded with the meters that are asked for meanwhile; no other test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], shutdown_on_exit=False)
        monkeypatch.setattr(metrics, "get_meter", self._provider.get_meter)

    def values(self, name: str, attribute: str) -> Mapping[str, float]:
        """A counter's or gauge's values by one of its attributes, summed over the others."""
        values: dict[str, float] = {}
        for point in self._points(name):
            assert isinstance(point, NumberDataPoint)
            key = str((point.attributes or {}).get(attribute))
            values[key] = values.get(key, 0) + point.value
        return values

    def names_of(self, name: str, attribute: str) -> set[str]:
        """The values that one of a metric's attributes has."""
        return {str((point.attributes or {}).get(attribute)) for point in self._points(name)}  # type: ignore[attr-defined]

    def value(self, name: str) -> float | None:
        """A counter's or gauge's only value; None where there is none."""
        points = self._points(name)
        if not points:
            return None
        (point,) = points
        assert isinstance(point, NumberDataPoint)
        return point.value

    def histogram(self, name: str) -> HistogramDataPoint | None:
        """A histogram's only point; None where nothing was recorded."""
        points = self._points(name)
        if not points:
            return None
        (point,) = points
        assert isinstance(point, HistogramDataPoint)
        return point

    def unit(self, name: str) -> str | None:
        """The metric's unit; None where there is no such metric."""
        return next((each.unit for each in self._all() if each.name == name), None)

    def close(self) -> None:
        """Ends the collection."""
        self._provider.shutdown()

    def _points(self, name: str) -> list[object]:
        return [point for each in self._all() if each.name == name for point in each.data.data_points]

    def _all(self) -> list[Metric]:
        data = self._reader.get_metrics_data()
        return [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
