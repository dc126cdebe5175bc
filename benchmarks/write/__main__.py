"""`python -m benchmarks.write [NAME ...]`: the write side's figures, on the test profile's servers."""

from functools import partial

from benchmarks.database import on_a_database
from benchmarks.program import run
from benchmarks.write.appends import in_process_appends
from benchmarks.write.commands import (
    commands_against_a_peer,
    commands_against_echo,
    goodput_under_overload,
    latency_at_half_load,
)
from benchmarks.write.loads import load_of_a_long_history
from benchmarks.write.relay import relay_of_a_backlog

_FIGURES = {
    "appends": in_process_appends,
    "echo": partial(commands_against_echo, processes=1, reach=0.55),
    "echo-2": partial(commands_against_echo, processes=2, reach=0.65),
    "peer": commands_against_a_peer,
    "relay": relay_of_a_backlog,
    "latency": latency_at_half_load,
    "overload": goodput_under_overload,
    "load": load_of_a_long_history,
}

if __name__ == "__main__":
    run("python -m benchmarks.write", __doc__, {name: on_a_database(each) for name, each in _FIGURES.items()})
