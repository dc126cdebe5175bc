"""What all metrics of this project share: how times are cut into buckets, and what a process tells of itself."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.semconv._incubating.attributes.cpu_attributes import CPU_MODE, CpuModeValues
from opentelemetry.semconv._incubating.metrics.process_metrics import (
    PROCESS_CPU_TIME,
    PROCESS_MEMORY_USAGE,
    PROCESS_THREAD_COUNT,
    PROCESS_UNIX_FILE_DESCRIPTOR_COUNT,
    PROCESS_UPTIME,
)

SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds of what takes from half a millisecond, a command on an idle machine, to the longest patience of a client."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def tell_of_process(meter: Meter) -> None:
    """Adds what the process itself uses, read when metrics are collected; the rest of /proc's only on Linux."""
    started = time.monotonic()

    def uptime(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(time.monotonic() - started)

    meter.create_observable_counter(
        PROCESS_CPU_TIME, [_cpu_time], unit="s", description="Processor time used, by mode: user or system."
    )
    meter.create_observable_gauge(PROCESS_UPTIME, [uptime], unit="s", description="Time since the process started.")
    meter.create_observable_up_down_counter(
        PROCESS_THREAD_COUNT, [_threads], unit="{thread}", description="Python's threads."
    )
    if Path("/proc/self/statm").exists():
        meter.create_observable_up_down_counter(
            PROCESS_MEMORY_USAGE, [_memory], unit="By", description="Resident memory."
        )
        meter.create_observable_up_down_counter(
            PROCESS_UNIX_FILE_DESCRIPTOR_COUNT,
            [_descriptors],
            unit="{file_descriptor}",
            description="Open files and sockets.",
        )


def _cpu_time(_: CallbackOptions) -> Iterator[Observation]:
    times = os.times()
    yield Observation(times.user, {CPU_MODE: CpuModeValues.USER.value})
    yield Observation(times.system, {CPU_MODE: CpuModeValues.SYSTEM.value})


def _threads(_: CallbackOptions) -> Iterator[Observation]:
    yield Observation(threading.active_count())


def _memory(_: CallbackOptions) -> Iterator[Observation]:
    yield Observation(int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES)


def _descriptors(_: CallbackOptions) -> Iterator[Observation]:
    yield Observation(sum(1 for _ in Path("/proc/self/fd").iterdir()))
