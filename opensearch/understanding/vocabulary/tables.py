"""Tables of text in arrays: looked up by hash, memory-mapped when opened, so that opening takes no time. Pure."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
_LONG = 7  # from this many letters on a word may have two errors
_LOW, _HIGH, _SHIFT = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 20  # of the hash of a pair: odd multipliers
_PREFIX = 8  # letters of a long word whose pairs of deletions are indexed


def text_hash(text: str) -> int:
    """Return 64 bits of a text, the same on every machine."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def hashes_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return the hashes (n,) of texts."""
    return np.fromiter(map(text_hash, texts), dtype=np.uint64, count=len(texts))


@dataclass(frozen=True)
class TextTable:
    """Texts by id in the order of their keys' hashes. A key may have several texts; equal hashes count as equal keys."""

    hashes: NDArray[np.uint64]  # (n,) of the keys, ascending
    ends: NDArray[np.uint32]  # (n,) in `bytes`
    bytes: NDArray[np.uint8]

    @classmethod
    def of(cls, keys: Sequence[str], texts: Sequence[str]) -> tuple[TextTable, NDArray[np.int64]]:
        """Return the table of texts under their keys, and the order (n,) in which it holds them."""
        hashes = hashes_of(keys)
        order = np.argsort(hashes, kind="stable")
        encoded = [texts[i].encode("utf-8", "surrogatepass") for i in order]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.uint32)
        table = cls(hashes[order], ends, np.frombuffer(b"".join(encoded), dtype=np.uint8))
        return table, order

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, keys: Sequence[str]) -> list[range]:
        """Return the ids of each key's texts."""
        wanted = hashes_of(keys)
        first = self.hashes.searchsorted(wanted, "left").tolist()
        last = self.hashes.searchsorted(wanted, "right").tolist()
        return [range(a, b) for a, b in zip(first, last, strict=True)]

    def text(self, id: int) -> str:
        """Return the text of an id."""
        start = int(self.ends[id - 1]) if id else 0
        return self.bytes[start : int(self.ends[id])].tobytes().decode("utf-8", "surrogatepass")

    def arrays(self, name: str) -> Arrays:
        """Return the arrays to save, by file name."""
        return {f"{name}.hashes": self.hashes, f"{name}.ends": self.ends, f"{name}.bytes": self.bytes}

    @classmethod
    def from_arrays(cls, name: str, arrays: Arrays) -> TextTable:
        """Return the table of saved arrays. Raises KeyError or ValueError for arrays that are none."""
        table = cls(arrays[f"{name}.hashes"], arrays[f"{name}.ends"], arrays[f"{name}.bytes"])
        size = int(table.ends[-1]) if len(table.ends) else 0
        if len(table.ends) != len(table) or len(table.bytes) != size:
            raise ValueError(f"the table {name} is incomplete")
        return table


@dataclass(frozen=True)
class NearTable:
    """Words by what is left of them when letters are deleted: the symmetric delete algorithm (Garbe 2012, SymSpell).

    Two words that differ by one error have a deletion of one letter in common; of long words the pairs of deletions
    in the first letters are indexed too, so that most words with two errors are found.
    """

    hashes: NDArray[np.uint32]  # (m,) of the deletions, ascending
    ids: NDArray[np.uint32]  # (m,) of the words

    @classmethod
    def of(cls, words: Iterable[tuple[int, str]]) -> NearTable:
        """Return the table of words with their ids."""
        keys, ids = array("I"), array("I")
        for id, word in words:
            own = [*_deletions(word), *_pairs_of_deletions(word)]
            keys.extend(own)
            ids.extend([id] * len(own))
        hashes = np.frombuffer(keys, dtype=np.uint32)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], np.frombuffer(ids, dtype=np.uint32)[order])

    def near(self, word: str, errors: int) -> list[int]:
        """Return the ids of all words with one error, or of most that have two and are long; among some others."""
        keys = np.array(_deletions(word) if errors == 1 else _pairs_of_deletions(word), dtype=np.uint32)
        first = self.hashes.searchsorted(keys, "left").tolist()
        last = self.hashes.searchsorted(keys, "right").tolist()
        ids: set[int] = set()
        for a, b in zip(first, last, strict=True):
            ids.update(self.ids[a:b].tolist())
        return sorted(ids)


def max_errors(word: str) -> int:
    """Return how many errors a word of this length may have."""
    return 1 if len(word) < _LONG else 2


def _deletions(word: str) -> list[int]:
    """Return the hashes of the word and of each deletion of one letter."""
    return _hashed({word, *(word[:i] + word[i + 1 :] for i in range(len(word)))})


def _pairs_of_deletions(word: str) -> list[int]:
    """Return the hashes of the first letters of a long word, without one or two of them; none for a short word."""
    if len(word) < _LONG - 1:
        return []
    start = word[:_PREFIX]
    single = {start[:i] + start[i + 1 :] for i in range(len(start))}
    double = {part[:i] + part[i + 1 :] for part in single for i in range(len(part))}
    return _hashed({f"2{part}" for part in (start, *single, *double)})


def _hashed(parts: Iterable[str]) -> list[int]:
    return [zlib.crc32(part.encode("utf-8", "surrogatepass")) for part in sorted(parts)]


@dataclass(frozen=True)
class PairTable:
    """How many titles hold two words, counted by the hash of the pair: pairs that share a slot are counted together."""

    counts: NDArray[np.uint16]  # (slots,) a power of two; a count that does not fit is the largest

    @classmethod
    def of(cls, ids: NDArray[np.uint64], sizes: NDArray[np.uint8], slots: int) -> PairTable:
        """Return the counts of every pair within titles, given one after the other as word ids with their sizes."""
        title = np.repeat(np.arange(len(sizes), dtype=np.uint32), sizes)
        counts = np.zeros(slots, dtype=np.uint32)
        for distance in range(1, int(sizes.max(initial=1))):
            same = title[:-distance] == title[distance:]
            first, second = ids[:-distance][same], ids[distance:][same]
            mixed = np.minimum(first, second) * np.uint64(_LOW) + np.maximum(first, second) * np.uint64(_HIGH)
            slot = (mixed >> np.uint64(_SHIFT)) & np.uint64(slots - 1)
            counts += np.bincount(slot.astype(np.int64), minlength=slots).astype(np.uint32)
        return cls(np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16))

    def count(self, a: int, b: int) -> int:
        """Return the count of a pair of word ids in either order."""
        mixed = (min(a, b) * _LOW + max(a, b) * _HIGH) & 0xFFFFFFFFFFFFFFFF
        return int(self.counts[(mixed >> _SHIFT) & (len(self.counts) - 1)])
