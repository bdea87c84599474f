"""The embedding cache: round trips, several writers, and a writer killed in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from encoders.cache import EmbeddingCache
from vitrine.errors import EncoderError

WRITER = """
import sys, numpy as np
from pathlib import Path
from encoders.cache import EmbeddingCache
with EmbeddingCache(Path(sys.argv[1])) as cache:
    for row in range(int(sys.argv[3])):
        cache.put("encoder", {f"{sys.argv[2]}-{row}-{part}": np.full(384, row, np.float32) for part in range(8)})
        print(row, flush=True)
"""


@settings(deadline=None)  # it writes a file each time, and a busy disk is not a fault
@given(
    st.dictionaries(
        st.text(max_size=8), arrays(np.float32, 5, elements=st.floats(-1, 1, width=32)), max_size=20
    )
)
def test_what_goes_in_comes_out(vectors: dict[str, np.ndarray]) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddingCache(Path(folder) / "c.sqlite") as cache:
        cache.put("one", vectors)
        cached = cache.get("one", [*vectors, "\0 not there"])
    assert cached.keys() == vectors.keys()
    for key, vector in vectors.items():
        np.testing.assert_array_equal(cached[key], vector)


def test_encoders_are_apart_and_more_keys_than_one_statement_takes(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "c.sqlite") as cache:
        cache.put("one", {str(row): np.full(3, row, np.float32) for row in range(1200)})
        assert cache.get("two", ["7"]) == {}
        assert len(cache.get("one", map(str, range(2000)))) == len(cache) == 1200


def test_vectors_outlive_the_process_that_opened_the_file(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "c.sqlite") as cache:
        cache.put("one", {"a": np.ones(3, np.float32)})
    with EmbeddingCache(tmp_path / "c.sqlite") as cache:
        assert cache.get("one", ["a"])["a"].tolist() == [1.0, 1.0, 1.0]


def test_a_killed_writer_leaves_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    command = [sys.executable, "-c", WRITER, str(path), "x", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        last_row = [int(writer.stdout.readline()) for _ in range(50)][-1]
        writer.send_signal(signal.SIGKILL)
    with EmbeddingCache(path) as cache:
        assert len(cache) % 8 == 0
        keys = [f"x-{row}-{part}" for row in range(last_row + 1) for part in range(8)]
        assert len(cache.get("encoder", keys)) == len(keys)


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, "40"], stdout=subprocess.DEVNULL)
        for name in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with EmbeddingCache(path) as cache:
        assert len(cache) == 3 * 40 * 8


def test_another_file_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes and no database at all " * 50)
    with pytest.raises(EncoderError, match=r"notes\.txt is no embedding cache.*delete it"):
        EmbeddingCache(path)
    assert path.read_text().startswith("these are notes")
