"""From the field plan to the body that makes an index: settings, analyzers and a strict mapping. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vitrine.errors import EngineError

from .fields import IndexSchema, VectorField
from .spaces import SPACES, space_names

Chinese = Literal["smartcn", "cjk"]

META_KEY = "vitrine"
META_VERSION = 2
SYNONYM_FILTER = "vitrine_synonyms"
REFRESH_INTERVAL = "1s"
# Half of Lucene's k1: a word that a product's text repeats says little more than the word once (title, description and
# attributes repeat each other). Chosen by known items, scripts/bench/bm25.py.
BM25 = {"k1": 0.6, "b": 0.75}
MOST_DIMENSIONS = 16_000  # of a lucene vector field
# a Lucene term holds 32,766 bytes and a character at most four: longer values stay readable but are no filter
_LONGEST_KEYWORD = 8_191
# what the engine's own list `_english_` holds, as a pattern
_STOP_WORDS = (
    "a|an|and|are|as|at|be|but|by|for|if|in|into|is|it|no|not|of|on|or|such|that|the|their|then|there|these|"
    "they|this|to|was|will|with"
)


@dataclass(frozen=True)
class Sharding:
    """How an index is spread over the cluster."""

    shards: int = 1
    replicas: int = 0


def index_body(
    schema: IndexSchema, *, layout: Sharding, chinese: Chinese, synonyms: Sequence[str] = ()
) -> dict[str, Any]:
    """Give settings and mappings of a new index; raises EngineError for a plan that the engine cannot hold.

    Refreshing is off until the index is published, and the vectors' engine is always lucene.
    """
    return {
        "settings": {
            "index": {
                "number_of_shards": layout.shards,
                "number_of_replicas": layout.replicas,
                "knn": True,
                "refresh_interval": "-1",
                "mapping.total_fields.limit": 5_000,
                # a title of a megabyte must not fail a search that highlights
                "highlight.max_analyzed_offset": 10_000_000,
                "similarity": {"default": {"type": "BM25", **BM25}},
            },
            "analysis": analysis(chinese, synonyms),
        },
        "mappings": mappings(schema, chinese),
    }


def mappings(schema: IndexSchema, chinese: Chinese) -> dict[str, Any]:
    """Give the mapping of the document contract: strict at the top, open inside the attribute objects."""
    plan = schema.plan
    keyword = {"type": "keyword", "ignore_above": _LONGEST_KEYWORD}
    kept = {**keyword, "index": False, "doc_values": False}
    properties: dict[str, Any] = {
        "id": keyword,
        "title": _text("vitrine_any"),
        "texts": {"type": "object", "enabled": False},
        "extra": {"type": "object", "enabled": False},
        "search": {
            "dynamic": "strict",
            "properties": {language: _text(f"vitrine_{language}") for language in ("en", "zh", "any")},
        },
        "numbers": _columns(plan.numbers, {"type": "double"}),
        "keywords": _columns(plan.keywords, keyword),
        "dates": _columns(plan.dates, {"type": "date"}),
        "language": keyword,
        "group": keyword,
        "available": {"type": "boolean"},
        "created": {"type": "date"},
        "hashes": {"dynamic": "strict", "properties": {"text": kept, "row": kept}},
    }
    images: dict[str, Any] = {"hash": keyword, "ref": kept}
    properties["images"] = {"type": "nested", "dynamic": "strict", "properties": images}
    for name, field in schema.vectors.items():
        space = SPACES[name]
        place = properties
        if space.nested:
            nested = {"type": "nested", "dynamic": "strict", "properties": {}}
            place = properties.setdefault(space.nested, nested)["properties"]
        place[space.path.rpartition(".")[2]] = _vector(field)
    return {
        "dynamic": "strict",
        "date_detection": False,
        "dynamic_templates": [
            {"numbers": {"path_match": "numbers.*", "mapping": {"type": "double"}}},
            {"keywords": {"path_match": "keywords.*", "mapping": keyword}},
            {"dates": {"path_match": "dates.*", "mapping": {"type": "date"}}},
        ],
        "properties": properties,
        "_meta": {META_KEY: {**schema.to_dict(), "version": META_VERSION, "chinese": chinese}},
    }


def analysis(chinese: Chinese, synonyms: Sequence[str] = ()) -> dict[str, Any]:
    """Give the analyzers of each language: one to write, one to search that knows the synonyms (Solr)."""
    analyzers = {
        f"vitrine_{language}": {"type": "custom", **chain} for language, chain in _chains(chinese).items()
    }
    return {"filter": {**_filters(), SYNONYM_FILTER: synonym_filter(synonyms)}, "analyzer": analyzers}


def synonym_filter(synonyms: Sequence[str]) -> dict[str, Any]:
    return {"type": "synonym_graph", "synonyms": list(synonyms)}


def synonym_trials(chinese: Chinese, synonyms: Sequence[str]) -> list[dict[str, Any]]:
    """Give an `_analyze` body for each search analyzer, rules included, to try them without an index."""
    named = {**_filters(), SYNONYM_FILTER: synonym_filter(synonyms)}
    return [
        {
            "tokenizer": chain["tokenizer"],
            "filter": [named.get(name, name) for name in chain["filter"]],
            "text": "x",
        }
        for language, chain in _chains(chinese).items()
        if language.endswith("_search")
    ]


def schema_from_mapping(mapping: Mapping[str, Any]) -> IndexSchema | None:
    """Give the schema that `_meta` holds; None for an index that Vitrine did not make."""
    held = (mapping.get("_meta") or {}).get(META_KEY)
    if not held:
        return None
    if held.get("version") != META_VERSION:
        raise EngineError(
            f"the index was written in form {held.get('version')!r} and this Vitrine reads form "
            f"{META_VERSION}: index the catalogue again with this version, or use the Vitrine that wrote it"
        )
    return IndexSchema.from_dict(held)


def differences(found: IndexSchema, wanted: IndexSchema) -> list[str]:
    """Name every difference of two schemas, both values each; empty when one can stand for the other."""
    old, new = found.plan.to_dict(), wanted.plan.to_dict()
    told = [
        f"{key} is {_said(old[key])} in the index and {_said(new[key])} in the plan"
        for key in old
        if old[key] != new[key]
    ]
    for name in space_names([*found.vectors, *wanted.vectors]):
        before, after = found.vectors.get(name), wanted.vectors.get(name)
        if before != after:
            told.append(f"the {name} encoder is {_encoder(before)} in the index and {_encoder(after)} now")
    return told


def _text(analyzer: str) -> dict[str, Any]:
    return {"type": "text", "analyzer": analyzer, "search_analyzer": f"{analyzer}_search"}


def _vector(field: VectorField) -> dict[str, Any]:
    if not 1 <= field.dimension <= MOST_DIMENSIONS:
        raise EngineError(
            f"encoder {field.encoder} gives {field.dimension} dimensions, and the engine holds 1 to "
            f"{MOST_DIMENSIONS}: choose another encoder"
        )
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    return {"type": "knn_vector", "dimension": field.dimension, "method": method}


def _columns(names: Sequence[str], mapping: Mapping[str, Any]) -> dict[str, Any]:
    for name in names:
        parts = name.split(".")
        if any(not part.strip() for part in parts):
            raise EngineError(
                f"column {name!r} cannot be a field of an index (a name, or a part between dots, is empty): "
                "rename it in the catalogue, or leave it out of the field plan"
            )
        above = {".".join(parts[:end]) for end in range(1, len(parts))} & set(names)
        if above:
            raise EngineError(
                f"columns {min(above)!r} and {name!r} cannot both be fields: a dot makes the first an "
                "object; rename one of them in the catalogue, or leave it out of the field plan"
            )
    return {"dynamic": True, "properties": {name: dict(mapping) for name in names}}


def _filters() -> dict[str, Any]:
    return {
        "vitrine_possessive": {"type": "stemmer", "language": "possessive_english"},
        "vitrine_stem": {"type": "stemmer", "language": "english"},
        "vitrine_stop": {"type": "stop", "stopwords": "_english_"},
        "vitrine_keep_stop_words": {"type": "keyword_marker", "keywords_pattern": _STOP_WORDS},
        "vitrine_bigrams": {"type": "cjk_bigram", "output_unigrams": False},
        "vitrine_bigrams_and_signs": {"type": "cjk_bigram", "output_unigrams": True},
        "vitrine_punctuation": {"type": "stop", "stopwords": [","]},  # smartcn writes every sign as a comma
    }


def _chains(chinese: Chinese) -> dict[str, dict[str, Any]]:
    fold = ["lowercase", "asciifolding"]
    # Synonyms come after stemming, so that a rule on "couch" meets "couches", and before the stop words go,
    # so that a rule may hold them; the stemmer must leave stop words alone for that.
    english = ["vitrine_possessive", *fold]
    stop, synonyms = "vitrine_stop", SYNONYM_FILTER
    chains = {
        "en": ("standard", [*english, stop, "vitrine_stem"]),
        "en_search": ("standard", [*english, "vitrine_keep_stop_words", "vitrine_stem", synonyms, stop]),
        "any": ("standard", fold),
        "any_search": ("standard", [*fold, synonyms]),
    }
    if chinese == "smartcn":
        words = [*fold, "vitrine_punctuation", "vitrine_stem"]
        chains |= {"zh": ("smartcn_tokenizer", words), "zh_search": ("smartcn_tokenizer", [*words, synonyms])}
    else:
        # single signs are written too and pairs are searched: 裙 alone finds 连衣裙, longer words stay exact
        wide, signs = ["cjk_width", *fold], ["vitrine_bigrams_and_signs", "vitrine_stem"]
        chains["zh"] = ("standard", [*wide, *signs])
        chains["zh_search"] = ("standard", [*wide, "vitrine_bigrams", "vitrine_stem", synonyms])
    return {
        name: {"tokenizer": tokenizer, "filter": filters} for name, (tokenizer, filters) in chains.items()
    }


def _said(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else repr(value)


def _encoder(field: VectorField | None) -> str:
    if field is None:
        return "none"
    return f"{field.encoder} ({field.dimension}, searched by {field.query_encoder})"
