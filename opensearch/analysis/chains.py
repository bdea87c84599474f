"""The analysis settings of an index and the text fields that use them, from the chains of its languages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from . import stop_words
from .codes import code_analysis
from .compounds import MIN_PART, Compounds
from .languages import ALWAYS, ANY, CHINESE, ENGLISH, Chain, chain_of
from .signs import number_capture, sign_filters, sign_removal

Chains = Mapping[str, str]  # language -> name of its chain
Settings = dict[str, Any]

DEFAULT_CHAINS: Chains = {ENGLISH: "english", CHINESE: "cjk", ANY: "any"}
SYNONYM_FILTER = "vitrine_synonyms"
COMPOUND_FILTER = "vitrine_compounds"  # the beginning of the names

FILTERS: dict[str, dict[str, Any]] = {
    "vitrine_possessive": {"type": "stemmer", "language": "possessive_english"},
    "vitrine_apostrophes": {"type": "pattern_replace", "pattern": "'", "replacement": ""},
    "vitrine_elision_ca": {"type": "elision", "articles": ["d", "l", "m", "n", "s", "t"], "articles_case": True},
    "vitrine_elision_fr": {
        "type": "elision",
        "articles": ["l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu"],
        "articles_case": True,
    },
    "vitrine_elision_ga": {"type": "elision", "articles": ["d", "m", "b"], "articles_case": True},
    "vitrine_elision_it": {
        "type": "elision",
        "articles": [
            "c", "l", "all", "dall", "dell", "nell", "sull", "coll", "pell", "gl", "agl", "dagl", "degl", "negl",
            "sugl", "un", "m", "t", "s", "v", "d",
        ],
        "articles_case": True,
    },
    "vitrine_lower_greek": {"type": "lowercase", "language": "greek"},
    "vitrine_lower_irish": {"type": "lowercase", "language": "irish"},
    "vitrine_lower_turkish": {"type": "lowercase", "language": "turkish"},
    # single signs are written too and pairs are searched: 裙 alone finds 连衣裙, longer words stay exact
    "vitrine_bigrams": {"type": "cjk_bigram", "output_unigrams": True},
    "vitrine_bigrams_search": {"type": "cjk_bigram", "output_unigrams": False},
    # neighbours as one word: `laptop` finds `lap top`. They have a field of their own, because in the field of the words
    # they would count in the mean length that BM25 compares with.
    "vitrine_joined": {
        "type": "shingle",
        "token_separator": "",
        "min_shingle_size": 2,
        "max_shingle_size": 2,
        "output_unigrams": False,
    },
    "vitrine_numbers": number_capture(),
    **stop_words.FILTERS,
}  # fmt: skip
_SIGN_FILTERS = {
    "vitrine_no_signs": sign_removal(),
    "vitrine_persian_spaces": {"type": "mapping", "mappings": ["\\u200c => \\u0020"]},
}


def analysis_settings(
    chains: Chains, *, synonyms: Sequence[str] = (), compounds: Mapping[str, Compounds] | None = None
) -> Settings:
    """Return the `analysis` of an index: up to five analyzers per language, and that of codes.

    `synonyms` are Solr rules, `compounds` splits compounds by language.
    """
    code_filters, code_analyzers = code_analysis()
    settings: Settings = {
        "char_filter": {**sign_filters(), **code_filters},
        "filter": {SYNONYM_FILTER: synonym_filter(synonyms)},
        "analyzer": code_analyzers,
    }
    for language, chain in named_chains(chains):
        settings["char_filter"] |= {name: _SIGN_FILTERS[name] for name in chain.signs}
        split = (compounds or {}).get(language, Compounds())
        stop = stop_words.stop_filters(language, chain.stop) if chain.stop else {}
        settings["filter"] |= {**stop, **_compound_filters(language, split)}
        for suffix, filters in _steps(language, chain, split).items():
            settings["filter"] |= {name: _definition(name) for name in filters if _is_shared(name, settings)}
            settings["analyzer"][f"vitrine_{language}{suffix}"] = {
                "type": "custom",
                "char_filter": [*sign_filters(), *chain.signs],
                "tokenizer": chain.tokenizer,
                "filter": filters,
            }
    return settings


def in_order(chains: Chains) -> dict[str, str]:
    """Return the chains with the languages that every index has first; the engine returns keys in an order of its own."""
    return {name: chains[name] for name in sorted(chains, key=lambda name: (name not in ALWAYS, name))}


def search_mapping(chains: Chains) -> dict[str, dict[str, Any]]:
    """Return the mapping of each language's words; `joined` below it holds neighbours written together."""
    return {language: _text_field(language, chain) for language, chain in named_chains(chains)}


