"""What code in this process measures, for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric, NumberDataPoint

Labels = Mapping[str, Any]


class Measured:
    """Collects what is recorded with one meter provider."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def metric(self, name: str) -> Metric | None:
        """A metric as it is now; None where nothing has been recorded."""
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        return metric
        return None

    def values(self, name: str) -> list[tuple[Labels, float]]:
        """A counter's or gauge's values with their attributes."""
        metric = self.metric(name)
        points = metric.data.data_points if metric else ()
        return [(dict(each.attributes or {}), each.value) for each in points if isinstance(each, NumberDataPoint)]

    def histograms(self, name: str) -> list[tuple[Labels, HistogramDataPoint]]:
        """A histogram's points with their attributes."""
        metric = self.metric(name)
        points = metric.data.data_points if metric else ()
        return [(dict(each.attributes or {}), each) for each in points if isinstance(each, HistogramDataPoint)]


@contextmanager
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    """Every meter that is asked for meanwhile is this one's."""
    measured = Measured()
    with monkeypatch.context() as patch:
        patch.setattr(metrics, "get_meter", measured.provider.get_meter)
        yield measured
    measured.provider.shutdown()
