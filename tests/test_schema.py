"""The body of an index: the document contract, and plans that the engine would refuse."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch.analysis.chains import analysis_settings, digest_of
from opensearch.analysis.compounds import Compounds
from opensearch.analysis.languages import LANGUAGES
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.schema import (
    META_KEY,
    Sharding,
    differences,
    index_body,
    mappings,
    schema_from_mapping,
)
from vitrine.errors import EngineError

TEXT = VectorField("minilm-aaaaaaaaaaaa", "minilm-aaaaaaaaaaaa", 384, ("en",))
IMAGE = VectorField("tower-bbbbbbbbbbbb", "minilm-aaaaaaaaaaaa", 384, ("en",))
PLAN = FieldPlan(title="name", numbers=("price", "rating"), keywords=("brand",), dates=("released",))
SCHEMA = IndexSchema(PLAN, {"text": TEXT, "image": IMAGE})


def _leaves(mapping: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    leaves: dict[str, dict[str, Any]] = {}
    for name, field in mapping.get("properties", {}).items():
        leaves[f"{path}{name}"] = field
        leaves |= _leaves(field, f"{path}{name}.")
    return leaves


def test_mapping_is_the_document_contract() -> None:
    mapping = mappings(SCHEMA)
    fields = _leaves(mapping)
    assert mapping["dynamic"] == "strict"
    assert {name: field.get("type", "object") for name, field in fields.items()} == {
        "id": "keyword",
        "codes": "text",
        "title": "text",
        "texts": "object",
        "extra": "object",
        "search": "object",
        "search.en": "text",
        "search.zh": "text",
        "search.any": "text",
        "text_vec": "knn_vector",
        "images": "nested",
        "images.hash": "keyword",
        "images.ref": "keyword",
        "images.vec": "knn_vector",
        "numbers": "object",
        "numbers.price": "double",
        "numbers.rating": "double",
        "keywords": "object",
        "keywords.brand": "keyword",
        "dates": "object",
        "dates.released": "date",
        "language": "keyword",
        "group": "keyword",
        "available": "boolean",
        "created": "date",
        "hashes": "object",
        "hashes.text": "keyword",
        "hashes.row": "keyword",
    }
    assert fields["texts"]["enabled"] is False
    assert all(fields[name]["dynamic"] is True for name in ("numbers", "keywords", "dates"))
    assert all(fields[name]["index"] is False for name in ("images.ref", "hashes.text", "hashes.row"))


def test_every_vector_is_lucene_and_source_is_whole() -> None:
    mapping = mappings(SCHEMA)
    vectors = [field for field in _leaves(mapping).values() if field.get("type") == "knn_vector"]
    assert [field["dimension"] for field in vectors] == [384, 384]
    assert all(
        field["method"] == {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
        for field in vectors
    )
    assert "_source" not in mapping


def test_schema_without_vectors_has_no_vector_field() -> None:
    fields = _leaves(mappings(IndexSchema(PLAN)))
    assert not [name for name, field in fields.items() if field.get("type") == "knn_vector"]


def test_every_keyword_bounds_its_length() -> None:
    fields = _leaves(mappings(SCHEMA))
    lengths = [field["ignore_above"] for field in fields.values() if field.get("type") == "keyword"]
    assert lengths
    assert max(lengths) * 4 <= 32_766  # bytes of a Lucene term, four to the longest character


def test_every_named_part_of_the_analysis_exists() -> None:
    chains = {language: variants[-1].name for language, variants in LANGUAGES.items()}
    compounds = {"de": Compounds(("kinder",), ("kinder", "sattel"))}
    settings = analysis_settings(chains, synonyms=["sofa, couch"], compounds=compounds)
    for kind in ("filter", "char_filter"):
        used = {name for chain in settings["analyzer"].values() for name in chain[kind]}
        assert {name for name in used if name.startswith("vitrine_")} <= set(settings[kind])
    fields = _leaves(mappings(IndexSchema(PLAN, chains=chains))).values()
    sub_fields = [sub for field in fields for sub in field.get("fields", {}).values()]
    named = {
        analyzer
        for field in [*fields, *sub_fields]
        if field.get("type") == "text"
        for analyzer in (field["analyzer"], field.get("search_analyzer", field["analyzer"]))
    }
    parts = {name for name in settings["analyzer"] if name.endswith("_parts")}
    assert named | parts == set(settings["analyzer"])
    with_synonyms = {
        name for name, chain in settings["analyzer"].items() if "vitrine_synonyms" in chain["filter"]
    }
    assert with_synonyms == {f"vitrine_{language}_search" for language in chains}


def test_the_hash_of_the_chains_leaves_synonyms_and_compounds_out() -> None:
    chains = {"en": "english", "zh": "cjk", "any": "any", "de": "german"}
    plain = digest_of(analysis_settings(chains))
    rich = analysis_settings(
        chains, synonyms=["sofa, couch"], compounds={"de": Compounds(("rad",), ("rad", "hose"))}
    )
    assert digest_of({**rich, "analyzer": analysis_settings(chains)["analyzer"]}) == plain
    assert digest_of(analysis_settings({**chains, "zh": "smartcn"})) != plain


def test_the_schema_is_read_back_from_meta() -> None:
    body = index_body(SCHEMA, layout=Sharding(3, 1))
    assert schema_from_mapping(body["mappings"]) == SCHEMA
    assert body["settings"]["index"]["number_of_shards"] == 3
    assert body["settings"]["index"]["number_of_replicas"] == 1
    assert schema_from_mapping({"properties": {}}) is None


def test_another_schema_version_is_refused() -> None:
    mapping = {"_meta": {META_KEY: {**SCHEMA.to_dict(), "version": 7}}}
    with pytest.raises(EngineError, match=r"version 7 .* reads version 3"):
        schema_from_mapping(mapping)


@pytest.mark.parametrize("name", ["", " ", "a..b", ".a", "a."])
def test_a_column_that_cannot_be_a_field_is_named(name: str) -> None:
    with pytest.raises(EngineError, match="cannot be a field"):
        mappings(IndexSchema(FieldPlan(numbers=(name,))))


def test_column_inside_another_names_both() -> None:
    with pytest.raises(EngineError, match=r"'size' and 'size\.eu'"):
        mappings(IndexSchema(FieldPlan(keywords=("size", "size.eu"))))


def test_dimension_beyond_the_engine_names_the_encoder() -> None:
    with pytest.raises(EngineError, match=r"huge gives 20000 dimensions.*16000"):
        mappings(IndexSchema(PLAN, {"text": VectorField("huge", "huge", 20_000)}))


def test_differences_name_both_plans_and_both_encoders() -> None:
    other = IndexSchema(FieldPlan(title="name", numbers=("price",)), {"image": IMAGE})
    problems = "\n".join(differences(SCHEMA, other))
    assert "numbers is [price, rating] in the index and [price] in the plan" in problems
    assert "the text encoder is minilm-aaaaaaaaaaaa (384, searched by minilm-aaaaaaaaaaaa)" in problems
    assert "and none now" in problems
    assert "image" not in problems
    assert differences(SCHEMA, SCHEMA) == []
