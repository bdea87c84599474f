"""Held-out fashion products, a fifth of them without photo: their share of the top ten."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from rerank.evaluation.intervals import bootstrap

from .common import data, ndcg_at_10
from .fashion import judged
from .held_out import is_without_image

DEPTH = 10


@click.command()
@click.argument("work", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(work: Path) -> None:
    """Evaluate the runs in WORK: nDCG@10, and the share of the top ten without image."""
    ids = [json.loads(line)["id"] for line in (work / "products.jsonl").read_text().splitlines()]
    without_image = {identity for identity in ids if is_without_image(identity)}
    _, grades = judged(data("fashion"), ids)
    table = Table(
        title=f"{len(grades)} attribute queries; {len(without_image) / len(ids):.1%} of {len(ids)} products without image"
    )
    for column in ("order", "nDCG@10", "95 % interval", "of the top ten without image"):
        table.add_column(column)
    for path in sorted(work.glob("*.trec"), key=lambda path: path.stat().st_mtime):
        ranked = _read_run(path, len(grades))
        figures, shares = [], []
        for hits, grade in zip(ranked, grades, strict=True):
            place = {identity: len(hits) - rank for rank, identity in enumerate(hits)}
            scores = np.array([place.get(identity, 0) for identity in ids], dtype=np.float32)
            figures.append(ndcg_at_10(scores, np.exp2(grade) - 1.0))
            shares.append(np.mean([identity in without_image for identity in hits[:DEPTH]]) if hits else 0.0)
        quality, share = bootstrap(np.array(figures)), bootstrap(np.array(shares))
        table.add_row(
            path.stem,
            f"{quality.mean:.3f}",
            f"{quality.low:.3f} to {quality.high:.3f}",
            f"{share.mean:.1%} ({share.low:.1%} to {share.high:.1%})",
        )
    Console().print(table)


def _read_run(path: Path, queries: int) -> list[list[str]]:
    hits: list[list[str]] = [[] for _ in range(queries)]
    for line in path.read_text().splitlines():
        query, _, identity, *_ = line.split()
        hits[int(query[1:])].append(identity)
    return hits


if __name__ == "__main__":
    main()
