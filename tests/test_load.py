"""Loads into the live node: what is written, what stays, and what an error or a kill costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.stub_encoders import StubImage, StubText, save_colour_image, text_vector

from encoders.images.source import ImagePlaces
from encoders.protocol import ImageEncoder, TextEncoder
from indexer.catalogue.reader import BadRow, CatalogueRow
from indexer.load.encoders import schema_for
from indexer.load.pipeline import Job, load
from indexer.load.report import LoadReport, RejectedRows
from indexer.load.target import choose_target, complete, may_lose, publish_target
from indexer.load.vector_cache import VectorCache
from opensearch.index.fields import FieldPlan
from opensearch.index.versions import current, unfinished

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live

PLAN = FieldPlan(
    text=("about",), images=("images",), numbers=("price", "stock"), keywords=("colour",), group="style"
)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@dataclass
class Shop:
    """A catalogue folder and an alias of its own on the live node."""

    engine: OpenSearch
    folder: Path
    alias: str
    text: StubText = field(default_factory=StubText)
    image: StubImage | None = field(default_factory=StubImage)
    plan: FieldPlan = PLAN
    entries: list[dict[str, Any]] = field(default_factory=list)

    def load(
        self,
        rows: Iterable[dict[str, Any] | BadRow],
        *,
        cache: str = "vectors.sqlite",
        rebuild: bool = False,
        sync: bool = False,
        confirmed: bool = False,
    ) -> LoadReport:
        """Load rows and publish, with fresh counts in the encoders."""
        self.text.calls.clear()
        if self.image:
            self.image.seen.clear()
        encoders: dict[str, TextEncoder | ImageEncoder] = {"text": self.text}
        if self.image:
            encoders["image"] = self.image
        schema = schema_for(self.plan, encoders)
        target = choose_target(self.engine, self.alias, schema, rebuild=rebuild)
        job = Job(target, self.plan, encoders, ImagePlaces(self.folder), lambda url: b"")
        stream = (
            row if isinstance(row, BadRow) else CatalogueRow(n, row) for n, row in enumerate(rows, start=1)
        )
        rejects = RejectedRows(self.folder / "rejected.jsonl")
        with closing(VectorCache(self.folder / cache)) as vectors:
            report, seen_ids = load(stream, job, vectors, rejects, lambda n: None)
        if complete(target, report, seen_ids, sync=sync, confirmed=confirmed):
            publish_target(target, report)
        file = self.folder / "rejected.jsonl"
        self.entries = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return report

    def document(self, id: str) -> dict[str, Any]:
        document: dict[str, Any] = self.engine.get(index=self.alias, id=id)
        return document

    def documents(self) -> dict[str, dict[str, Any]]:
        answer = self.engine.search(index=self.alias, body={"size": 1000, "version": True, "_source": True})
        return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


@pytest.fixture
def shop(engine: OpenSearch, tmp_path: Path) -> Iterator[Shop]:
    created = Shop(engine, tmp_path, f"load-{uuid.uuid4().hex[:10]}")
    yield created
    engine.indices.delete(index=f"{created.alias}*", ignore_unavailable=True)


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{n}",
            "title": f"shoe {n}",
            "about": f"about {n}",
            "price": n,
            "colour": "red",
            "style": "s",
        }
        for n in range(count)
    ]


def test_a_first_load_writes_every_product(shop: Shop) -> None:
    save_colour_image(shop.folder / "a.png", RED)
    save_colour_image(shop.folder / "b.png", GREEN)
    report = shop.load(
        [
            {
                "id": 1,
                "title": "Red shoe",
                "about": "Runs",
                "images": ["a.png", "b.png"],
                "price": 5,
                "colour": "red",
            },
            {"id": 2, "title": "", "images": "a.png"},
            {"id": 3, "title": "Words only", "price": float("nan")},
        ]
    )
    assert (report.read, report.indexed, report.rejected, report.published) == (3, 3, 0, True)
    assert report.exit_code == 0
    documents = shop.documents()
    np.testing.assert_allclose(documents["1"]["text_vec"], text_vector("Red shoe. Runs"), atol=1e-6)
    assert [image["ref"] for image in documents["1"]["images"]] == ["a.png", "b.png"]
    np.testing.assert_allclose(documents["1"]["images"][1]["vec"], [0, 2**-0.5, 0, 2**-0.5], atol=1e-6)
    assert "text_vec" not in documents["2"]
    assert documents["3"]["numbers"] == {}
    assert documents["3"]["images"] == []
    assert shop.image is not None
    assert sorted(shop.image.seen) == [GREEN, RED]  # an image of two products is embedded once


def test_a_second_load_writes_and_embeds_nothing(shop: Shop) -> None:
    save_colour_image(shop.folder / "a.png", RED)
    catalogue = [*rows(300), {"id": "x", "title": "pictured", "images": ["a.png"]}]
    shop.load(catalogue)
    before = shop.document("p7")
    report = shop.load(catalogue, cache="another.sqlite")  # the index decides, not the cache
    assert (report.unchanged, report.indexed, report.updated) == (301, 0, 0)
    assert shop.text.texts == []
    assert shop.image is not None
    assert shop.image.seen == []
    assert shop.document("p7") == before


def test_a_price_writes_one_document_and_no_vector(shop: Shop) -> None:
    save_colour_image(shop.folder / "a.png", RED)
    catalogue = [{**row, "images": "a.png"} for row in rows(5)]
    shop.load(catalogue)
    before = shop.documents()
    catalogue[3] = {**catalogue[3], "stock": 9}
    del catalogue[3]["price"], catalogue[3]["style"]
    report = shop.load(catalogue, cache="another.sqlite")
    assert (report.updated, report.unchanged) == (1, 4)
    assert shop.text.texts == []
    after = shop.documents()
    assert after["p3"]["numbers"] == {"stock": 9}  # the price is removed
    assert "group" not in after["p3"]
    for name in ("text_vec", "images"):
        assert after["p3"][name] == before["p3"][name]
    del before["p3"], after["p3"]
    assert after == before
    query = {"knn": {"text_vec": {"vector": text_vector("shoe 3. about 3").tolist(), "k": 1}}}
    (hit,) = shop.engine.search(index=shop.alias, body={"query": query})["hits"]["hits"]
    assert hit["_id"] == "p3"
    assert hit["_score"] == pytest.approx(1)


def test_a_changed_title_and_a_changed_image_each_embed_only_themselves(shop: Shop) -> None:
    for name, colour in (("a", RED), ("b", GREEN), ("c", BLUE)):
        save_colour_image(shop.folder / f"{name}.png", colour)
    row = {"id": "1", "title": "old", "images": ["a.png", "b.png"]}
    shop.load([row])
    assert shop.image is not None
    report = shop.load([{**row, "title": "new"}], cache="2.sqlite")
    assert (report.updated, shop.text.texts, shop.image.seen) == (1, ["new"], [])
    shop.load([{**row, "title": "new", "images": ["c.png", "b.png"]}], cache="3.sqlite")
    assert (shop.text.texts, shop.image.seen) == ([], [BLUE])
    images = shop.documents()["1"]["images"]
    assert [image["ref"] for image in images] == ["c.png", "b.png"]
    np.testing.assert_allclose(images[1]["vec"], [0, 2**-0.5, 0, 2**-0.5], atol=1e-6)
    save_colour_image(shop.folder / "b.png", RED)  # the same name, another image
    report = shop.load([{**row, "title": "new", "images": ["c.png", "b.png"]}], cache="4.sqlite")
    assert (report.updated, shop.image.seen) == (1, [RED])
    shop.load([{"id": "1", "title": ""}])
    assert shop.documents()["1"]["images"] == []
    assert "text_vec" not in shop.documents()["1"]


def test_every_failed_row_is_reported_and_the_others_are_indexed(shop: Shop) -> None:
    (shop.folder / "page.png").write_bytes(b"<html>")
    catalogue: list[dict[str, Any] | BadRow] = [
        {"id": "1", "title": "a", "images": ["page.png", "none.png", "../x.png"]},
        BadRow(2, "the line is not JSON", "{broken"),
        {"title": "no id"},
        {"id": "1", "title": "again"},
        {"id": "5", "title": "x" * 1_000_000, "price": "cheap"},
        {"id": "6", "title": "f"},
    ]
    report = shop.load(catalogue)
    assert (report.read, report.indexed, report.rejected, report.images_failed) == (6, 3, 3, 3)
    assert report.exit_code == 1
    assert report.published
    assert report.cells_dropped == {"price": 1}
    entries = {(entry["line"], entry["id"]): entry for entry in shop.entries if "row" in entry}
    assert entries[(2, None)]["row"] == "{broken"
    assert "no id" in entries[(3, None)]["reason"]
    assert entries[(4, "1")]["reason"] == "the id stands in line 1 already; the first row is kept"
    assert entries[(4, "1")]["row"] == {"id": "1", "title": "again"}
    refused = {entry["image"]: entry["reason"] for entry in shop.entries if "image" in entry}
    assert "HTML" in refused["page.png"]
    assert "no such file" in refused["none.png"]
    assert "leaves" in refused["../x.png"]
    documents = shop.documents()
    assert set(documents) == {"1", "5", "6"}
    assert len(documents["5"]["title"]) == 1_000_000
    assert documents["1"]["title"] == "a"
    assert shop.load([{"id": "1", "title": "a"}]).exit_code == 0
    assert not (shop.folder / "rejected.jsonl").exists()  # the file of the run before is deleted


def test_a_read_only_index_stops_the_load_and_loses_nothing(shop: Shop) -> None:
    shop.load([{"id": "1", "title": "a"}])
    shop.engine.indices.put_settings(index=shop.alias, body={"index.blocks.write": True})
    try:
        report = shop.load([{"id": "1", "title": "changed"}])
        assert report.stopped is not None
        assert "closed to writes" in report.stopped
        assert (report.failed, report.exit_code) == (1, 1)
        assert shop.entries[0]["row"] == {"id": "1", "title": "changed"}
    finally:
        shop.engine.indices.put_settings(index=shop.alias, body={"index.blocks.write": None})
    assert shop.load([{"id": "1", "title": "changed"}]).updated == 1


def test_orphaned_products_stay_unless_synced(shop: Shop) -> None:
    shop.load(rows(10))
    report = shop.load(rows(8))
    assert (report.unchanged, report.orphaned, report.deleted) == (8, 2, 0)
    report = shop.load([*rows(8), BadRow(9, "broken")], sync=True)
    assert report.deleted == 0
    assert any("nothing was deleted" in note for note in report.notes)
    report = shop.load(rows(8), sync=True)
    assert (report.deleted, report.exit_code) == (2, 0)
    assert set(shop.documents()) == {f"p{n}" for n in range(8)}


@pytest.mark.parametrize(
    ("products", "most"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 2), (11, 2), (15, 3), (300, 60)]
)
def test_a_fifth_of_the_products_may_go_unasked_and_of_a_tiny_catalogue_two(products: int, most: int) -> None:
    assert int(may_lose(products)) == most


def test_a_catalogue_that_broke_off_deletes_nothing_until_the_loss_is_confirmed(shop: Shop) -> None:
    shop.load(rows(10))
    live = current(shop.engine, shop.alias)
    broken_off = [{**rows(1)[0], "stock": 4}, *rows(7)[1:]]
    report = shop.load(broken_off, sync=True)
    assert (report.updated, report.deleted, report.orphaned, report.exit_code) == (1, 0, 3, 1)
    assert report.refused is not None
    assert report.refused.startswith(
        "3 of 10 products are no longer in the catalogue; nothing was deleted; pass --yes"
    )
    assert len(shop.documents()) == 10

    report = shop.load(broken_off, rebuild=True)
    assert (report.published, report.exit_code) == (False, 1)
    assert str(report.refused).startswith("3 of 10 products in service are not in the new version")
    assert current(shop.engine, shop.alias) == live

    report = shop.load(broken_off, rebuild=True, confirmed=True)  # the refused version is put in service
    assert (report.unchanged, report.published, report.exit_code) == (7, True, 0)
    assert shop.load(rows(2), sync=True, confirmed=True).deleted == 5
    assert set(shop.documents()) == {"p0", "p1"}


def test_a_rebuild_by_other_ids_is_not_put_in_service_unasked(shop: Shop) -> None:
    shop.load(rows(10))
    report = shop.load([{**row, "id": f"sku-{row['id']}"} for row in rows(10)], rebuild=True)
    assert str(report.refused).startswith("10 of 10 products in service are not in the new version")
    assert set(shop.documents()) == {f"p{n}" for n in range(10)}


def test_another_image_encoder_needs_a_rebuild_that_embeds_images_only(shop: Shop) -> None:
    from vitrine.errors import SchemaMismatchError

    save_colour_image(shop.folder / "a.png", RED)
    catalogue = [{**row, "images": "a.png"} for row in rows(20)]
    shop.load(catalogue)
    first = current(shop.engine, shop.alias)
    shop.image = StubImage(name="stub-image-1")
    with pytest.raises(SchemaMismatchError, match=r"stub-image-0.*stub-image-1.*--rebuild"):
        shop.load(catalogue)
    report = shop.load(catalogue, rebuild=True)
    assert (report.indexed, report.embedded["text"], report.cached["text"]) == (20, 0, 20)
    assert shop.image.seen == [RED]
    second = current(shop.engine, shop.alias)
    assert second is not None
    assert second != first
    assert shop.engine.indices.exists(index=first)  # to roll back to
    shop.image = None
    shop.load(catalogue, rebuild=True)
    assert shop.documents()["p1"]["images"] == [{"ref": "a.png"}]
    assert not shop.engine.indices.exists(index=first)


def test_a_rebuild_of_nothing_is_not_put_in_service(shop: Shop) -> None:
    shop.load(rows(4))
    live = current(shop.engine, shop.alias)
    mixed: list[dict[str, Any] | BadRow] = [*rows(1), BadRow(2, "broken"), BadRow(3, "broken")]
    for bad_rows in ([BadRow(1, "broken")], mixed):
        report = shop.load(bad_rows, rebuild=True)
        assert (report.published, report.exit_code) == (False, 1)
        assert any("not put in service" in note for note in report.notes)
        assert current(shop.engine, shop.alias) == live
    assert len(shop.documents()) == 4


LOAD = """
import sys
from pathlib import Path
from support.stub_encoders import StubText
from indexer.catalogue.reader import CatalogueRow
from indexer.load.embed import BatchSizes
from encoders.images.source import ImagePlaces
from indexer.load.encoders import schema_for
from indexer.load.pipeline import Job, load
from indexer.load.report import RejectedRows
from indexer.load.target import choose_target, complete, publish_target
from indexer.load.vector_cache import VectorCache
from opensearch.client import connect
from opensearch.index.bulk import Pace
from opensearch.index.fields import FieldPlan
url, alias, folder, count, pause = sys.argv[1:]
folder = Path(folder)
client = connect(url)
encoders = {"text": StubText(log=folder / "embedded.log", pause=float(pause))}
plan = FieldPlan(numbers=("price",))
target = choose_target(client, alias, schema_for(plan, encoders), rebuild=False)
job = Job(target, plan, encoders, ImagePlaces(folder), lambda url: b"",
          pace=Pace(20_000, 50, 2, 30.0), batches=BatchSizes(window=64, contents=16))
