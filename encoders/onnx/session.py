"""An ONNX graph of an encoder as a function from inputs to vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from encoders.card import MODEL_FILE
from encoders.protocol import FloatArray
from vitrine.errors import EncoderError

Run = Callable[[dict[str, NDArray[Any]]], FloatArray]


def open_session(directory: Path, threads: int = 1) -> Run:
    """Return the function that runs an encoder's `model.onnx` on the CPU; it is safe between threads.

    One thread without spinning a session: a service runs one request a thread, and more would compete for the cores.
    Raises EncoderError when the directory has no graph.
    """
    path = directory / MODEL_FILE
    if not path.is_file():
        raise EncoderError(f"encoder {directory.name} is incomplete: {path} is missing; index with it again")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(inputs: dict[str, NDArray[Any]]) -> FloatArray:
        vectors: FloatArray = session.run(["vector"], inputs)[0]
        return vectors

    return run
