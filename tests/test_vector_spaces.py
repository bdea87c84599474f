"""A third vector space is one entry in `SPACES` and one encoder: index, load, search, weights and doctor follow."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.stub_encoders import StubText
from support.tiny_text_encoder import tiny_text_encoder

from encoders.images.source import ImagePlaces
from encoders.protocol import FloatArray
from indexer.catalogue.plan import load_plan
from indexer.catalogue.reader import CatalogueRow
from indexer.commands.learn_weights import query_embedder
from indexer.load.encoders import Encoders, schema_for
from indexer.load.pipeline import Job, load
from indexer.load.report import LoadReport, RejectedRows
from indexer.load.target import choose_target, complete, publish_target
from indexer.load.vector_cache import VectorCache
from opensearch.checks.index import check_index
from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.index.schema import Sharding, index_body, schema_from_mapping
from opensearch.index.spaces import SPACES, VectorSpace, sub_queries
from opensearch.index.versions import current, read_schema
from opensearch.search.query import Query, hybrid_body
from opensearch.search.retrieve import retrieve
from opensearch.tuning.weights import learn_weights, use_weights
from vitrine.cli import main
from vitrine.doctor import Context, Finding
from vitrine.errors import CatalogueError, EncoderError, EngineError
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

PLAN = FieldPlan(text=("about",), vectors={"sound": ("sound_file",)}, numbers=("price",))
COLOURS, THINGS = ("red", "green", "blue", "black"), ("shoe", "shirt", "lamp", "chair")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ROWS: list[dict[str, Any]] = [
    {
        "id": f"p{n}",
        "title": f"{COLOURS[n % 4]} {THINGS[n // 4 % 4]}",
        "about": f"about {n}",
        "price": n,
        **({"sound_file": LETTERS[n % 26] * 3 + LETTERS[(n + 7) % 26]} if n % 5 else {}),
    }
    for n in range(48)
]


@dataclass
class LetterFrequency:
    """An encoder of sounds written as letters: the frequency of each letter, (26,) at length one."""

    name: str = "letters-0"
    dimension: int = 26
    languages: tuple[str, ...] = ()
    contents: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        self.contents += texts
        counts = np.array([[text.lower().count(letter) for letter in LETTERS] for text in texts], np.float32)
        vectors: FloatArray = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return vectors

    encode_queries = encode


@pytest.fixture(autouse=True)
def sound(monkeypatch: pytest.MonkeyPatch) -> VectorSpace:
    """The third vector space; the table is as before after the test."""
    space = VectorSpace("sound", "sound_vec", 0.2)
    monkeypatch.setitem(SPACES, "sound", space)
    return space


def sound_encoders() -> dict[str, Any]:
    return {"text": StubText(), "sound": LetterFrequency()}


def build_index(
    client: OpenSearch,
    alias: str,
    folder: Path,
    encoders: Encoders,
    *,
    rows: Sequence[Mapping[str, Any]] = ROWS,
    plan: FieldPlan = PLAN,
) -> LoadReport:
    """Load the rows behind the alias as `vitrine index` does; the caller deletes `<alias>*`."""
    target = choose_target(client, alias, schema_for(plan, encoders), rebuild=False)
    job = Job(target, plan, encoders, ImagePlaces(folder), lambda url: b"")
    catalogue = (CatalogueRow(line, dict(row)) for line, row in enumerate(rows, start=1))
    with closing(VectorCache(folder / "vectors.sqlite")) as cache:
        report, seen_ids = load(
            catalogue, job, cache, RejectedRows(folder / "rejected.jsonl"), lambda n: None
        )
    if complete(target, report, seen_ids, sync=True):
        publish_target(target, report)
    return report


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    name = f"spaces-{uuid.uuid4().hex[:10]}"
    yield name
    engine.indices.delete(index=f"{name}*", ignore_unavailable=True)
    engine.search_pipeline.delete(id=f"{name}-fusion", params={"ignore": 404})


def sources(engine: OpenSearch, alias: str) -> dict[str, dict[str, Any]]:
    response = engine.search(index=alias, body={"size": 100, "_source": True})
    return {hit["_id"]: hit["_source"] for hit in response["hits"]["hits"]}


def test_the_mapping_has_the_field_and_the_hash_of_the_space() -> None:
    schema = schema_for(PLAN, sound_encoders())
    mapping = index_body(schema, layout=Sharding())["mappings"]
    assert mapping["properties"]["sound_vec"]["type"] == "knn_vector"
    assert mapping["properties"]["sound_vec"]["dimension"] == 26
    assert set(mapping["properties"]["hashes"]["properties"]) == {"text", "sound", "row"}
    stored = schema_from_mapping(json.loads(json.dumps(mapping)))
    assert stored == schema
    assert stored.plan.vectors == {"sound": ("sound_file",)}


def test_the_catalogue_file_names_the_columns_of_the_space(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text('[fields]\n[fields.vectors]\nsound = ["sound_file", "loop"]\n')
    assert load_plan(path).vectors == {"sound": ("sound_file", "loop")}
    path.write_text('[fields.vectors]\nsound = 3\nsmell = "x"\n')
    with pytest.raises(CatalogueError, match=r"vectors\.sound is 3; .* 'smell' \(there are: sound\)"):
        load_plan(path)


def test_an_index_with_an_unknown_space_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = index_body(schema_for(PLAN, sound_encoders()), layout=Sharding())["mappings"]
    monkeypatch.delitem(SPACES, "sound")
    with pytest.raises(EngineError, match="vector space sound, and this Vitrine has text, image"):
        schema_from_mapping(mapping)
    with pytest.raises(EncoderError, match="no vector space sound"):
        schema_for(PLAN, sound_encoders())


def test_nested_vectors_are_for_images_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPACES, "sound", VectorSpace("sound", "sounds.vec", 0.2))
    with pytest.raises(EncoderError, match=r"sounds\.vec.*a path without a dot"):
        schema_for(PLAN, sound_encoders())


@pytest.mark.live
def test_only_changed_contents_of_the_space_are_embedded(
    engine: OpenSearch, alias: str, tmp_path: Path
) -> None:
    encoders = sound_encoders()
    letters: LetterFrequency = encoders["sound"]
    report = build_index(engine, alias, tmp_path, encoders)
    with_sound = {row["id"]: row["sound_file"] for row in ROWS if "sound_file" in row}
    assert (report.indexed, report.published) == (48, True)
    assert report.embedded["sound"] == len(set(with_sound.values()))
    before = sources(engine, alias)
    assert {id for id, source in before.items() if "sound_vec" in source} == set(with_sound)
    expected = LetterFrequency().encode([with_sound["p7"]])[0]
    np.testing.assert_allclose(before["p7"]["sound_vec"], expected, atol=1e-6)

    letters.contents.clear()
    assert build_index(engine, alias, tmp_path, encoders).unchanged == 48
    cheaper = [{**row, "price": 99} if row["id"] == "p7" else row for row in ROWS]
    assert build_index(engine, alias, tmp_path, encoders, rows=cheaper).updated == 1
    assert letters.contents == []
    assert sources(engine, alias)["p7"]["sound_vec"] == before["p7"]["sound_vec"]

    silent = [{key: value for key, value in row.items() if key != "sound_file"} for row in ROWS[:1]]
    changed = [*silent, *({**row, "sound_file": "zzz"} if row["id"] == "p7" else row for row in ROWS[1:])]
    changed[8] = {key: value for key, value in changed[8].items() if key != "sound_file"}
    encoders["text"].calls.clear()
    assert build_index(engine, alias, tmp_path, encoders, rows=changed).updated == 2
    assert letters.contents == ["zzz"]
    assert encoders["text"].texts == []
    after = sources(engine, alias)
    assert after["p7"]["sound_vec"][25] == 1
    assert "sound_vec" not in after["p8"]
    assert after["p7"]["text_vec"] == before["p7"]["text_vec"]


@pytest.mark.live
def test_a_hybrid_search_finds_products_by_the_space(engine: OpenSearch, alias: str, tmp_path: Path) -> None:
    build_index(engine, alias, tmp_path, sound_encoders())
    schema = read_schema(engine, alias)
    vector = LetterFrequency().encode([ROWS[7]["sound_file"]])[0]
    body = hybrid_body(Query("green", {"sound": vector}), schema)
    assert len(body["query"]["hybrid"]["queries"]) == 4
    candidates = {candidate.id: candidate for candidate in retrieve(engine, alias, body).candidates}
    assert candidates["p7"].sub_query_scores == {"sound": pytest.approx(1.0, abs=1e-5)}  # p7 is black
    assert set(candidates["p9"].sub_query_scores) == {"lexical", "sound"}
    assert "sound_vec" not in candidates["p7"].source


@pytest.mark.live
def test_the_weights_have_a_share_of_the_space(engine: OpenSearch, alias: str, tmp_path: Path) -> None:
    encoders = sound_encoders()
    build_index(engine, alias, tmp_path, encoders)
    embed = query_embedder(encoders, Store(str(tmp_path / "store")))
    assert [set(vectors) for vectors in embed(["red shoe"])] == [{"text", "sound"}]
    learned = learn_weights(engine, alias, read_schema(engine, alias), embed)
    assert list(learned.weights) == ["lexical", "text", "image", "sound"] == list(sub_queries())
    assert sum(learned.weights.values()) == pytest.approx(1, abs=0.01)
    use_weights(engine, alias, learned.weights)
    assert read_schema(engine, alias).weights == learned.weights
    (step,) = engine.search_pipeline.get(id=f"{alias}-fusion")[f"{alias}-fusion"]["phase_results_processors"]
    assert len(step["normalization-processor"]["combination"]["parameters"]["weights"]) == 4


@pytest.mark.live
def test_the_doctor_reports_on_the_space(engine: OpenSearch, alias: str, tmp_path: Path) -> None:
    build_index(engine, alias, tmp_path, sound_encoders())
    index = str(current(engine, alias))
    findings = list(check_index(Context(engine, alias, Store(str(tmp_path / "store")))))
    by_subject: dict[str, list[Finding]] = {}
    for finding in findings:
        by_subject.setdefault(finding.subject, []).append(finding)
    mapping, documents = by_subject["sound_vec"]
    assert mapping == Finding("ok", "sound_vec", "lucene, 26 dimensions, cosine")
    assert documents == Finding("ok", "sound_vec", "10 of 48 documents have none")
    (encoder,) = by_subject["encoder of sound_vec"]
    assert encoder.level == "fail"
    assert encoder.result.startswith("letters-0 is not in the store")
    engine.indices.put_mapping(
        index=index, body={"_meta": _meta_without_sound(read_schema(engine, alias), engine, index)}
    )
    levels = {f.level for f in check_index(Context(engine, alias)) if f.subject == "sound_vec"}
    assert "fail" in levels  # a vector field without a recorded encoder


def _meta_without_sound(schema: IndexSchema, engine: OpenSearch, index: str) -> dict[str, Any]:
    meta: dict[str, Any] = engine.indices.get_mapping(index=index)[index]["mappings"]["_meta"]
    vectors = {name: value for name, value in schema.to_dict()["vectors"].items() if name != "sound"}
    return {**meta, "vitrine": {**meta["vitrine"], "vectors": vectors}}


@pytest.mark.live
def test_the_command_opens_the_encoder_of_the_space(
    engine: OpenSearch, engine_url: str, alias: str, tmp_path: Path
) -> None:
    catalogue, plan = tmp_path / "catalogue.jsonl", tmp_path / "catalogue.toml"
    catalogue.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    plan.write_text('[fields]\nnumbers = ["price"]\n[fields.vectors]\nsound = "sound_file"\n')
    env = {
        "OPENSEARCH_URL": engine_url,
        "VITRINE_INDEX": alias,
        "VITRINE_STORE": str(tmp_path / "store"),
        "VITRINE_TEXT_ENCODER": "none",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    def index(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["index", str(catalogue), *arguments, "--json"], env=env)

    tiny = tiny_text_encoder(tmp_path)
    first = index("--fields", str(plan), "--encoder", f"sound={tiny}")
    assert first.exit_code == 0, first.output
    sounds = {row["sound_file"] for row in ROWS if "sound_file" in row}
    assert json.loads(first.stdout)["embedded"] == {"sound": len(sounds)}
    assert list(read_schema(engine, alias).vectors) == ["sound"]
    again = json.loads(index().stdout)  # plan and encoder are those of the index
    assert (again["unchanged"], again["embedded"]) == (48, {})
    refused = index("--encoder", "smell=x")
    assert refused.exit_code == 2
    assert "'smell=x' is not SPACE=NAME with one of the vector spaces text, image, sound" in " ".join(
        refused.output.replace("│", " ").split()
    )
