"""A bounded pool of threads for work that blocks or computes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vitrine.errors import VitrineError

_MAX_WAITING = 64

T = TypeVar("T")


class BusyError(VitrineError):
    """More work waits than can be done within any deadline."""


class WorkerPool:
    """Threads for ranking or searching; numpy, ONNX Runtime and sockets release the interpreter meanwhile."""

    def __init__(self, workers: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="rank")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of `work`. Raises BusyError when too much work waits already."""
        if self._waiting >= _MAX_WAITING:
            raise BusyError(f"{self._waiting} windows wait to be ranked; add a replica of the service")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._done)
        return await future

    def _done(self, _: object) -> None:
        self._waiting -= 1

    def close(self) -> None:
        """Cancel what waits; running work ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
