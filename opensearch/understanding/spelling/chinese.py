"""Chinese queries in the catalogue's own signs: pinyin becomes words, the other script's signs its own. Pure."""

from __future__ import annotations

import re

from opensearch.analysis.codes import normalized_code
from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.words import fold
from vitrine.notation.cjk import CJK

# Letters that touch signs are a name or a model, as in 相机jinbei.
_LETTERS = re.compile(
    rf"(?<![{CJK}A-Za-z\d])[A-Za-zÜüǕ-ǜāáǎàēéěèīíǐìōóǒòūúǔù]+(?:['’ ][A-Za-zÜü]+)*(?![{CJK}A-Za-z\d])"
)
_MIN_LETTERS = 4  # two syllables; one has too many signs
_MAX_LETTERS = 40


def in_own_script(line: str, vocabulary: Vocabulary) -> str:
    """Return the line with each sign of the other script replaced by that of the catalogue."""
    script = vocabulary.script
    return line.translate(script) if script else line


def from_pinyin(line: str, vocabulary: Vocabulary) -> str:
    """Return the line with pinyin that spells words of the catalogue replaced by them; other Latin words stay."""
    if not len(vocabulary.pinyin):
        return line
    return _LETTERS.sub(lambda match: _words(match[0], vocabulary), line)


def _words(run: str, vocabulary: Vocabulary) -> str:
    """Return the words that a run of Latin words spells together, else those that single words spell."""
    words = re.split(r"['’ ]", run)
    if not any(_is_latin_word(word, vocabulary) for word in words):
        spelled = _spelled("".join(words), vocabulary)
        if spelled:
            return spelled
    return re.sub(r"[^'’ ]+", lambda match: _one(match[0], vocabulary), run)


def _one(word: str, vocabulary: Vocabulary) -> str:
    spelled = None if _is_latin_word(word, vocabulary) else _spelled(word, vocabulary)
    return spelled or word


def _is_latin_word(word: str, vocabulary: Vocabulary) -> bool:
    """Return whether products, as a word or a code, or the language have the word in Latin letters."""
    folded = fold(word)
    known = vocabulary.id_of(folded) is not None or vocabulary.language_probability(folded) > 0
    return known or vocabulary.is_code(normalized_code(word))


def _spelled(letters: str, vocabulary: Vocabulary) -> str | None:
    """Return the fewest words of the catalogue, of those the most frequent ones, whose pinyin is this; None without."""
    text = fold(letters.replace("ü", "v").replace("Ü", "v"))
    if not _MIN_LETTERS <= len(text) <= _MAX_LETTERS:
        return None
    best: dict[int, tuple[int, int, str]] = {0: (0, 0, "")}  # end -> words, minus products, signs
    for end in range(_MIN_LETTERS, len(text) + 1):
        starts = [start for start in best if end - start >= _MIN_LETTERS]
        found = vocabulary.pinyin.find([text[start:end] for start in starts])
        for start, ids in zip(starts, found, strict=True):
            if ids:
                parts, products, signs = best[start]
                count = int(vocabulary.saved["pinyin.counts"][ids[0]])
                way = (parts + 1, products - count, signs + vocabulary.pinyin.text(ids[0]))
                best[end] = min(best.get(end, way), way)
    return best[len(text)][2] if len(text) in best else None
