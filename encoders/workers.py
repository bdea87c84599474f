"""Batches computed in parallel, each by one thread of torch.

On a CPU this is faster than one batch on all cores: no core waits after every operation for another one, which image
decoding or the engine may use at that moment.
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
        """Yield `compute(batch)` of every batch in order, in inference mode and in the faster precision."""

        def inside(batch: A) -> B:
            with torch.inference_mode(), mixed_precision(self._device):
                return compute(batch)

        count = torch.get_num_threads()
        if self._device.type != "cpu" or count == 1 or len(batches) < 2:
            return map(inside, batches)
        mixed_precision(self._device)  # tested once, before the cores are busy
        self._pool = self._pool or _pool(count)
        return self._pool.map(inside, batches)


def _pool(count: int) -> ThreadPoolExecutor:
    """Return a pool whose threads use one core each, while every other thread has as many cores as before.

    torch has one number of threads for the process and, after its first use in a thread, one for that thread: the
    threads of the pool set theirs, then the number of the process is restored.
    """
    ready = threading.Barrier(count + 1)

    def use_one_core() -> None:
        torch.get_num_threads()  # after this call the thread has a number of its own
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="encode", initializer=use_one_core)
    for _ in range(count):
        pool.submit(int)  # the pool starts a thread for each task without an idle one
    ready.wait()
    torch.set_num_threads(count)
    return pool
