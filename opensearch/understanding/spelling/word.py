"""Spelling correction of query words by the catalogue's own words: a noisy channel (Kernighan, Church, Gale 1990).

A typed word has three explanations, and the most probable one wins:

- a word of the products, as it stands: P(word);
- a word that no product has: `UNKNOWN` times its probability in the catalogue's language, and that of its letters by
  trigrams of the catalogue's words, half each;
- an error in a word of the products: `MISTYPED` times P(error | word) times P(word).

So a plausible unknown word stays, the more so if it is short, and a word that products have is only changed where it is
far rarer than its correction. P(word) is its share in the products, and in the titles that hold the query's other words.

The words near a typed one are found by symmetric deletion, as symspellpy does. symspellpy itself builds its dictionary in
memory in every process: 0.2 s for 11,000 words, and about 8 s and 1 GB for 500,000, which each `vitrine search` would
pay. `tables.NearTable` is the same index as sorted arrays, mapped from the artifact. The engine's suggesters cost a
request before each search, know only stems, and cannot weigh the other words of the query.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, log

from rapidfuzz.distance import OSA

from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.vocabulary.tables import max_errors
from opensearch.understanding.words import fold, spelled_out

from .typos import MISTYPED, edit_log_probability, largest_error

UNKNOWN = 0.05  # words of a query that are none of the catalogue, at least
NAME = 0.5  # of those, words that the language does not have either, such as names
NEW_FORM = log(
    0.05
)  # forms of a stem that no product has, such as the plural of a word that stands in the singular
ODD_FORM = log(0.0005)  # forms that the language does not have either; many errors leave the stem as it was
MIN_LENGTH = 4  # a shorter word has too many neighbours to tell an error from a name, where it stands alone
# How much more probable a correction must be than a word of the products or of the language, which finds something or was
# meant. Any other word finds nothing, so the most probable explanation is enough. Of common English words that a catalogue
# lacks, one in a hundred is then changed, and 98 of 100 generated errors are corrected (in three catalogues).
MARGIN = log(3)
_NEVER = 1e-30


def correct_word(word: str, vocabulary: Vocabulary, context: Sequence[int] = ()) -> str | None:
    """Return the catalogue's word that was meant by a typed one; None where the typed word stands.

    `context` holds the ids of the query's other words.
    """
    folded = fold(word)
    if len(folded) < MIN_LENGTH - (1 if context else 0):
        return None
    id = vocabulary.id_of(folded)
    if id is None and (other := _with_umlauts(word, vocabulary)) is not None:
        return vocabulary.words.text(other)
    required = log_probability_as_typed(folded, vocabulary, context)
    if id is not None or vocabulary.language_probability(folded):
        required += MARGIN
    most_probable = log(vocabulary.largest_probability)
    for errors in range(1, max_errors(folded) + 1):
        if most_probable + errors * (MISTYPED + largest_error(folded)) <= required:
            return None  # no word is frequent enough, so none is looked up
        correction = _best_of(
            vocabulary.near.near(folded, errors), folded, vocabulary, context, required, errors
        )
        if correction:
            return correction
    return None


def _best_of(
    ids: Iterable[int],
    folded: str,
    vocabulary: Vocabulary,
    context: Sequence[int],
    required: float,
    errors: int,
) -> str | None:
    """Return the word of these ids that explains a typed word best, where it is more probable than required."""
    correction = None
    for id in ids:
        text = vocabulary.words.text(id)
        meant = fold(text)
        if meant == folded or OSA.distance(meant, folded, score_cutoff=errors) > errors:
            continue
        error = edit_log_probability(meant, folded, errors)
        if error is None:
            continue
        probability = MISTYPED + error + log(in_context(id, vocabulary, context))
        if probability > required:
            required, correction = probability, text
    return correction


def _with_umlauts(word: str, vocabulary: Vocabulary) -> int | None:
    """Return the id of `Mueller` for `Müller` and of `Müller` for `Mueller`, whichever products have."""
    id = vocabulary.spelled_out_id(fold(word))
    return vocabulary.id_of(spelled_out(word)) if id is None and not word.isascii() else id


def log_probability_as_typed(folded: str, vocabulary: Vocabulary, context: Sequence[int] = ()) -> float:
    """Return the log probability that a word is meant as it was typed."""
    id, of_stem = vocabulary.id_of(folded), vocabulary.stem_probability(folded)
    if id is not None:
        return log(max(in_context(id, vocabulary, context), of_stem))
    if of_stem:
        common = vocabulary.language_probability(folded) or not vocabulary.has_language
        return log(of_stem) + (NEW_FORM if common else ODD_FORM)
    by_letters = exp(vocabulary.letters.log_probability(folded))
    of_language = vocabulary.language_probability(folded)
    return log(max(UNKNOWN, vocabulary.unseen)) + log(
        max(NAME * by_letters + (1 - NAME) * of_language, _NEVER)
    )


def in_context(id: int, vocabulary: Vocabulary, context: Sequence[int]) -> float:
    """Return P(word) given the query's other words: half its own share, half its share in titles with each of them."""
    alone, others = vocabulary.probability(id), [other for other in context if other != id]
    if not others:
        return alone
    beside = sum(vocabulary.together(id, other) for other in others) / len(others)
    return (alone + beside) / 2
