"""A canvas in units of 0 to 100 that turns and scales what is drawn, so that shapes are defined upright."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

OVERSAMPLE = 3
IMAGE_PX = 160
CANVAS_PX = IMAGE_PX * OVERSAMPLE

RGB = tuple[int, int, int]
RGBA = tuple[int, int, int, int]
Point = tuple[float, float]
Step = tuple[float, ...]  # (x, y) straight; (cx, cy, x, y) quadratic; (ax, ay, bx, by, x, y) cubic


def curve(path: Sequence[Step], pieces: int = 14) -> list[Point]:
    """The points of a path of straight, quadratic and cubic steps, with each curve cut into `pieces`."""
    points: list[Point] = []
    for step in path:
        if len(step) == 2:
            points.append((step[0], step[1]))
            continue
        (x0, y0), (x3, y3) = points[-1], step[-2:]
        if len(step) == 4:  # raised to the cubic that draws the same line
            x1, y1 = x0 + (step[0] - x0) * 2 / 3, y0 + (step[1] - y0) * 2 / 3
            x2, y2 = x3 + (step[0] - x3) * 2 / 3, y3 + (step[1] - y3) * 2 / 3
        else:
            x1, y1, x2, y2 = step[:4]
        for i in range(1, pieces + 1):
            t, u = i / pieces, 1 - i / pieces
            a, b, c, d = u**3, 3 * u * u * t, 3 * u * t * t, t**3
            points.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return points


def mirror(path: Sequence[Step], axis: float = 50) -> list[Point]:
    """A closed outline from its right half, written from the top of the axis to its bottom."""
    right = curve(path)
    return right + [(2 * axis - x, y) for x, y in reversed(right)]


def flip(path: Sequence[Step], axis: float = 50) -> list[Point]:
    return [(2 * axis - x, y) for x, y in curve(path)]


def oval(x: float, y: float, rx: float, ry: float, sides: int = 44) -> list[Point]:
    return [
        (x + rx * math.cos(2 * math.pi * i / sides), y + ry * math.sin(2 * math.pi * i / sides))
        for i in range(sides)
    ]


def box(left: float, top: float, right: float, bottom: float, radius: float = 0) -> list[Point]:
    """A rectangle, its corners rounded by `radius`."""
    r = min(radius, (right - left) / 2, (bottom - top) / 2)
    return curve(
        [
            (left + r, top),
            (right - r, top),
            (right, top, right, top + r),
            (right, bottom - r),
            (right, bottom, right - r, bottom),
            (left + r, bottom),
            (left, bottom, left, bottom - r),
            (left, top + r),
            (left, top, left + r, top),
        ],
        pieces=6,
    )


@dataclass(frozen=True)
class Pose:
    """The position of an object in its image: turned by `angle` radians, scaled, moved by `dx`, `dy` units."""

    angle: float = 0.0
    scale: float = 1.0
    dx: float = 0.0
    dy: float = 0.0

    def pixels(self, points: Sequence[Point]) -> list[Point]:
        unit = CANVAS_PX / 100
        cos, sin = math.cos(self.angle) * self.scale, math.sin(self.angle) * self.scale
        return [
            (
                ((x - 50) * cos - (y - 50) * sin + 50 + self.dx) * unit,
                ((x - 50) * sin + (y - 50) * cos + 50 + self.dy) * unit,
            )
            for x, y in points
        ]


class Canvas:
    """An object being drawn: its colours, the mask of where it is, and its pattern."""

    def __init__(self, cloth: Image.Image, pose: Pose) -> None:
        self.pose = pose
        self._cloth = cloth
        # A copy of the cloth, so that the edge blends with the pattern, not with grey, when the image is scaled down.
        self.image = cloth.copy()
        self.mask = Image.new("L", (CANVAS_PX, CANVAS_PX), 0)
        self._pen = ImageDraw.Draw(self.image, "RGBA")
        self._stencil = ImageDraw.Draw(self.mask)

    def cloth(self, path: Sequence[Step], edge: int = 60) -> None:
        """Cut the outline out of the cloth and draw its edge `edge` (0 to 255) dark."""
        pixels = self.pose.pixels(curve(path))
        part = Image.new("L", (CANVAS_PX, CANVAS_PX), 0)
        ImageDraw.Draw(part).polygon(pixels, fill=255)
        self.image.paste(self._cloth, mask=part)
        self._stencil.polygon(pixels, fill=255)
        if edge:
            self._pen.line([*pixels, pixels[0]], fill=(0, 0, 0, edge), width=3, joint="curve")

    def solid(self, path: Sequence[Step], rgb: RGB, edge: int = 50) -> None:
        pixels = self.pose.pixels(curve(path))
        self._pen.polygon(pixels, fill=rgb)
        self._stencil.polygon(pixels, fill=255)
        if edge:
            self._pen.line([*pixels, pixels[0]], fill=(0, 0, 0, edge), width=3, joint="curve")

    def tint(self, path: Sequence[Step], rgba: RGBA) -> None:
        """Blend a colour over the object; the mask stays."""
        self._pen.polygon(self.pose.pixels(curve(path)), fill=rgba)

    def line(self, path: Sequence[Step], rgba: RGBA, width: float = 0.6) -> None:
        """Draw on the object; `width` in units."""
        thick = max(1, round(width * self.pose.scale * CANVAS_PX / 100))
        self._pen.line(self.pose.pixels(curve(path)), fill=rgba, width=thick, joint="curve")

    def strap(self, path: Sequence[Step], rgb: RGB, width: float) -> None:
        """A line that is part of the object; `width` in units."""
        thick = max(1, round(width * self.pose.scale * CANVAS_PX / 100))
        pixels = self.pose.pixels(curve(path))
        self._pen.line(pixels, fill=(*(int(c * 0.7) for c in rgb), 255), width=thick + 4, joint="curve")
        self._pen.line(pixels, fill=(*rgb, 255), width=thick, joint="curve")
        self._stencil.line(pixels, fill=255, width=thick + 4, joint="curve")
