"""docs/telemetry.md tells the truth about metrics."""

from tests.support.metrics_table import created, documented


def test_the_table_has_every_metric_with_its_kind_and_unit_and_no_other() -> None:
    assert {(row.name, row.kind, row.unit) for row in documented().values()} == created()


def test_no_attribute_is_a_persons_or_an_orders() -> None:
    attributes = {each for row in documented().values() for each in row.attributes}
    assert not [each for each in attributes if each.endswith(".id") or "customer" in each or "order." in each]
