"""A split of the fashion products whose classes are distributed otherwise than those that a tower was trained on.

Half of it are products of a rare kind: their gender and article type occur together fewer than 30 times among the photos.
Every second one, by a hash of the id, is kept from training: 331, of which 44 are children's, as 1 in 100 of the others is.
The other half are products of the held-out fifth, drawn evenly over the article types instead of by their frequency.
Queries are all combinations of colour, article type and gender in the split; a product of the article type has one point,
one more for the colour and one more for the gender, as in the public attribute queries.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

RARE = 30  # photos of a gender and article type

Row = dict[str, str]


def is_kept_back(rows: Sequence[Row]) -> Callable[[Row], bool]:
    """Return the test for the rare products that are kept from training; `rows` are all products with a photo."""
    counts = Counter((row["gender"], row["articleType"]) for row in rows)

    def kept_back(row: Row) -> bool:
        rare = counts[row["gender"], row["articleType"]] < RARE
        return rare and int(hashlib.sha256(f"shifted:{row['id']}".encode()).hexdigest(), 16) % 2 == 0

    return kept_back


def shifted_split(rows: Sequence[Row], is_held_out: Callable[[str], bool]) -> list[Row]:
    """Return the products of the split: the rare ones kept back, and as many of the held-out ones."""
    kept_back = is_kept_back(rows)
    rare = [row for row in rows if kept_back(row)]
    by_type: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if is_held_out(row["id"]) and not kept_back(row):
            by_type[row["articleType"]].append(row)
    drawn = random.Random(0)
    for each in by_type.values():
        drawn.shuffle(each)
    in_turn = chain.from_iterable(zip_longest(*(by_type[name] for name in sorted(by_type))))
    return rare + [row for row in in_turn if row is not None][: len(rare)]


def shifted_queries(rows: Sequence[Row]) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Return the queries of a split, and the grade of every product for each."""
    column = {name: np.array([row[name] for row in rows]) for name in ("articleType", "baseColour", "gender")}
    wanted = sorted(
        {
            (row["baseColour"], row["articleType"], row["gender"])
            for row in rows
            if row["gender"] != "Unisex" and row["baseColour"] not in ("", "NA")
        }
    )
    texts, grades = [], []
    for colour, article, gender in wanted:
        texts.append(f"{colour} {article} for {gender}".casefold())
        points = 1 + (column["baseColour"] == colour) + (column["gender"] == gender)
        grades.append(np.where(column["articleType"] == article, points, 0).astype(np.int64))
    return texts, grades
