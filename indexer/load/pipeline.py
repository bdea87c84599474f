"""The load: rows, products, vectors, documents, OpenSearch; each stage runs ahead of the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from encoders.images.source import Fetch, ImagePlaces
from indexer.catalogue.reader import CatalogueItem
from indexer.join.kept import kept_columns
from opensearch.index.bulk import Action, Outcome, Pace, write
from opensearch.index.fields import FieldPlan
from opensearch.index.indexed_state import read_indexed_state
from opensearch.index.patch import patch
from opensearch.index.spaces import SPACES
from opensearch.index.versions import refresh
from vitrine.errors import EngineError
from vitrine.progress import ProgressCallback

from .changes import ChangeDetector, Lookup, PendingDocument
from .document import OPTIONAL, document
from .embed import BatchSizes, Embedder
from .encoders import Encoders, content_encoders, image_encoder
from .image_loader import ImageLoader
from .prefetch import prefetch
from .report import LoadReport, RejectedRows, Stopwatch
from .seen_ids import SeenIds
from .target import Target
from .vector_cache import VectorCache

_PAGES_AHEAD = 4
_DOCUMENTS_AHEAD = 512
_PROGRESS_STEP = 16  # rows between two calls of `tick`


@dataclass(frozen=True)
class Job:
    """The target of a load, its field plan and its encoders, and how they are used."""

    target: Target
    plan: FieldPlan
    encoders: Encoders  # by space; a space without encoder gets no vectors
    places: ImagePlaces  # where image paths lie
    fetch: Fetch
    refetch: bool = False  # fetch image URLs again that are in the index
    pace: Pace = field(default_factory=Pace)
    batches: BatchSizes = field(default_factory=BatchSizes)


def load(
    rows: Iterable[CatalogueItem],
    job: Job,
    cache: VectorCache,
    rejects: RejectedRows,
    tick: ProgressCallback,
) -> tuple[LoadReport, SeenIds]:
    """Write what differs from the index, and return the counts and the ids of all rows.

    When the engine stops accepting writes, `stopped` of the report is the reason; written documents stay, and the next
    load does not repeat them.
    """
    report, clock = LoadReport(index=job.target.index), Stopwatch()
    loader = _image_loader(job, cache)
    spaces = list(content_encoders(job.encoders))
    target = job.target
    detector = ChangeDetector(
        job.plan,
        spaces,
        _lookup(target),
        loader,
        report,
        rejects,
        target.languages,
        kept_columns(target, job.plan, spaces),
    )
    embedder = Embedder(job.encoders, cache, report, rejects, job.batches)
    pages = prefetch(detector.pages(rows), _PAGES_AHEAD)
    try:
        with closing(prefetch(embedder.embedded(pages), _DOCUMENTS_AHEAD)) as documents:
            _write(documents, job, report, rejects, tick)
    except EngineError as error:
        report.stopped = str(error)
    finally:
        pages.close()
        if loader:
            loader.close()
    report.seconds = clock.seconds()
    report.rejected_file = str(rejects.path) if rejects.count else None
    if cache.problem:
        report.notes.append(cache.problem)
    return report, detector.seen_ids


def _image_loader(job: Job, cache: VectorCache) -> ImageLoader | None:
    encoder = image_encoder(job.encoders)
    return ImageLoader(encoder, cache, job.places, job.fetch, job.refetch) if encoder else None


def _lookup(target: Target) -> Lookup:
    if target.empty:
        return lambda ids: {}
    # once: an id occurs once in a load, so later writes are not looked up
    refresh(target.client, target.index)
    return lambda ids: read_indexed_state(target.client, target.index, ids)


def _write(
    documents: Iterable[PendingDocument],
    job: Job,
    report: LoadReport,
    rejects: RejectedRows,
    tick: ProgressCallback,
) -> None:
    in_flight: dict[str, PendingDocument] = {}
    ticked = 0

    def actions() -> Iterator[Action]:
        nonlocal ticked
        for pending in documents:
            action = action_of(pending, job.encoders)
            if action is None:
                report.unchanged += 1
            else:
                in_flight[action.id] = pending
                yield action
            if report.settled - ticked >= _PROGRESS_STEP:
                tick(report.settled - ticked)
                ticked = report.settled

    for outcome in write(job.target.client, job.target.index, actions(), job.pace):
        _count(outcome, in_flight.pop(outcome.id), report, rejects)
    tick(report.settled - ticked)


def _count(outcome: Outcome, pending: PendingDocument, report: LoadReport, rejects: RejectedRows) -> None:
    if outcome.status == "failed":
        report.failed += 1
        rejects.add_row(pending.line, outcome.id, outcome.reason or "the engine refused it", pending.values)
    elif outcome.status == "created":
        report.indexed += 1
    elif outcome.status == "updated":
        report.updated += 1
    else:
        report.unchanged += 1


def action_of(pending: PendingDocument, encoders: Encoders) -> Action | None:
    """Return the write that brings the index up to date: none, a patch without unchanged vectors, or all."""
    if pending.stored is None:
        fields = document(pending.fields, pending.vectors, pending.images)
        return Action("index", pending.product.id, fields, routed=True)
    changed = [space for space in content_encoders(encoders) if pending.content_changed(space)]
    if not (changed or pending.row_changed or pending.images_changed):
        return None
    remove = [name for name in OPTIONAL if name not in pending.fields]
    replace = dict(pending.fields)
    for space in changed:
        if space in pending.vectors:
            replace[SPACES[space].path] = pending.vectors[space]
        else:
            remove.append(SPACES[space].path)
    images = [image.to_dict() for image in pending.images] if pending.images_changed else None
    return patch(pending.product.id, replace, remove=remove, images=images)
