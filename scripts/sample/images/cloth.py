"""The patterns of products."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from .canvas import CANVAS_PX, RGB, Point, Pose, oval

Polygon = Callable[[list[Point], RGB], None]


def lighter(rgb: RGB, share: float) -> RGB:
    """Towards white by `share`, towards black where it is negative."""
    goal = 255 if share > 0 else 0
    r, g, b = (round(c + (goal - c) * abs(share)) for c in rgb)
    return r, g, b


def luminance(rgb: RGB) -> float:
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def weave(pattern: str, background: RGB, accent: RGB, pose: Pose, rng: random.Random) -> Image.Image:
    """A canvas full of `pattern`, turned and scaled with the object's `pose`.

    Raises KeyError for an unknown pattern.
    """
    image = Image.new("RGB", (CANVAS_PX, CANVAS_PX), background)
    pen = ImageDraw.Draw(image, "RGBA")

    def polygon(points: list[Point], rgb: RGB) -> None:
        pen.polygon(pose.pixels(points), fill=rgb)

    _WEAVES[pattern](polygon, background, accent, rng)
    return image


def _plain(polygon: Polygon, background: RGB, accent: RGB, rng: random.Random) -> None:
    """Leave the background plain."""


def _striped(polygon: Polygon, background: RGB, accent: RGB, rng: random.Random) -> None:
    gap, upright = rng.uniform(7.5, 11), rng.random() < 0.35
    width = gap * rng.uniform(0.32, 0.45)
    start = -20 + rng.uniform(0, gap)
    for i in range(int(140 / gap)):
        near, far = start + i * gap, start + i * gap + width
        band = [(near, -20.0), (far, -20.0), (far, 120.0), (near, 120.0)]
        polygon(band if upright else [(y, x) for x, y in band], accent)


def _dotted(polygon: Polygon, background: RGB, accent: RGB, rng: random.Random) -> None:
    gap = rng.uniform(8.5, 12)
    radius = gap * rng.uniform(0.22, 0.29)
    x0, y0 = rng.uniform(0, gap), rng.uniform(0, gap)
    rows = int(130 / (gap * 0.7))
    for row in range(rows):
        for column in range(int(130 / gap)):
            x = -15 + x0 + (column + 0.5 * (row % 2)) * gap
            polygon(oval(x, -15 + y0 + row * gap * 0.7, radius, radius, 14), accent)


def _checked(polygon: Polygon, background: RGB, accent: RGB, rng: random.Random) -> None:
    gap = rng.uniform(10, 14)
    between: RGB = tuple((g + a) // 2 for g, a in zip(background, accent, strict=True))  # type: ignore[assignment]
    start = -20 + rng.uniform(0, gap)
    places = [start + i * gap for i in range(int(140 / gap))]
    for at in places:
        polygon([(at, -20), (at + gap / 2, -20), (at + gap / 2, 120), (at, 120)], between)
        polygon([(-20, at), (120, at), (120, at + gap / 2), (-20, at + gap / 2)], between)
    for x in places:
        for y in places:
            polygon([(x, y), (x + gap / 2, y), (x + gap / 2, y + gap / 2), (x, y + gap / 2)], accent)


def _floral(polygon: Polygon, background: RGB, accent: RGB, rng: random.Random) -> None:
    gap = rng.uniform(14, 18)
    leaf: RGB = (74, 128, 82) if abs(background[1] - 128) > 40 or background[0] > 140 else (150, 190, 140)
    heart: RGB = (236, 186, 62) if luminance(accent) > 140 else (250, 226, 150)
    for row in range(int(135 / (gap * 0.8))):
        for column in range(int(135 / gap) + 1):
            x = -18 + (column + 0.5 * (row % 2)) * gap + rng.uniform(-1.6, 1.6)
            y = -18 + row * gap * 0.8 + rng.uniform(-1.6, 1.6)
            _flower(polygon, (x, y, gap * rng.uniform(0.2, 0.28)), (accent, heart, leaf), rng)


def _flower(
    polygon: Polygon, place: tuple[float, float, float], paints: tuple[RGB, RGB, RGB], rng: random.Random
) -> None:
    x, y, size = place
    turn, petals = rng.uniform(0, 2 * math.pi), 5
    for side in (-1, 1):
        at = turn + side * 0.9
        tip = (x + 2.0 * size * math.cos(at), y + 2.0 * size * math.sin(at))
        low = (x + 1.2 * size * math.cos(at - 0.35), y + 1.2 * size * math.sin(at - 0.35))
        high = (x + 1.2 * size * math.cos(at + 0.35), y + 1.2 * size * math.sin(at + 0.35))
        polygon([(x, y), low, tip, high], paints[2])
    for i in range(petals):
        at = turn + 2 * math.pi * i / petals
        polygon(
            oval(
                x + size * 0.72 * math.cos(at), y + size * 0.72 * math.sin(at), size * 0.56, size * 0.56, 10
            ),
            paints[0],
        )
    polygon(oval(x, y, size * 0.42, size * 0.42, 10), paints[1])


def _zigzag(polygon: Polygon, background: RGB, accent: RGB, rng: random.Random) -> None:
    gap, tooth = rng.uniform(9, 12), rng.uniform(8, 10)
    width, height = gap * 0.45, tooth * 0.75
    start = -20 + rng.uniform(0, gap)
    for i in range(int(145 / gap)):
        y = start + i * gap
        ridge = [(-20 + k * tooth, y + (height if k % 2 else 0)) for k in range(int(140 / tooth) + 2)]
        polygon(ridge + [(px, py + width) for px, py in reversed(ridge)], accent)


def _starry(polygon: Polygon, background: RGB, accent: RGB, rng: random.Random) -> None:
    gap = rng.uniform(11, 14)
    for row in range(int(135 / (gap * 0.8))):
        for column in range(int(135 / gap) + 1):
            x = -18 + (column + 0.5 * (row % 2)) * gap
            y = -18 + row * gap * 0.8
            size, turn = gap * rng.uniform(0.26, 0.34), rng.uniform(0, 2 * math.pi)
            spikes = []
            for k in range(10):
                reach = size if k % 2 == 0 else size * 0.42
                spikes.append(
                    (
                        x + reach * math.cos(turn + math.pi * k / 5),
                        y + reach * math.sin(turn + math.pi * k / 5),
                    )
                )
            polygon(spikes, accent)


_WEAVES: dict[str, Callable[[Polygon, RGB, RGB, random.Random], None]] = {
    "plain": _plain,
    "striped": _striped,
    "dotted": _dotted,
    "checked": _checked,
    "floral": _floral,
    "zigzag": _zigzag,
    "starry": _starry,
}
