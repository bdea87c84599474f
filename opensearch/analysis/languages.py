"""The chain of each language that the engine ships: one table from ISO 639-1 codes to tokenizer and filters.

Built from the parts of the engine's own analyzers (https://docs.opensearch.org/latest/analyzers/language-analyzers/), so
that signs, quantities, joined words and synonyms go through all of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

# The fields that every index has: English and Chinese words occur in any catalogue, and `any` takes the other languages.
ENGLISH, CHINESE, ANY = "en", "zh", "any"
ALWAYS = (ENGLISH, CHINESE, ANY)


@dataclass(frozen=True)
class Chain:
    """The steps from a text of one language to its terms, in order of the fields. Filters are names in `FILTERS`."""

    name: str
    tokenizer: str = "standard"
    signs: tuple[str, ...] = ()  # character filters besides the shared ones
    letters: tuple[str, ...] = ("lowercase", "asciifolding")  # lower case and normalization
    stop: str | None = None  # the name of its list of stop words
    compounds: bool = False  # words are written together: split by the catalogue's own words
    stem: tuple[str, ...] = ()
    fold: bool = False  # fold accents after stemming, for stemmers that read them
    joins: bool = True  # neighbouring words are also written together


def _latin(
    name: str,
    stem: str,
    *normal: str,
    stop: str | None = None,
    compounds: bool = False,
    elision: str | None = None,
) -> Chain:
    """Return the chain of a language in Latin letters, whose stemmer reads accents.

    `normal` names the filters before the stemmer that change letters: stop words and parts of compounds keep theirs.
    """
    return Chain(
        name,
        letters=((elision,) if elision else ()) + ("lowercase", "vitrine_apostrophes"),
        stop=stop or name,
        compounds=compounds,
        stem=(*normal, f"vitrine_stem_{stem}"),
        fold=True,
    )


def _other(
    name: str, *letters: str, normal: tuple[str, ...] = (), stop: bool = True, fold: bool = False
) -> Chain:
    """Return the chain of a language in other letters; its stemmer has its name. `normal` is as in `_latin`."""
    return Chain(
        name,
        letters=letters or ("lowercase",),
        stop=name if stop else None,
        stem=(*normal, f"vitrine_stem_{name}"),
        fold=fold,
    )


_INDIC = ("lowercase", "decimal_digit", "indic_normalization")
_CJK_STEPS = ("cjk_width", "lowercase", "asciifolding")
_CJK = Chain("cjk", letters=_CJK_STEPS, stem=("vitrine_bigrams", "vitrine_stem_english"), joins=False)

# The chains of each language, the best first: an index takes the first that its cluster can build, for some need a plugin.
LANGUAGES: dict[str, tuple[Chain, ...]] = {
    ENGLISH: (
        Chain(
            "english",
            letters=("vitrine_possessive", "vitrine_apostrophes", "lowercase", "asciifolding"),
            stop="english",
            stem=("vitrine_stem_english",),
        ),
    ),
    CHINESE: (
        Chain(
            "smartcn",
            tokenizer="smartcn_tokenizer",
            signs=("vitrine_no_signs",),
            stem=("vitrine_stem_english",),
        ),
        _CJK,
    ),
    ANY: (Chain("any", letters=("vitrine_apostrophes", "lowercase", "asciifolding")),),
    "ar": (_other("arabic", "lowercase", "decimal_digit", normal=("arabic_normalization",)),),
    "bg": (_other("bulgarian"),),
    "bn": (_other("bengali", *_INDIC, "bengali_normalization"),),
    "ca": (_latin("catalan", "catalan", elision="vitrine_elision_ca"),),
    "ckb": (_other("sorani", "sorani_normalization", "lowercase", "decimal_digit"),),
    "cs": (_latin("czech", "czech"),),
    "da": (_latin("danish", "danish", compounds=True),),
    "de": (_latin("german", "light_german", "german_normalization", compounds=True),),
    "el": (_other("greek", "vitrine_lower_greek", fold=True),),
    "es": (_latin("spanish", "light_spanish"),),
    "et": (_latin("estonian", "estonian", compounds=True),),
    "eu": (_latin("basque", "basque"),),
    "fa": (
        Chain(
            "persian",
            signs=("vitrine_persian_spaces",),
            letters=("lowercase", "decimal_digit", "arabic_normalization", "persian_normalization"),
            stop="persian",
            stem=("persian_stem",),
        ),
    ),
    "fi": (_latin("finnish", "finnish", compounds=True),),
    "fr": (_latin("french", "light_french", elision="vitrine_elision_fr"),),
    "ga": (
        Chain(
            "irish",
            letters=("vitrine_elision_ga", "vitrine_lower_irish", "vitrine_apostrophes"),
            stop="irish",
            stem=("vitrine_stem_irish",),
            fold=True,
        ),
    ),
    "gl": (_latin("galician", "galician"),),
    "hi": (_other("hindi", *_INDIC, "hindi_normalization"),),
    "hu": (_latin("hungarian", "hungarian", compounds=True),),
    "hy": (_other("armenian"),),
    "id": (_latin("indonesian", "indonesian"),),
    "it": (_latin("italian", "light_italian", elision="vitrine_elision_it"),),
    "ja": (
        Chain(
            "kuromoji",
            tokenizer="kuromoji_tokenizer",
            letters=("kuromoji_baseform", "kuromoji_part_of_speech", *_CJK_STEPS),
            stem=("kuromoji_stemmer",),
            joins=False,
        ),
        _CJK,
    ),
    "ko": (
        Chain(
            "nori",
            tokenizer="nori_tokenizer",
            letters=("nori_part_of_speech", "nori_readingform", *_CJK_STEPS),
            joins=False,
        ),
        _CJK,
    ),
    "lt": (_latin("lithuanian", "lithuanian"),),
    "lv": (_latin("latvian", "latvian"),),
    "nl": (_latin("dutch", "dutch", compounds=True),),
    "no": (_latin("norwegian", "norwegian", compounds=True),),
    "pl": (
        Chain("stempel", letters=("lowercase", "polish_stop"), stem=("polish_stem",), fold=True),
    ),
    "pt": (_latin("portuguese", "light_portuguese"),),
    "pt-br": (_latin("brazilian", "brazilian"),),
    "ro": (_latin("romanian", "romanian"),),
    "ru": (_other("russian"),),
    "sv": (_latin("swedish", "swedish", compounds=True),),
    "th": (
        Chain(
            "thai", tokenizer="thai", letters=("lowercase", "decimal_digit"), stop="thai", joins=False,
        ),
    ),
    "sr": (_other("serbian", "lowercase", "serbian_normalization", stop=False, fold=True),),
    "tr": (
        Chain(
            "turkish",
            letters=("apostrophe", "vitrine_lower_turkish"),
            stop="turkish",
            stem=("vitrine_stem_turkish",),
            fold=True,
        ),
    ),
}  # fmt: skip

_ALIASES = {"nb": "no", "nn": "no", "br": "pt-br"}


def chain_of(language: str, name: str) -> Chain | None:
    """Return the chain of a language by name; None for one that this release does not have."""
    return next((chain for chain in LANGUAGES.get(language, ()) if chain.name == name), None)


def known_language(code: str) -> str | None:
    """Return the key of `LANGUAGES` for a language code with or without region; None where it has no chain."""
    code = code.lower().replace("_", "-")
    code = _ALIASES.get(code, code)
    base = code.partition("-")[0]
    base = _ALIASES.get(base, base)
    return next((known for known in (code, base) if known in LANGUAGES and known != ANY), None)


def field_language(code: str, languages: Collection[str]) -> str:
    """Return the language under `search` that takes a product's words, of those that the index has."""
    known = known_language(code)
    if known in languages:
        return str(known)
    base = code.lower()[:2]
    return next((name for name in languages if name.partition("-")[0] == base), ANY)
