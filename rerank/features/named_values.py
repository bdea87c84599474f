"""Which values of keyword columns a query names: `red` and `dress` of "red dresses" where columns hold Red and Dress."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from opensearch.understanding.words import fold, stemmer
from rerank.arrays import CodeArray, HashArray, find_hashes, hash_text
from vitrine.notation.cjk import CJK

MAX_VALUES = 4  # of one column of a product; the others are not compared with queries
_MAX_RUN = 6  # words of a query that may name one value
_MAX_WORDS = 24  # of a query
_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
_CODE_BITS = np.uint64(32)


@dataclass(frozen=True)
class ValueTable:
    """The values of each keyword column of an index; `keys` hold a column and the code of one of its values.

    A query is compared word by word with stems of the catalogue's language; a Chinese sign counts as a word.
    """

    keys: HashArray  # (V,) sorted
    language: str

    def named_by(self, query: str) -> HashArray:
        """Return the keys of the values that a query names, sorted."""
        columns = np.unique(self.keys >> _CODE_BITS)
        codes = np.array(sorted(_codes_of_runs(query, self.language)), dtype=np.uint64)
        asked = ((columns[:, None] << _CODE_BITS) | codes).ravel()
        return np.asarray(asked[find_hashes(self.keys, asked)[1]])


def value_codes(values: Sequence[str], language: str) -> list[int]:
    """Return `MAX_VALUES` codes of a product's values in one column, 0 where it has fewer."""
    codes = [_value_code(value, language) for value in values if _WORD.search(value)][:MAX_VALUES]
    return codes + [0] * (MAX_VALUES - len(codes))


def value_keys(codes: CodeArray) -> HashArray:
    """Return one key for each code (n, columns, values) that tells the columns apart, of the same shape."""
    columns = np.arange(codes.shape[1], dtype=np.uint64)[:, None] << _CODE_BITS
    return np.asarray(codes.astype(np.uint64) | columns)


def agreement(codes: CodeArray, named: HashArray) -> npt.NDArray[np.bool_]:
    """Return (n, columns, 2): whether a product carries a value that the query names, and whether it carries others only.

    `codes` are (n, columns, values), `named` the keys of `ValueTable.named_by`. A column of which the query names no value,
    or the product has none, is twice False.
    """
    carries = np.zeros(codes.shape[:2], dtype=np.bool_)
    named_columns = np.zeros(codes.shape[1], dtype=np.bool_)
    for key in named.tolist():
        column, code = key >> 32, key & 0xFFFFFFFF
        carries[:, column] |= (codes[:, column] == code).any(axis=1)
        named_columns[column] = True
    return np.stack([carries, named_columns & codes.any(axis=2) & ~carries], axis=2)


@lru_cache(maxsize=100_000)
def _value_code(value: str, language: str) -> int:
    return _code(_stems(value, language))


def _codes_of_runs(query: str, language: str) -> set[int]:
    stems = _stems(query, language)[:_MAX_WORDS]
    return {
        _code(stems[start:end])
        for start in range(len(stems))
        for end in range(start + 1, min(start + _MAX_RUN, len(stems)) + 1)
    }


def _stems(text: str, language: str) -> list[str]:
    stem = stemmer(language)
    return [stem(fold(word)) for word in _WORD.findall(text)]


def _code(stems: Sequence[str]) -> int:
    return (hash_text(" ".join(stems)) & 0xFFFFFFFF) or 1
