"""Shared steps of the tower benchmarks: the data folder, training by the product's own command, image vectors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from encoders.image_io import decode_image
from encoders.protocol import FloatArray, ImageEncoder


def data(name: str) -> Path:
    """The folder of a data set. Raises ClickException when it is missing."""
    folder = Path(os.environ.get("VITRINE_DATA", "../shared/data")) / name
    if not folder.is_dir():
        raise click.ClickException(f"no folder {folder}; set VITRINE_DATA to the folder that holds {name}/")
    return folder


def train(catalogue: Path, fields: Path, out: Path, options: Sequence[str]) -> None:
    """Run `vitrine encoder train`; a finished tower in `out` is not trained again."""
    if (out / "encoder.json").is_file():
        return
    command = [sys.executable, "-m", "vitrine", "encoder", "train", str(catalogue), "--fields", str(fields)]
    subprocess.run([*command, "--out", str(out), *options], check=True)


def image_vectors(encoder: ImageEncoder, paths: Sequence[Path]) -> FloatArray:
    """Vectors (n, d) of image files, decoded by the indexer's own code."""
    vectors = [np.zeros((0, encoder.dimension), np.float32)]
    for start in range(0, len(paths), 256):
        pixels = [
            encoder.prepare(decode_image(path.read_bytes(), encoder.size))
            for path in paths[start : start + 256]
        ]
        vectors.append(encoder.encode(np.stack(pixels)))
    return np.concatenate(vectors)


def ndcg_at_10(scores: NDArray[np.float32], gains: NDArray[np.float64]) -> float:
    """nDCG@10 of one query's scores and gains (n,); equal scores keep their order."""
    discount = 1 / np.log2(np.arange(10) + 2)
    got = gains[np.argsort(-scores, kind="stable")[:10]]
    best = np.sort(gains)[::-1][:10]
    return float((got * discount[: len(got)]).sum() / (best * discount[: len(best)]).sum())
