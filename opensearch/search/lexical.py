"""The clause of the lexical sub-query: the words in every language's field, joined and split words, and codes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opensearch.analysis.chains import has_joined_words, has_only_stop_words, splits_compounds
from opensearch.analysis.codes import CODES, query_codes
from opensearch.index.fields import SEARCH
from opensearch.index.spaces import LEXICAL

from .query_text import count_terms, first_terms

Clause = dict[str, Any]

TITLE = "title"  # titles are indexed with their stop words, the other fields without
EXACT_CODE = "code"  # the name of the clause that a product with an exact code of the query matches

BREAKS = (
    "breaks "  # begins the names of the clauses that products match which break a constraint of the query
)

_LETTER = r"[^\W\d_]"
_DASH = r"[\-\u2010-\u2013]"
# t-shirt, all-in-one; h&m; and a letter beside a word: usb c, e bike
_TOGETHER = re.compile(
    rf"(?<![\w\-])\w+{_DASH}\w+(?:{_DASH}\w+)?(?![\w\-])|(?<!\w){_LETTER}[/&]{_LETTER}(?!\w)|"
    rf"(?<!\w){_LETTER}\s\w+(?!\w)|(?<![\w.,])\w+\s{_LETTER}(?!\w)"
)
_LETTER_BETWEEN = re.compile(rf"(?<!\w)[^\W\d]+\s'?{_LETTER}'?\s[^\W\d]+(?!\w)")  # rock n roll
# The engine refuses a query of more than 1,024 clauses; synonyms and codes take some.
_MAX_CLAUSES = 900
# The first terms of a query, which are searched as joined words and as parts of compounds too.
_JOINED_TERMS = 16
# Of `laptop` for `lap top`: it is one word and stands for two, of which other products have only one.
_JOINED_BOOST = 1.5
_JOINED_TIE = 0.5  # so that the other words of the query count too
# Of `lap top` for `laptop`: neighbours that happen to give a word are so rare that BM25 would put them before the word.
_SPLIT_SCORE = 1.0
_PARTS_BOOST = 0.5  # below a product that has the compound itself
_PREFIX_BOOST = 1000.0  # above all that BM25 gives
_NUMBER_BOOST = 10.0  # of a short number that is a code: about one rare word
_WORD_BOOST = 0.5  # of a word that is a code: `black` may be one, and finds black products first
_TERM_SCORE = 30.0  # more than BM25 gives for a term
_VECTOR_SCORE = 4.0  # more than a cosine as the engine scores it, (1 + cos) / 2, with boosts


def lexical_clause(
    words: str, filters: Sequence[Clause], chains: Mapping[str, str], minimum_match: str | None = None
) -> Clause:
    """Return the clause of the lexical sub-query for words of `clean_words`; `minimum_match`: of the words themselves."""
    words = first_terms(words, _MAX_CLAUSES // len(chains) - 4 * _JOINED_TERMS)
    # signs alone match everything
    without_terms = "none" if any(map(str.isalnum, words)) else "all"
    match: Clause = {"query": with_joined(words), "operator": "or", "zero_terms_query": without_terms}
    if minimum_match:
        match["minimum_should_match"] = minimum_match
    fields = [_language_clause(language, words, match, chains) for language in chains]
    queries = [{"dis_max": {"queries": fields}}, *_code_clauses(words)]
    matching = queries if len(queries) == 1 else [{"bool": {"should": queries}}]
    return {"bool": {"_name": LEXICAL, "must": matching, "filter": list(filters)}}


def with_certain_codes(name: str, clause: Clause, words: str, filters: Sequence[Clause]) -> Clause:
    """Return the clause of sub-query `name` with the products that a code of the query names above all others.

    They score more in each sub-query than any other product can, so every fusion of ranks or scores puts them first.
    """
    exact = _exact(words, filters)
    if not exact:
        return clause
    if name != LEXICAL:
        return {"bool": {"should": [clause, _constant(exact, _VECTOR_SCORE)]}}
    marked = _constant(exact, _TERM_SCORE * (1 + len(words.split())))
    marked["constant_score"]["_name"] = EXACT_CODE
    return {"bool": {"_name": LEXICAL, "should": [_without_name(clause), marked]}}


def named_products(words: str, filters: Sequence[Mapping[str, Any]]) -> Clause | None:
    """Return the clause of the products that a query of a code alone names; None for a query with other words."""
    return _exact(words, filters) if query_codes(words).alone else None


def _exact(words: str, filters: Sequence[Mapping[str, Any]]) -> Clause | None:
    codes = query_codes(words).certain
    return {"bool": {"filter": [{"terms": {CODES: list(codes)}}, *filters]}} if codes else None


def named_breaking(breaking: Mapping[str, Clause]) -> list[Clause]:
    """Return the clauses of products that break constraints, named so that `broken_in` finds them in a hit."""
    return [{"bool": {"_name": BREAKS + name, "filter": [clause]}} for name, clause in breaking.items()]


def broken_in(matched: Iterable[str]) -> tuple[str, ...]:
    """Return the constraints that a hit breaks, in the order of their text, of the names of the clauses it matches."""
    return tuple(sorted(name.removeprefix(BREAKS) for name in matched if name.startswith(BREAKS)))


def _without_name(clause: Clause) -> Clause:
    return {"bool": {key: value for key, value in clause["bool"].items() if key != "_name"}}


def with_joined(words: str) -> str:
    """Return the words with those that belong together written as one too: `t-shirt tshirt`, `usb c usbc`.

    Only for signs inside a word and letters that stand alone, so that other words score as they do.
    """
    beginning = " ".join(words.split()[:_JOINED_TERMS])
    pairs = [*_TOGETHER.findall(beginning), *_LETTER_BETWEEN.findall(beginning)]
    joined = dict.fromkeys(re.sub(r"[\W_]+", "", pair) for pair in pairs)
    return " ".join([words, *joined])


def _language_clause(language: str, words: str, match: Clause, chains: Mapping[str, str]) -> Clause:
    """Return the clause of one language: the words as typed, neighbours of them as one word, and parts of compounds."""
    field = f"{SEARCH}.{language}"
    if has_only_stop_words(language, chains, words):
        return {"match": {TITLE: {"query": words, "operator": "and"}}}
    beginning = first_terms(words, _JOINED_TERMS)
    clauses: list[Clause] = [{"match": {field: match}}]
    joins = has_joined_words(language, chains)
    if joins:  # laptop finds lap top
        split = {f"{field}.joined": {"query": with_joined(beginning)}}
        clauses.append(_constant({"match": split}, _SPLIT_SCORE))
    if splits_compounds(language, chains):
        clauses.append(_parts_clause(language, beginning, match.get("minimum_should_match", 1)))
    typed = {"bool": {"should": clauses}} if len(clauses) > 1 else clauses[0]
    if not joins or count_terms(beginning) < 2:
        return typed
    # lap top finds laptop
    joined = {"query": beginning, "analyzer": f"vitrine_{language}_joined", "boost": _JOINED_BOOST}
    return {"dis_max": {"queries": [typed, {"match": {field: joined}}], "tie_breaker": _JOINED_TIE}}


def _parts_clause(language: str, words: str, minimum_match: str | int) -> Clause:
    """Return the clause that finds `Fahrrad für Kinder` by `kinderfahrrad`: each part of a compound is a term of its own.

    A match query would take the parts, which stand at one position, for synonyms of each other.
    """
    return {
        "more_like_this": {
            "fields": [f"{SEARCH}.{language}"],
            "like": words,
            "analyzer": f"vitrine_{language}_parts",
            "min_term_freq": 1,
            "min_doc_freq": 1,
            "max_query_terms": 2 * _JOINED_TERMS,
            "minimum_should_match": minimum_match,
            "boost": _PARTS_BOOST,
        }
    }


def _code_clauses(words: str) -> list[Clause]:
    codes = query_codes(words)
    possible = [
        _constant({"term": {CODES: code}}, _NUMBER_BOOST if re.search(r"\d", code) else _WORD_BOOST)
        for code in codes.possible
    ]
    prefixes = [_constant({"prefix": {CODES: prefix}}, _PREFIX_BOOST) for prefix in codes.prefixes]
    return [*possible, *prefixes]


def _constant(clause: Clause, score: float) -> Clause:
    return {"constant_score": {"filter": clause, "boost": score}}
