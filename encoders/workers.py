"""Batches computed side by side, each by one thread of torch.

On a CPU that is faster than one batch on all cores: no core waits at the end of every operation for another one, which
decoding pictures or the engine may keep busy just then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from .device import mixed_precision

A = TypeVar("A")
B = TypeVar("B")


class Workers:
    """As many threads as torch would use on the device, started when there is more than one batch to compute."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: ThreadPoolExecutor | None = None

    def map(self, compute: Callable[[A], B], batches: Sequence[A]) -> Iterator[B]:
        """`compute(batch)` of every batch, in their order, in inference mode and in the precision that pays."""

        def inside(batch: A) -> B:
            with torch.inference_mode(), mixed_precision(self._device):
                return compute(batch)

        many = torch.get_num_threads()
        if self._device.type != "cpu" or many == 1 or len(batches) < 2:
            return map(inside, batches)
        mixed_precision(self._device)  # tried once, before the cores are busy
        self._pool = self._pool or _pool(many)
        return self._pool.map(inside, batches)


def _pool(many: int) -> ThreadPoolExecutor:
    """A pool whose threads compute alone, while every other thread keeps the cores that it had.

    torch's number of threads is one for the process and, from its first use on, one for each thread: the threads of the
    pool set theirs before the process's is put back.
    """
    ready = threading.Barrier(many + 1)

    def alone() -> None:
        torch.get_num_threads()  # from here on the thread has a number of its own
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(many, thread_name_prefix="encode", initializer=alone)
    for _ in range(many):
        pool.submit(int)  # a thread is started for each task that finds none idle
    ready.wait()
    torch.set_num_threads(many)
    return pool
