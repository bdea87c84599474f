"""What a Chinese catalogue adds to its vocabulary: its words by their pinyin, and its signs by those of the other script.

The words are the runs of two to five signs in titles, so that no dictionary decides what is a word of the shop. pypinyin
(MIT) and OpenCC (Apache-2.0) are needed by `vitrine index` alone; what they say is stored.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrine.notation.cjk import HAN

from .tables import TextTable

_log = logging.getLogger(__name__)

MIN_SIGNS, MAX_SIGNS = 2, 5
MAX_WORDS = 50_000  # that are found by their pinyin, the most frequent ones
_MIN_PRODUCTS = 2  # that hold a word; a run of signs in one title may be any cut of it
_PRUNE_AT = 2_000_000  # runs that are counted at a time
_MIN_SHARE = 0.01  # of the titles that hold Chinese signs, for the catalogue to be Chinese
_RUN = re.compile(f"[{HAN}]+")
_SIGNS = range(0x4E00, 0xA000)


@dataclass
class SignCounts:
    """Counts over the titles that hold Chinese signs."""

    titles: int = 0
    signs: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)  # of `MIN_SIGNS` to `MAX_SIGNS` signs, once a title

    def add(self, title: str) -> None:
        """Count one title."""
        found = _RUN.findall(title)
        if not found:
            return
        self.titles += 1
        self.signs.update(set("".join(found)))
        self.runs.update(
            {
                run[start : start + size]
                for run in found
                for size in range(MIN_SIGNS, MAX_SIGNS + 1)
                for start in range(len(run) - size + 1)
            }
        )
        if len(self.runs) > _PRUNE_AT:
            self.runs = Counter({run: count for run, count in self.runs.items() if count > 1})


def is_chinese(counts: SignCounts, documents: int) -> bool:
    """Return whether enough titles hold Chinese signs."""
    return counts.titles > 0 and counts.titles >= _MIN_SHARE * documents


def pinyin_table(counts: SignCounts) -> dict[str, NDArray[Any]]:
    """Return the arrays of the words under their pinyin without tones, with their counts."""
    frequent = [(run, count) for run, count in counts.runs.items() if count >= _MIN_PRODUCTS]
    frequent.sort(key=lambda item: (-item[1], item[0]))
    spelled: dict[str, tuple[str, int]] = {}
    for run, count in frequent[:MAX_WORDS] if frequent and _installed("pypinyin") else ():
        spelled.setdefault(_pinyin(run), (run, count))  # of words that sound alike the most frequent one
    table, order = TextTable.of(list(spelled), [run for run, _ in spelled.values()])
    products = np.array([count for _, count in spelled.values()], dtype=np.uint32)
    return {**table.arrays("pinyin"), "pinyin.counts": products[order]}


def script_map(counts: SignCounts) -> Mapping[str, str]:
    """Return the catalogue's sign for each sign of the other script; none for a catalogue in both, or in neither.

    A simplified sign that stands for several traditional ones is mapped to the one that most titles hold.
    """
    if not counts.signs or not _installed("opencc"):
        return {}
    from opencc import OpenCC

    text = "".join(map(chr, _SIGNS))
    simplified = dict(zip(text, OpenCC("t2s").convert(text), strict=True))
    traditional = {sign for sign, simple in simplified.items() if sign != simple}
    in_traditional = sum(count for sign, count in counts.signs.items() if sign in traditional)
    in_simplified = sum(count for sign, count in counts.signs.items() if sign in _only_simplified(simplified))
    if in_traditional <= in_simplified:
        return {
            sign: simplified[sign]
            for sign in sorted(traditional)
            if sign not in counts.signs and simplified[sign] in counts.signs
        }
    found: dict[str, str] = {}
    for sign, _ in counts.signs.most_common():
        if sign in traditional and simplified[sign] not in counts.signs:
            found.setdefault(simplified[sign], sign)
    return found


def _only_simplified(simplified: Mapping[str, str]) -> set[str]:
    return {simple for sign, simple in simplified.items() if sign != simple}


def _pinyin(run: str) -> str:
    from pypinyin import lazy_pinyin

    return "".join(lazy_pinyin(run)).replace("ü", "v")


def _installed(library: str) -> bool:
    from importlib.util import find_spec

    if find_spec(library) is None:
        _log.warning("%s is not installed: install vitrine-search[index]", library)
        return False
    return True
