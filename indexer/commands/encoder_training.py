"""The whole of `vitrine encoder train`: catalogue, pictures, training, report, artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from encoders.protocol import TextEncoder
from encoders.text import open_text_encoder
from encoders.training.samples import Samples, read_samples
from encoders.training.schedule import Progress as CourseProgress
from encoders.training.schedule import Settings
from encoders.training.train import CHECKPOINT, Trained, Trainer, stored_size, write_artifact
from indexer.catalogue.plan import check_columns, load_plan, plan_from_rows
from indexer.catalogue.reader import read_rows
from opensearch.index.fields import FieldPlan
from vitrine.errors import EncoderError
from vitrine.store import open_store


def run_training(
    catalogue: Path,
    fields: Path | None,
    out: Path,
    settings: Settings,
    *,
    text_encoder: str | None = None,
    store: str | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Train a tower and give its report; the artifact is in `out` and in the store.

    Raises CatalogueError or EncoderError with one sentence that says what to do.
    """
    plan = _plan(catalogue, fields)
    _check_out(out, resume)
    started = time.monotonic()
    kept = open_store(store)
    with _bars() as bars:
        encoder = open_text_encoder(text_encoder, kept)
        samples = _samples(catalogue, plan, encoder, out, settings, bars)
        decoded = time.monotonic()
        trained = _train(Trainer(samples, encoder, settings, out / CHECKPOINT, resume), bars)
    report = _report(trained, samples, settings, encoder.name)
    report["seconds"] = {
        "reading": round(decoded - started, 1),
        "training": round(trained.progress.seconds, 1),
    }
    name = write_artifact(out, trained, encoder, report, kept)
    return {"encoder": name, "query_encoder": encoder.name, "directory": str(out), **report}


def _plan(catalogue: Path, fields: Path | None) -> FieldPlan:
    if fields is None:
        return plan_from_rows(read_rows(catalogue), catalogue.name)
    plan = load_plan(fields)
    check_columns(plan, catalogue)
    return plan


def _check_out(out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise EncoderError(f"--out {out} is a file; name a folder that is new or empty")
    if (out / CHECKPOINT).is_dir():
        if not resume:
            raise EncoderError(f"{out} holds an unfinished run; go on with --resume, or name another --out")
    elif out.is_dir() and any(out.iterdir()):
        raise EncoderError(f"{out} is not empty; name a folder that is new or empty")


def _samples(
    catalogue: Path, plan: FieldPlan, encoder: TextEncoder, out: Path, settings: Settings, bars: Progress
) -> Samples:
    def done(total: int) -> Callable[[], None]:
        bar = bars.add_task("decoding pictures", total=total, note="")
        return lambda: bars.advance(bar)

    pixels = (out / CHECKPOINT / "pixels", stored_size(settings))
    return read_samples(catalogue, plan, encoder.languages, pixels, done)


def _train(trainer: Trainer, bars: Progress) -> Trained:
    bar: TaskID = bars.add_task("training", total=1.0, note="")

    def told(progress: CourseProgress, share: float, loss: float) -> None:
        note = f"epoch {progress.epoch + 1}, loss {loss:.2f}"
        if progress.history:
            note += f", nDCG@10 {progress.history[-1]['ndcg_at_10']:.3f} (best {progress.best:.3f})"
        bars.update(bar, completed=share, note=note)

    trained = trainer.run(told)
    bars.update(bar, completed=1.0)
    return trained


def _report(trained: Trained, samples: Samples, settings: Settings, query_encoder: str) -> dict[str, Any]:
    progress = trained.progress
    return {
        "arch": trained.shape.arch,
        "size": trained.shape.size,
        "init": settings.init,
        "text_encoder": query_encoder,
        "products": len(samples.ids),
        "pictures": len(samples.product),
        "unreadable_pictures": samples.unreadable,
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "validation": trained.learned.to_dict(),
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
