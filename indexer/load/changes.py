"""Rows to pages of work: which products are new, changed or as they were. The first stage of a load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from encoders.protocol import FloatArray
from indexer.catalogue.product import Product, RowError, read_product
from indexer.catalogue.reader import BadRow, CatalogueRow
from opensearch.index.fields import FieldPlan
from opensearch.index.indexed_state import IndexedState

from .document import IndexedPicture, fields_of
from .image_loader import ImageLoader, LoadedImage
from .report import LoadReport, RejectedRows
from .seen_ids import SeenIds

PAGE = 128  # rows; one look-up in the engine and one wave of pictures
PAGE_PICTURES = 256

Lookup = Callable[[Sequence[str]], Mapping[str, IndexedState]]


@dataclass
class PendingDocument:
    """One product on its way into the index."""

    line: int
    values: Mapping[str, Any]
    product: Product
    fields: dict[str, Any]  # of the document, all but vectors and pictures
    stored: IndexedState | None = None
    looks: list[Future[LoadedImage]] = field(default_factory=list)
    pictures: list[IndexedPicture] = field(default_factory=list)
    text_vec: FloatArray | None = None

    @property
    def text_changed(self) -> bool:
        return self.stored is None or self.stored.text != self.fields["hashes"]["text"]

    @property
    def row_changed(self) -> bool:
        return self.stored is None or self.stored.row != self.fields["hashes"]["row"]

    @property
    def pictures_changed(self) -> bool:
        now = tuple((picture.hash, picture.ref) for picture in self.pictures)
        return self.stored is None or self.stored.pictures != now


@dataclass
class ChangeDetector:
    """What the first stage needs and what it leaves behind."""

    plan: FieldPlan
    lookup: Lookup  # what the index has of some ids
    image_loader: ImageLoader | None  # None: no encoder looks at pictures
    report: LoadReport
    rejects: RejectedRows
    seen: SeenIds = field(default_factory=SeenIds)

    def pages(self, rows: Iterable[CatalogueRow | BadRow]) -> Iterator[list[PendingDocument]]:
        """Work in the order of the rows; rejected rows are counted and filed."""
        page: list[PendingDocument] = []
        pictures = 0
        for row in rows:
            self.report.read += 1
            work = self._accept(row)
            if work is None:
                self.report.rejected += 1
                continue
            page.append(work)
            pictures += len(work.product.images)
            if len(page) >= PAGE or pictures >= PAGE_PICTURES:
                yield self._looked_up(page)
                page, pictures = [], 0
        if page:
            yield self._looked_up(page)

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
        before = self.seen.add(product.id, row.line)
        if before is not None:
            reason = f"the id stands in line {before} already; the first row is kept"
            self.rejects.add_row(row.line, product.id, reason, row.values)
            return None
        for cell in dropped:
            self.report.add_dropped_cell(row.line, cell)
        self.report.unused_columns.add(row.values, self.plan)
        return PendingDocument(row.line, row.values, product, fields_of(product))

    def _looked_up(self, page: list[PendingDocument]) -> list[PendingDocument]:
        stored = self.lookup([work.product.id for work in page])
        for work in page:
            work.stored = stored.get(work.product.id)
            if self.image_loader:
                work.looks = [self.image_loader.submit(source, work.stored) for source in work.product.images]
            else:
                work.pictures = [IndexedPicture(ref) for ref in map(_shown_ref, work.product.images) if ref]
        return page


def _shown_ref(source: str | bytes) -> str | None:
    """A picture that nobody looks at is kept for display, when it can be: not a picture given as its own bytes."""
    return source if isinstance(source, str) and not source.lower().startswith("data:") else None
