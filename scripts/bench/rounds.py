"""Interleaved measurement: every arm once a round, in an order that each round reverses, without disturbed rounds."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

Spent = TypeVar("Spent")

NOISE = 0.15  # cores that other processes may use during a round
_MAX_DISCARDED = 10  # discarded rounds for each wanted one, before the measurement gives up


def measure_rounds(
    arms: Mapping[str, Callable[[], Spent]],
    rounds: int,
    *,
    noisy: bool = False,
    helper_pid: int | None = None,
) -> tuple[list[dict[str, Spent]], int]:
    """Return the result of every arm for each counted round, and the number of discarded rounds.

    A round is discarded when processes other than this one and `helper_pid` used more than 15 % of a core, unless
    `noisy`. Each arm runs once before, to warm up. Raises ClickException when every round was disturbed.
    """
    counted: list[dict[str, Spent]] = []
    discarded, order = 0, list(arms)
    for arm in arms.values():
        arm()
    while len(counted) < rounds and discarded < _MAX_DISCARDED * rounds:
        order.reverse()
        cores_used = watch_other_processes(helper_pid)
        results = {name: arms[name]() for name in order}
        if cores_used() > NOISE and not noisy:
            discarded += 1
            continue
        counted.append(results)
    if not counted:
        raise click.ClickException(
            "every round was disturbed by other processes: run it later, or count them with --noisy"
        )
    return counted, discarded


def watch_other_processes(helper_pid: int | None = None) -> Callable[[], float]:
    """Return a function that gives the mean number of cores used since by processes other than this one and the helper."""
    started, before = time.perf_counter(), _other_seconds(helper_pid)
    return lambda: (_other_seconds(helper_pid) - before) / (time.perf_counter() - started)


def processor_seconds() -> float:
    """Return the processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _other_seconds(helper_pid: int | None) -> float:
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    ticks = os.sysconf("SC_CLK_TCK")
    busy = (sum(fields) - fields[3] - fields[4]) / ticks - processor_seconds()
    if helper_pid:
        own = Path(f"/proc/{helper_pid}/stat").read_text().rpartition(")")[2].split()
        busy -= (int(own[11]) + int(own[12])) / ticks
    return busy
