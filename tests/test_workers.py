"""Parallel batches: results in order, one thread each, and torch's thread counts elsewhere unchanged."""

from __future__ import annotations

import subprocess
import sys

# A separate process, because torch's number of threads belongs to the process, which other tests share.
SCRIPT = """
import threading, torch
from encoders.workers import Workers

torch.set_num_threads(3)
workers = Workers(torch.device("cpu"))
results = list(workers.map(lambda batch: (batch, torch.get_num_threads(), threading.current_thread().name), range(20)))
assert [batch for batch, _, _ in results] == list(range(20)), results
assert {count for _, count, _ in results} == {1}, results
assert all(name.startswith("encode") for _, _, name in results), results
assert torch.get_num_threads() == 3
counts = []
thread = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
thread.start(); thread.join()
assert counts == [3], counts
single, = workers.map(lambda batch: (torch.get_num_threads(), threading.current_thread().name), [7])
assert single == (3, "MainThread"), single  # a single batch uses all cores
assert list(workers.map(lambda batch: torch.is_inference_mode_enabled(), [1, 2])) == [True, True]
assert list(workers.map(int, [])) == []
try:
    list(workers.map(lambda batch: 1 / batch, [1, 0]))
except ZeroDivisionError:
    print("raised")
"""


def test_batches_are_computed_in_parallel_by_one_thread_each() -> None:
    process = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "raised"