rows = (CatalogueRow(n, {"id": f"p{n}", "title": f"title {n}", "price": n}) for n in range(int(count)))
rejects = RejectedRows(folder / "r.jsonl")
report, seen_ids = load(rows, job, VectorCache(folder / "v.sqlite"), rejects, lambda n: None)
if complete(target, report, seen_ids, sync=False):
    publish_target(target, report)
print(report.indexed, report.unchanged, report.updated)
"""


def start(shop: Shop, count: int, pause: float) -> subprocess.Popen[str]:
    url = shop.engine.transport.hosts[0]
    arguments = [f"http://{url['host']}:{url['port']}", shop.alias, str(shop.folder), str(count), str(pause)]
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, *arguments],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
    )


def embedded(shop: Shop) -> list[str]:
    log = shop.folder / "embedded.log"
    return log.read_text().splitlines() if log.exists() else []


def test_a_killed_load_is_resumed(shop: Shop) -> None:
    for minimum in (100, 350):  # two kills, each with some documents written and others not
        process = start(shop, 800, 0.05)
        late = time.monotonic() + 60
        while len(embedded(shop)) < minimum and time.monotonic() < late:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert current(shop.engine, shop.alias) is None  # an incomplete version is never searched
    left = unfinished(shop.engine, shop.alias)
    assert minimum <= len(embedded(shop)) < 800
    output, _ = start(shop, 800, 0).communicate(timeout=60)
    indexed, unchanged, updated = map(int, output.split())
    assert indexed + unchanged == 800
    assert unchanged > 0
    assert updated == 0
    assert current(shop.engine, shop.alias) == left
    texts = embedded(shop)
    assert len(set(texts)) == 800
    assert len(texts) - 800 <= 2 * 16  # at most the batch in progress at each kill is repeated
    answer = shop.engine.search(index=shop.alias, body={"size": 1000, "_source": ["title", "text_vec"]})
    documents = {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}
    assert {id: source["title"] for id, source in documents.items()} == {
        f"p{n}": f"title {n}" for n in range(800)
    }
    for n in (0, 399, 799):
        np.testing.assert_allclose(documents[f"p{n}"]["text_vec"], text_vector(f"title {n}"), atol=1e-6)
