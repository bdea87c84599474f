"""Batches side by side: the same vectors in the same order, and torch's threads are as they were everywhere else."""

from __future__ import annotations

import subprocess
import sys

# A process of its own: the number of torch's threads is the process's, and other tests have begun to compute.
SCRIPT = """
import threading, torch
from encoders.workers import Workers

torch.set_num_threads(3)
workers = Workers(torch.device("cpu"))
seen = list(workers.map(lambda batch: (batch, torch.get_num_threads(), threading.current_thread().name), range(20)))
assert [batch for batch, _, _ in seen] == list(range(20)), seen
assert {many for _, many, _ in seen} == {1}, seen
assert all(name.startswith("encode") for _, _, name in seen), seen
assert torch.get_num_threads() == 3
told = []
thread = threading.Thread(target=lambda: told.append(torch.get_num_threads()))
thread.start(); thread.join()
assert told == [3], told
alone, = workers.map(lambda batch: (torch.get_num_threads(), threading.current_thread().name), [7])
assert alone == (3, "MainThread"), alone  # nothing beside it: all cores for one batch
assert list(workers.map(lambda batch: torch.is_inference_mode_enabled(), [1, 2])) == [True, True]
assert list(workers.map(int, [])) == []
try:
    list(workers.map(lambda batch: 1 / batch, [1, 0]))
except ZeroDivisionError:
    print("told")
"""


def test_batches_are_computed_side_by_side_by_one_thread_each() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "told"
