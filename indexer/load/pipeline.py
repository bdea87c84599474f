"""The load itself: rows, products, vectors, documents, OpenSearch, each stage ahead of the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from encoders.protocol import ImageEncoder, TextEncoder
from indexer.catalogue.reader import BadRow, CatalogueRow
from indexer.images.source import Fetch
from opensearch.index.bulk import Action, Outcome, write
from opensearch.index.fields import FieldPlan
from opensearch.index.indexed_state import read_indexed_state
from opensearch.index.patch import patch
from opensearch.index.versions import refresh
from vitrine.errors import EngineError

from .changes import ChangeDetector, Lookup, PendingDocument
from .document import OPTIONAL, document
from .embed import Embedder
from .image_loader import ImageLoader
from .prefetch import prefetch
from .report import RejectedRows, Report, Stopwatch, Tick
from .seen_ids import SeenIds
from .target import Target
from .vector_cache import VectorCache

_PAGES_AHEAD = 4
_WORK_AHEAD = 512


@dataclass(frozen=True)
class Job:
    """What is loaded, with what, into which index."""

    target: Target
    plan: FieldPlan
    text: TextEncoder | None
    image: ImageEncoder | None
    folder: Path | None  # where picture paths lie; None: there is no such folder
    fetch: Fetch
    refetch: bool = False  # picture URLs that the index knows are fetched again


def load(
    rows: Iterable[CatalogueRow | BadRow], job: Job, cache: VectorCache, rejects: RejectedRows, tick: Tick
) -> tuple[Report, SeenIds]:
    """Bring the index to what the rows say, and tell what became of each; the ids seen come with the report.

    When the engine gives up, the report says why in `stopped`; what was written stays and is not done again.
    """
    report, clock = Report(index=job.target.index), Stopwatch()
    image_loader = ImageLoader(job.image, cache, job.folder, job.fetch, job.refetch) if job.image else None
    intake = ChangeDetector(job.plan, _lookup(job.target), image_loader, report, rejects)
    embedder = Embedder(job.text, job.image, cache, report, rejects)
    pages = prefetch(intake.pages(rows), _PAGES_AHEAD)
    try:
        with closing(prefetch(embedder.embedded(pages), _WORK_AHEAD)) as works:
            _write(works, job.target, report, rejects, tick)
    except EngineError as error:
        report.stopped = str(error)
    finally:
        pages.close()
        if image_loader:
            image_loader.close()
    report.seconds = clock.seconds()
    report.rejected_file = str(rejects.path) if rejects.count else None
    if cache.problem:
        report.notes.append(cache.problem)
    return report, intake.seen


def _lookup(target: Target) -> Lookup:
    if target.empty:
        return lambda ids: {}
    refresh(target.client, target.index)  # once: an id comes once in a run, so nothing newer is looked up
    return lambda ids: read_indexed_state(target.client, target.index, ids)


def _write(
    works: Iterable[PendingDocument], target: Target, report: Report, rejects: RejectedRows, tick: Tick
) -> None:
    flying: dict[str, PendingDocument] = {}
    told = 0

    def actions() -> Iterator[Action]:
        nonlocal told
        for work in works:
            action = action_of(work)
            if action is None:
                report.unchanged += 1
            else:
                flying[action.id] = work
                yield action
            if report.settled - told >= 16:
                tick(report.settled - told)
                told = report.settled

    for outcome in write(target.client, target.index, actions()):
        _settle(outcome, flying.pop(outcome.id), report, rejects)
    tick(report.settled - told)


def _settle(outcome: Outcome, work: PendingDocument, report: Report, rejects: RejectedRows) -> None:
    if outcome.status == "failed":
        report.failed += 1
        rejects.row(work.line, outcome.id, outcome.reason or "the engine refused it", work.values)
    elif outcome.status == "created":
        report.indexed += 1
    elif outcome.status == "updated":
        report.updated += 1
    else:
        report.unchanged += 1


def action_of(work: PendingDocument) -> Action | None:
    """What brings the index up to date with a product: nothing, a patch without the vectors that stay, or all."""
    if work.stored is None:
        return Action("index", work.product.id, document(work.fields, work.text_vec, work.pictures))
    if not (work.row_changed or work.pictures_changed):
        return None
    remove = [name for name in OPTIONAL if name not in work.fields]
    replace = dict(work.fields)
    if work.text_changed and work.text_vec is not None:
        replace["text_vec"] = work.text_vec
    elif work.text_changed:
        remove.append("text_vec")
    pictures = [picture.to_dict() for picture in work.pictures] if work.pictures_changed else None
    return patch(work.product.id, replace, remove=remove, images=pictures)
