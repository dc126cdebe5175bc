"""`python -m benchmarks.telemetry [NAME ...]`: what telemetry costs, on the test profile's servers."""

from functools import partial

from benchmarks.database import on_a_database
from benchmarks.program import Measurement, run
from benchmarks.telemetry.cost import cost_in_an_echo, cost_in_commands

_FIGURES: dict[str, Measurement] = {
    "echo-10": partial(cost_in_an_echo, sampled=0.1, reach=0.85),
    "commands-10": on_a_database(partial(cost_in_commands, sampled=0.1, reach=0.92)),
    "echo-100": partial(cost_in_an_echo, sampled=1.0, reach=0.75),
    "commands-100": on_a_database(partial(cost_in_commands, sampled=1.0, reach=0.85)),
}

if __name__ == "__main__":
    run("python -m benchmarks.telemetry", __doc__, _FIGURES)
