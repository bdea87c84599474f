"""The first stage of a load: rows to pages of pending documents, each compared with what the index holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from encoders.protocol import FloatArray
from indexer.catalogue.product import Product, RowError, read_product
from indexer.catalogue.reader import BadRow, CatalogueItem, CatalogueRow, Remark, SkippedRow
from opensearch.analysis.languages import ALWAYS
from opensearch.index.fields import HASHES, ROW_HASH, FieldPlan
from opensearch.index.indexed_state import IndexedState

from .document import IndexedImage, fields_of
from .image_loader import ImageLoader, LoadedImage
from .report import LoadReport, RejectedRows
from .seen_ids import SeenIds

PAGE = 128  # rows; one look-up in the engine and one round of image loading
PAGE_IMAGES = 256

Lookup = Callable[[Sequence[str]], Mapping[str, IndexedState]]


@dataclass
class PendingDocument:
    """One product on its way into the index."""

    line: int
    values: Mapping[str, Any]
    product: Product
    fields: dict[str, Any]  # of the document, without vectors and images
    stored: IndexedState | None = None
    loading: list[Future[LoadedImage]] = field(default_factory=list)
    images: list[IndexedImage] = field(default_factory=list)
    vectors: dict[str, FloatArray] = field(default_factory=dict)  # (d,) by space, without images
    missing: set[str] = field(default_factory=set)  # spaces whose vector is still to be computed

    def content_changed(self, space: str) -> bool:
        """Return whether the product's content in the space differs from what the index holds."""
        return self.stored is None or self.stored.hashes.get(space) != self.fields[HASHES].get(space)

    @property
    def row_changed(self) -> bool:
        """Whether a column that is neither embedded nor an image has changed."""
        return self.content_changed(ROW_HASH)

    @property
    def images_changed(self) -> bool:
        """Whether the images or their references have changed."""
        images = tuple((image.hash, image.ref) for image in self.images)
        return self.stored is None or self.stored.images != images


@dataclass
class ChangeDetector:
    """Reads rows as products and looks up what the index holds of them; afterwards `seen_ids` has their ids."""

    plan: FieldPlan
    spaces: Sequence[str]  # with an encoder and one content per product
    lookup: Lookup  # ids -> what the index holds of them
    image_loader: ImageLoader | None  # None: without an image encoder
    report: LoadReport
    rejects: RejectedRows
    languages: Collection[str] = ALWAYS  # that have a field in the index
    complete: Callable[[list[PendingDocument]], None] | None = None  # adds stored values that the rows lack
    seen_ids: SeenIds = field(default_factory=SeenIds)

    def pages(self, rows: Iterable[CatalogueItem]) -> Iterator[list[PendingDocument]]:
        """Yield the documents in the order of the rows; rejected rows are counted and written to the file."""
        page: list[PendingDocument] = []
        images = 0
        for row in rows:
            if isinstance(row, Remark):
                self.report.notes.append(row.text)
                continue
            self.report.read += 1
            if isinstance(row, SkippedRow):
                self.report.skipped[row.reason] += 1
                continue
            pending = self._accept(row)
            if pending is None:
                self.report.rejected += 1
                continue
            page.append(pending)
            images += len(pending.product.images)
            if len(page) >= PAGE or images >= PAGE_IMAGES:
                yield self._look_up(page)
                page, images = [], 0
        if page:
            yield self._look_up(page)

    def _accept(self, row: CatalogueRow | BadRow) -> PendingDocument | None:
        if isinstance(row, BadRow):
            self.report.unreadable += 1
            self.rejects.add_bad_row(row)
            return None
        try:
            product, dropped = read_product(row.values, self.plan)
        except RowError as error:
            self.report.unreadable += 1
            self.rejects.add_row(row.line, None, str(error), row.values)
            return None
        before = self.seen_ids.add(product.id, row.line)
        if before is not None:
            reason = f"the id stands in line {before} already; the first row is kept"
            self.rejects.add_row(row.line, product.id, reason, row.values)
            return None
        for cell in dropped:
            self.report.add_dropped_cell(row.line, cell)
        self.report.unused_columns.add(row.values, self.plan)
        return PendingDocument(row.line, row.values, product, fields_of(product, self.spaces, self.languages))

    def _look_up(self, page: list[PendingDocument]) -> list[PendingDocument]:
        if self.complete:
            self.complete(page)
        stored = self.lookup([pending.product.id for pending in page])
        for pending in page:
            pending.stored = stored.get(pending.product.id)
            sources = pending.product.images
            if self.image_loader:
                pending.loading = [self.image_loader.submit(source, pending.stored) for source in sources]
            else:
                pending.images = [IndexedImage(ref) for ref in map(_display_ref, sources) if ref]
        return page


def _display_ref(source: str | bytes) -> str | None:
    """Return how an image without vector is stored for display; None for an image given as its own bytes."""
    return source if isinstance(source, str) and not source.lower().startswith("data:") else None
