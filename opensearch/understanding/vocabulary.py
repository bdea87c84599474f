"""The vocabulary of an index: its words with their document frequencies, stored as an artifact."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opensearch.index.scan import scan
from vitrine.errors import ArtifactError
from vitrine.store import Store, content_name

from .spelling import SpellingCorrector
from .words import words_of

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

KIND = "vocabularies"
_VERSION = 1
_FILE, _FACTS = "words.tsv.gz", "vocabulary.json"


@dataclass(frozen=True)
class Vocabulary:
    """The words of `documents` products, each with the number of products that hold it; words in lower case."""

    frequencies: Mapping[str, int]
    documents: int

    @cached_property
    def corrector(self) -> SpellingCorrector:
        """The corrector of misspelled words, made when the first query needs it."""
        return SpellingCorrector(self.frequencies, self.documents)

    def save(self, directory: Path) -> None:
        """Write the vocabulary as files of an artifact; equal vocabularies give equal bytes."""
        lines = "".join(f"{word}\t{count}\n" for word, count in sorted(self.frequencies.items()))
        (directory / _FILE).write_bytes(gzip.compress(lines.encode(), mtime=0))
        facts = {"version": _VERSION, "documents": self.documents, "words": len(self.frequencies)}
        (directory / _FACTS).write_text(json.dumps(facts) + "\n")

    @classmethod
    def open(cls, directory: Path) -> Vocabulary:
        """Read a saved vocabulary. Raises ArtifactError."""
        try:
            facts = json.loads((directory / _FACTS).read_text())
            if facts["version"] != _VERSION:
                raise ArtifactError(
                    f"{directory} holds a vocabulary of version {facts['version']}, this release reads {_VERSION}: "
                    "index the catalogue again"
                )
            lines = gzip.decompress((directory / _FILE).read_bytes()).decode().splitlines()
            pairs = (line.split("\t") for line in lines)
            return cls({word: int(count) for word, count in pairs}, int(facts["documents"]))
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(
                f"{directory} holds no vocabulary ({error}): index the catalogue again"
            ) from None


def count_words(texts: Iterable[str]) -> Vocabulary:
    """Return the vocabulary of these texts, one text a product."""
    frequencies: Counter[str] = Counter()
    documents = 0
    for text in texts:
        documents += 1
        frequencies.update(set(words_of(text)))
    return Vocabulary(dict(frequencies), documents)


def build_vocabulary(client: OpenSearch, index: str, store: Store) -> str:
    """Store the vocabulary of an index, read as it stands now, and return the artifact's name."""
    hits = scan(client, index, includes=["search"], page=1_000)
    vocabulary = count_words(" ".join((source.get("search") or {}).values()) for _, source in hits)
    with tempfile.TemporaryDirectory(prefix="vitrine-vocabulary-") as folder:
        directory = Path(folder)
        vocabulary.save(directory)
        name = content_name("vocabulary", directory)
        store.put(KIND, name, directory)
    return name


def open_vocabulary(store: Store, name: str) -> Vocabulary:
    """Open a stored vocabulary. Raises VitrineError when the store lacks it."""
    return Vocabulary.open(store.get(KIND, name))
