"""The steps of `vitrine encoder train`: catalogue, images, training, report, artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from encoders.text import open_text_encoder
from encoders.training.samples import Samples
from encoders.training.schedule import RunProgress, TowerSettings
from encoders.training.train import CHECKPOINT, TrainedTower, Trainer, stored_size, write_artifact
from indexer.catalogue.plan import check_columns, completed_plan, load_plan, plan_from_rows
from indexer.catalogue.reader import read_rows
from indexer.tower_samples import read_samples
from opensearch.index.fields import FieldPlan
from vitrine.errors import EncoderError
from vitrine.store import open_store


def run_training(
    catalogue: Path,
    fields: Path | None,
    out: Path,
    settings: TowerSettings,
    *,
    text_encoder: str | None = None,
    store: str | None = None,
    resume: bool = False,
    image_base: str | None = None,
) -> dict[str, Any]:
    """Train a tower and return its report; the artifact is in `out` and in the store.

    Raises CatalogueError or EncoderError.
    """
    plan = _plan(catalogue, fields)
    _check_out(out, resume)
    started = time.monotonic()
    artifacts = open_store(store)
    with _bars() as bars:
        encoder = open_text_encoder(text_encoder, artifacts)
        pixels = (out / CHECKPOINT / "pixels", stored_size(settings))
        samples = read_samples(catalogue, plan, encoder.languages, pixels, _image_bar(bars), image_base)
        decoded = time.monotonic()
        trained = _train(Trainer(samples, encoder, settings, out / CHECKPOINT, resume), bars)
    report = _report(trained, samples, settings, encoder.name)
    report["seconds"] = {
        "reading": round(decoded - started, 1),
        "training": round(trained.progress.seconds, 1),
    }
    name = write_artifact(out, trained, encoder, report, artifacts)
    return {"encoder": name, "query_encoder": encoder.name, "directory": str(out), **report}


def _plan(catalogue: Path, fields: Path | None) -> FieldPlan:
    if fields is None:
        return plan_from_rows(read_rows(catalogue), catalogue.name)
    plan = load_plan(fields)
    check_columns(plan, catalogue)
    return completed_plan(plan, read_rows(catalogue), catalogue.name)[0]


def _check_out(out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise EncoderError(f"--out {out} is a file; name a folder that is new or empty")
    if (out / CHECKPOINT).is_dir():
        if not resume:
            raise EncoderError(
                f"{out} holds an unfinished run; continue it with --resume, or name another --out"
            )
    elif out.is_dir() and any(out.iterdir()):
        raise EncoderError(f"{out} is not empty; name a folder that is new or empty")


def _image_bar(bars: Progress) -> Callable[[int], Callable[[], None]]:
    """Return the function that opens a bar of decoded images and returns the one that advances it."""

    def on_images(total: int) -> Callable[[], None]:
        bar = bars.add_task("decoding images", total=total, note="")
        return lambda: bars.advance(bar)

    return on_images


def _train(trainer: Trainer, bars: Progress) -> TrainedTower:
    bar: TaskID = bars.add_task("training", total=1.0, note="")

    def on_step(progress: RunProgress, share: float, loss: float) -> None:
        note = f"epoch {progress.epoch + 1}, loss {loss:.2f}"
        if progress.history:
            note += f", nDCG@10 {progress.history[-1]['ndcg_at_10']:.3f} (best {progress.best:.3f})"
        bars.update(bar, completed=share, note=note)

    trained = trainer.run(on_step)
    bars.update(bar, completed=1.0)
    return trained


def _report(
    trained: TrainedTower, samples: Samples, settings: TowerSettings, query_encoder: str
) -> dict[str, Any]:
    progress = trained.progress
    return {
        "arch": trained.shape.arch,
        "size": trained.shape.size,
        "init": settings.init,
        "text_encoder": query_encoder,
        "products": len(samples.ids),
        "images": len(samples.product),
        "unreadable_images": samples.unreadable,
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "validation": trained.metrics.to_dict(),
        "history": progress.history,
    }


@contextmanager
def _bars() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield bars
