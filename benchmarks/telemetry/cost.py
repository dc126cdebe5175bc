"""What telemetry costs: calls a second with all of it, against none, in two processes called in turn."""

from collections.abc import Mapping, Sequence
from functools import partial

from benchmarks.database import BenchDatabase
from benchmarks.figures import Figure, interleaved
from benchmarks.processes import server
from benchmarks.telemetry.collector import collector
from benchmarks.write.commands import command_rate, command_server, command_settings

_ECHO = ("-m", "benchmarks.telemetry.echo")
_NONE = {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}


async def cost_in_an_echo(*, sampled: float, reach: float) -> Figure:
    """Of a call that does nothing else.

    Args:
        sampled: the part of the calls whose spans are recorded; metrics count all of them.
    """
    return await _cost("echo", _ECHO, {}, sampled, reach)


async def cost_in_commands(bench: BenchDatabase, *, sampled: float, reach: float) -> Figure:
    """Of CreateOrder; else as `cost_in_an_echo`."""
    return await _cost("CreateOrder", command_server(1), command_settings(bench), sampled, reach)


async def _cost(
    name: str, arguments: Sequence[str], settings: Mapping[str, str], sampled: float, reach: float
) -> Figure:
    async with collector() as endpoint:
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{endpoint}",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(sampled),
        }
        async with (
            server(arguments, {**settings, **told}) as (telling, _),
            server(arguments, {**settings, **_NONE}) as (silent, _),
        ):
            values, detail = await interleaved(partial(command_rate, telling), partial(command_rate, silent))
    return Figure(f"{name}, telemetry of {sampled:.0%} of the calls / none", values, reach, detail=detail)
