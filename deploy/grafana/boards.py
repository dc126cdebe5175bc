"""Grafana's dashboards: `python -m deploy.grafana.boards` writes the JSON files beside it from what stands here."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).with_name("dashboards")
_COLUMNS, _WIDTH, _HEIGHT = 2, 12, 8


class Panel(NamedTuple):
    """A graph: its title, its unit by Grafana's names, its queries by legend."""

    title: str
    unit: str
    queries: Mapping[str, str]


def _rate(metric: str, by: str = "", where: str = "") -> str:
    selector = f"{{{where}}}" if where else ""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping}(rate({metric}{selector}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    groups = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', groups, where)})"


def _times(title: str, metric: str, where: str = "") -> Panel:
    return Panel(
        title, "s", {f"p{share:.0%}"[:-1]: _quantile(share, metric, where=where) for share in (0.5, 0.95, 0.99)}
    )


_CALLS = "rpc_server_call_duration_seconds"
_COMMANDS = 'rpc_method=~"orderflow.orders.v1.OrderCommandService/.*"'
_QUERIES = 'rpc_method=~"orderflow.orders.v1.OrderQueryService/.*"'
_HITS = 'orderflow_cache_hit="true"'
_FAULTS = 'rpc_response_status_code=~"UNKNOWN|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|DATA_LOSS"'

BOARDS: Mapping[str, Sequence[Panel]] = {
    "overview": (
        Panel("Calls", "reqps", {"{{rpc_method}}": _rate(f"{_CALLS}_count", "rpc_method")}),
        Panel("Calls that failed by the server's fault", "reqps", {
            "{{rpc_method}} {{rpc_response_status_code}}": _rate(
                f"{_CALLS}_count", "rpc_method, rpc_response_status_code", _FAULTS
            )
        }),
        _times("From commit to searchable", "orderflow_projection_searchable_delay_seconds"),
        Panel("Behind", "s", {
            "relay": "max(orderflow_relay_lag_age_seconds)",
            "{{orderflow_projection_name}}":
                "max by (orderflow_projection_name) (orderflow_projection_lag_age_seconds)",
        }),
        Panel("What cannot be projected", "short", {
            "{{orderflow_projection_name}}": "max by (orderflow_projection_name) (orderflow_projection_quarantined)"
        }),
        Panel("What a client sees", "s", {
            "{{orderflow_canary_path}}": _quantile(0.95, "orderflow_canary_delay_seconds", "orderflow_canary_path")
        }),
        Panel("Memory", "bytes", {"{{job}} {{instance}}": "process_memory_usage_bytes"}),
        Panel("Processors", "short", {
            "{{job}} {{instance}}": _rate("process_cpu_time_seconds_total", "job, instance")
        }),
    ),
    "write-side": (
        Panel("Commands", "reqps", {"{{rpc_method}}": _rate(f"{_CALLS}_count", "rpc_method", _COMMANDS)}),
        _times("How long commands take", _CALLS, _COMMANDS),
        Panel("Refusals", "reqps", {
            "{{orderflow_error_reason}}": _rate("orderflow_rpc_server_refusals_total", "orderflow_error_reason")
        }),
        Panel("What became of appends", "reqps", {
            "{{orderflow_append_outcome}}": _rate("orderflow_append_commands_total", "orderflow_append_outcome")
        }),
        Panel("Commands that wait", "short", {
            "shard {{orderflow_log_shard}}": "sum by (orderflow_log_shard) (orderflow_append_waiting)"
        }),
        Panel("Size of batches", "short", {"p95": _quantile(0.95, "orderflow_append_batch_size")}),
        _times("Wait for a batch", "orderflow_append_batch_wait_seconds"),
        _times("The database, for a batch", "db_client_operation_duration_seconds"),
        Panel("Overtaken by another command", "reqps", {
            "{{orderflow_aggregate_type}}": _rate("orderflow_command_overtaken_total", "orderflow_aggregate_type")
        }),
    ),
    "relay": (
        Panel("Events that are not published", "short", {
            "shard {{orderflow_log_shard}}": "max by (orderflow_log_shard) (orderflow_relay_lag_events)"
        }),
        Panel("Age of the oldest", "s", {
            "shard {{orderflow_log_shard}}": "max by (orderflow_log_shard) (orderflow_relay_lag_age_seconds)"
        }),
        Panel("Published", "short", {
            "shard {{orderflow_log_shard}}": _rate("orderflow_relay_published_total", "orderflow_log_shard")
        }),
        Panel("Leaders", "short", {
            "shard {{orderflow_log_shard}}": "sum by (orderflow_log_shard) (orderflow_relay_leading)"
        }),
        Panel("Restarts", "short", {"{{error_type}}": _rate("orderflow_relay_restarts_total", "error_type")}),
    ),
    "fulfillment": (
        Panel("Open orders", "short", {
            "{{orderflow_fulfillment_step}}": "max by (orderflow_fulfillment_step) (orderflow_fulfillment_open)"
        }),
        Panel("Most overdue", "s", {"": "max(orderflow_fulfillment_overdue_age_seconds)"}),
        Panel("Commands given", "short", {
            "{{orderflow_fulfillment_call}} {{orderflow_fulfillment_outcome}}": _rate(
                "orderflow_fulfillment_calls_total", "orderflow_fulfillment_call, orderflow_fulfillment_outcome"
            )
        }),
        Panel("Looks that ended in a defect", "short", {"": _rate("orderflow_fulfillment_defects_total")}),
    ),
    "projector": (
        Panel("Published events that are not indexed", "short", {
            "{{orderflow_projection_name}}": "max by (orderflow_projection_name) (orderflow_projection_lag_events)"
        }),
        Panel("Distance to the log's head", "short", {
            "{{orderflow_projection_name}}": "max by (orderflow_projection_name) (orderflow_projection_log_distance)"
        }),
        Panel("Messages finished", "short", {
            "{{instance}}": _rate("messaging_client_consumed_messages_total", "instance")
        }),
        _times("A batch of messages", "messaging_process_duration_seconds"),
        Panel("Heartbeat", "s", {
            "{{orderflow_projection_name}} {{instance}}": "orderflow_projection_heartbeat_age_seconds"
        }),
        Panel("Audited", "short", {
            "{{orderflow_audit_outcome}}": _rate("orderflow_audit_aggregates_total", "orderflow_audit_outcome")
        }),
        Panel("Divergences", "short", {
            "{{orderflow_store}} {{orderflow_divergence_kind}}": _rate(
                "orderflow_audit_divergences_total", "orderflow_store, orderflow_divergence_kind"
            )
        }),
        Panel("Repairs", "short", {"{{orderflow_store}}": _rate("orderflow_audit_repairs_total", "orderflow_store")}),
    ),
    "query-side": (
        Panel("Queries", "reqps", {"{{rpc_method}}": _rate(f"{_CALLS}_count", "rpc_method", _QUERIES)}),
        Panel("How long queries take (p95)", "s", {"{{rpc_method}}": _quantile(0.95, _CALLS, "rpc_method", _QUERIES)}),
        Panel("Streams and watchers", "short", {
            "{{rpc_method}}": f"sum by (rpc_method) (orderflow_rpc_server_calls_running{{{_QUERIES}}})"
        }),
        Panel("Stale reads", "reqps", {
            "{{orderflow_consistency_outcome}}": _rate(
                "orderflow_consistency_wait_seconds_count", "orderflow_consistency_outcome"
            )
        }),
        _times("Waits of stale reads", "orderflow_consistency_wait_seconds"),
    ),
    "cache": (
        Panel("Lookups", "reqps", {
            "hit: {{orderflow_cache_hit}}": _rate("orderflow_cache_lookups_total", "orderflow_cache_hit")
        }),
        Panel("Share of hits", "percentunit", {
            "hits": f"{_rate('orderflow_cache_lookups_total', where=_HITS)}"
            f" / {_rate('orderflow_cache_lookups_total')}"
        }),
    ),
}  # fmt: skip


def dashboard(name: str) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    return {
        "uid": f"orderflow-{name}",
        "title": f"orderflow: {name.replace('-', ' ')}",
        "tags": ["orderflow"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": [_panel(number, panel) for number, panel in enumerate(BOARDS[name])],
    }


def text(name: str) -> str:
    """The dashboard's file."""
    return json.dumps(dashboard(name), indent=1) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend, "exemplar": "_bucket" in query}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    for each in BOARDS:
        (FOLDER / f"{each}.json").write_text(text(each))