def named_chains(chains: Chains) -> Iterator[tuple[str, Chain]]:
    """Yield each language with its chain; a chain of a later release is read as that of any language."""
    for language, name in chains.items():
        yield language, chain_of(language, name) or chain_of(ANY, "any") or Chain("any")


def has_joined_words(language: str, chains: Chains) -> bool:
    """Return whether the language's field has `joined` below it."""
    return next(chain.joins for name, chain in named_chains(chains) if name == language)


def splits_compounds(language: str, chains: Chains) -> bool:
    """Return whether compounds of the language can be split."""
    return next(chain.compounds for name, chain in named_chains(chains) if name == language)


def has_only_stop_words(language: str, chains: Chains, words: str) -> bool:
    """Return whether the words are stop words of the language alone, which its field does not hold."""
    name = next(chain.stop for known, chain in named_chains(chains) if known == language)
    return name is not None and stop_words.only_stop_words(name, words)


def synonym_filter(synonyms: Sequence[str]) -> dict[str, Any]:
    """Return the token filter of these rules; a chain leaves out a rule that has no terms in it."""
    return {"type": "synonym_graph", "synonyms": list(synonyms), "lenient": True}


def trial_chain(chain: Chain) -> dict[str, Any]:
    """Return the body of an `_analyze` that shows whether the engine can build the chain."""
    filters = [_definition(name) for name in (*chain.letters, *chain.stem)]
    return {"tokenizer": chain.tokenizer, "filter": filters, "text": "x"}


def digest_of(settings: Mapping[str, Any]) -> str:
    """Return a hash of analysis settings without synonyms and compounds, which differ from index to index."""
    filters = {
        name: value
        for name, value in settings["filter"].items()
        if name != SYNONYM_FILTER and not name.startswith(COMPOUND_FILTER)
    }
    content = orjson.dumps({**settings, "filter": filters}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:16]


def _steps(language: str, chain: Chain, compounds: Compounds) -> dict[str, list[str]]:
    """Return the token filters of each analyzer by the ending of its name."""
    stop = [f"vitrine_stop_{language}"] if chain.stop else []
    mark, unmark = ([f"vitrine_mark_{language}"], stop_words.UNMARK) if chain.stop else ([], ())
    fold = ["asciifolding"] if chain.fold else []
    parts = [f"{COMPOUND_FILTER}_parts_{language}"] if compounds.parts else []
    words = [f"{COMPOUND_FILTER}_words_{language}"] if compounds.words else []
    unique = ["remove_duplicates"] if parts else []
    letters, stem = list(chain.letters), list(chain.stem)
    # Synonyms come after stemming, so that a rule on "couch" meets "couches", and before the stop words go,
    # so that a rule may hold them.
    pairs = ["vitrine_bigrams_search" if name == "vitrine_bigrams" else name for name in stem]
    steps = {
        "": [*letters, "vitrine_numbers", *parts, *stop, *stem, *fold, *unique],
        "_search": [*letters, *mark, *pairs, *fold, SYNONYM_FILTER, *unmark],
    }
    if chain.joins:
        steps["_words"] = [*letters, *stop, *stem, *fold]
        steps["_joined"] = [*letters, "vitrine_joined", *stem, *fold]
    if chain.compounds:
        steps["_parts"] = [*letters, *words, *stop, *stem, *fold]
    return steps


def _is_shared(name: str, settings: Settings) -> bool:
    return name not in settings["filter"] and isinstance(_definition(name), dict)


def _definition(name: str) -> Any:
    """Return the definition of a filter; its name alone for one that the engine has by this name."""
    if name.startswith("vitrine_stem_"):
        return {"type": "stemmer", "language": name.removeprefix("vitrine_stem_")}
    return FILTERS.get(name, name)


def _compound_filters(language: str, compounds: Compounds) -> dict[str, Any]:
    lists = {"parts": compounds.parts, "words": compounds.words}
    return {
        f"{COMPOUND_FILTER}_{name}_{language}": _decompounder(words) for name, words in lists.items() if words
    }


def _decompounder(words: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "dictionary_decompounder",
        "word_list": list(words),
        "min_subword_size": MIN_PART,
        "max_subword_size": max(map(len, words)),
        "only_longest_match": True,
    }


def _text_field(language: str, chain: Chain) -> dict[str, Any]:
    name = f"vitrine_{language}"
    field: dict[str, Any] = {"type": "text", "analyzer": name, "search_analyzer": f"{name}_search"}
    if chain.joins:
        joined = {"analyzer": f"{name}_joined", "search_analyzer": f"{name}_words"}
        field["fields"] = {"joined": {"type": "text", **joined, "norms": False, "index_options": "docs"}}
    return field
