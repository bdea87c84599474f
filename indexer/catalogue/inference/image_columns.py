"""The image columns of a plan, chosen among those that hold images."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .columns import ColumnStatistics

_MIN_PIXELS = 224  # the smallest input side of the supported image encoders
_PLAIN_NAME = re.compile(
    r"(product|main|primary)?[_. ]?(images?|pictures?|photos?|img|bild(er)?|fotos?|imagen(es)?)"
    r"([_. ]?(urls?|links?|paths?|src))?"
)
_FURTHER_VIEWS = re.compile(r"additional|gallery|further|more_|weitere|autres|galer|^media$")
_SIZES = {"medium": 2, "large": 2.2, "high": 2.5, "full": 2.6, "small": 4, "low": 4, "thumb": 5}
_UNSTATED_SIZE = 2.1


def best_images(columns: Sequence[ColumnStatistics]) -> tuple[str, ...]:
    """Return all views of a product (image_1, image_2, ...), but of one image in several sizes the best size."""
    if not columns:
        return ()
    best = min(columns, key=_order)
    stem = re.sub(r"\d{1,2}$", "", best.name)
    views = [column.name for column in columns if re.fullmatch(re.escape(stem) + r"\d{0,2}", column.name)]
    further = [
        column.name
        for column in columns
        if _FURTHER_VIEWS.search(column.name.lower()) and not _is_part_of_another(column, columns)
    ]
    chosen = views if stem != best.name or len(views) > 1 else [best.name]
    return tuple(dict.fromkeys([*chosen, *further]))


def _is_part_of_another(column: ColumnStatistics, columns: Sequence[ColumnStatistics]) -> bool:
    """Return whether the column is a key of picture objects whose addresses another column has."""
    return any(column.name.startswith(f"{other.name}.") for other in columns)


def _order(column: ColumnStatistics) -> tuple[float, float]:
    """Sort plain image columns first, then the smallest size that is large enough, then by words for sizes."""
    name = column.name.lower()
    if _PLAIN_NAME.fullmatch(name):
        return 0, 0
    sizes = [int(size) for size in re.findall(r"\d{2,4}", name)]
    if sizes:
        return (1, max(sizes)) if max(sizes) >= _MIN_PIXELS else (4, -max(sizes))
    return next((rank for word, rank in _SIZES.items() if word in name), _UNSTATED_SIZE), 0
