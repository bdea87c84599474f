"""The shapes of household goods, each drawn upright on a canvas of 0 to 100."""

from __future__ import annotations

import math
import random

from .canvas import Canvas, Step, box, curve, mirror, oval
from .cloth import lighter
from .clothes import DARK, FOLD, LIGHT, LINE, Draw, Trim


def _mug(canvas: Canvas, trim: Trim, half: list[Step], rim: tuple[float, float, float]) -> None:
    y, wide, high = rim
    canvas.strap([(64, y + 14), (86, y + 8, 87, y + 26), (86, y + 42, 62, y + 40)], trim.background, 5.5)
    canvas.cloth(mirror(half, 44))
    canvas.tint([(44 - wide, y), (44 - wide + 7, y), (44 - wide + 9, 84), (44 - wide + 4, 80)], LIGHT)
    canvas.solid(oval(44, y, wide, high), lighter(trim.background, 0.45), 80)
    canvas.solid(oval(44, y + 0.9, wide - 2.4, high - 1.4), lighter(trim.background, -0.35), 0)


def mug_straight(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _mug(canvas, trim, [(44, 24), (70, 24), (69, 78), (68, 86, 44, 86)], (24, 26, 6))


def mug_rounded(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _mug(canvas, trim, [(44, 30), (69, 30), (74, 54, 68, 72), (62, 86, 44, 86)], (30, 25, 6))


def mug_tall(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _mug(canvas, trim, [(44, 14), (61, 14), (66, 84), (62, 90, 44, 90)], (14, 17, 4.4))


def vase_tall(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    canvas.cloth(mirror([(50, 9), (60, 9), (56, 22, 58, 30), (70, 44, 66, 66), (63, 80, 60, 91), (50, 93)]))
    canvas.tint([(41, 28), (30, 46, 36, 70), (39, 70), (36, 46, 44, 30)], LIGHT)
    canvas.solid(oval(50, 9, 10, 2.6), lighter(trim.background, -0.4), 70)


def vase_round(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    canvas.cloth(mirror([(50, 20), (59, 20), (56, 30, 61, 35), (84, 46, 79, 66), (74, 88, 50, 88)]))
    canvas.tint([(37, 40), (22, 50, 27, 68), (31, 68), (30, 52, 42, 41)], LIGHT)
    canvas.solid(oval(50, 20, 9, 2.4), lighter(trim.background, -0.4), 70)


def _lamp(canvas: Canvas, trim: Trim, rng: random.Random, shade: list[Step]) -> None:
    stand = trim.wood if rng.random() < 0.5 else trim.metal
    canvas.solid(box(48, 40, 52, 88), stand)
    if rng.random() < 0.5:
        canvas.solid(oval(50, 70, 7.5, 13), stand)
    canvas.solid(mirror([(50, 86), (60, 86, 67, 92), (50, 92)]), stand)
    canvas.cloth(shade)


def lamp_round(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _lamp(canvas, trim, rng, list(oval(50, 33, 27, 25)))


def lamp_cone(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _lamp(canvas, trim, rng, list(mirror([(50, 9), (61, 9), (79, 51), (50, 54)])))


def lamp_square(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _lamp(canvas, trim, rng, list(box(24, 12, 76, 53, 2)))


def chair_armchair(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    for x in (26, 70):
        canvas.solid([(x, 80), (x + 5, 80), (x + 3.5, 94), (x + 1.5, 94)], trim.wood)
    canvas.cloth(mirror([(50, 14), (74, 13, 76, 28), (76, 62), (50, 66)]))
    canvas.cloth(list(box(24, 57, 76, 74, 5)), 90)
    canvas.tint(list(box(24, 57, 76, 74, 5)), LIGHT)
    canvas.cloth(list(box(20, 72, 80, 83, 3)), 80)
    for left in (13, 73):
        canvas.cloth(list(box(left, 42, left + 14, 83, 6)), 90)
        canvas.tint(list(box(left, 42, left + 14, 83, 6)), FOLD)


def chair_dining(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    for x, y in ((33, 52), (64, 52)):
        canvas.solid(box(x, y, x + 3, 86), lighter(trim.wood, -0.2))
    canvas.solid(box(30, 10, 33.5, 58, 1), trim.wood)
    canvas.solid(box(66.5, 10, 70, 58, 1), trim.wood)
    canvas.cloth(list(box(31, 12, 69, 43, 6)))
    canvas.cloth(mirror([(50, 53), (69, 53), (77, 64), (50, 66)]))
    canvas.tint(mirror([(50, 62), (76, 62), (77, 64.5), (50, 66)]), DARK)
    for x in (24, 72):
        canvas.solid([(x, 65), (x + 4, 65), (x + 3.4, 95), (x + 0.6, 95)], trim.wood)


def chair_stool(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    for low, high in ((24, 34), (73, 63), (42, 44), (56, 54)):
        canvas.solid([(high, 44), (high + 4, 44), (low + 3, 93), (low, 93)], trim.wood)
    canvas.solid(box(29, 70, 71, 73), lighter(trim.wood, -0.15))
    canvas.cloth(mirror([(50, 27), (80, 27, 80, 38), (80, 49, 50, 49)]))
    canvas.tint(mirror([(50, 43), (70, 43, 79.5, 38), (80, 49, 50, 49)]), DARK)


def _seams(canvas: Canvas, outline: list[Step]) -> None:
    canvas.cloth(outline)
    canvas.line([*outline, outline[0]], LINE, 1.1)


def cushion_square(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _seams(
        canvas,
        list(curve([(15, 15), (50, 21, 85, 15), (79, 50, 85, 85), (50, 79, 15, 85), (21, 50, 15, 15)])),
    )
    canvas.line([(17, 83), (24, 76, 31, 74)], (0, 0, 0, 60), 0.8)
    canvas.line([(83, 17), (76, 24, 74, 31)], (0, 0, 0, 60), 0.8)


def cushion_round(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _seams(canvas, list(oval(50, 50, 37, 37)))
    for i in range(10):
        at = i * math.pi / 5
        cos, sin = math.cos(at), math.sin(at)
        canvas.line([(50 + 6 * cos, 50 + 6 * sin), (50 + 22 * cos, 50 + 22 * sin)], (0, 0, 0, 44), 0.7)
    canvas.solid(oval(50, 50, 4, 4), lighter(trim.background, -0.2), 90)


def cushion_oblong(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _seams(
        canvas, list(curve([(8, 30), (50, 35, 92, 30), (88, 50, 92, 70), (50, 65, 8, 70), (12, 50, 8, 30)]))
    )
    canvas.line([(10, 68), (17, 62, 25, 61)], (0, 0, 0, 60), 0.8)


def _umbrella(canvas: Canvas, trim: Trim, top: float, low: float) -> None:
    canvas.strap([(50, 30), (50, 84), (50, 93, 57, 93), (63, 93, 63, 86)], trim.wood, 2.4)
    canvas.solid(box(49.2, top - 6, 50.8, top + 2), trim.metal)
    dome: list[Step] = [(8, low), (10, top, 50, top), (90, top, 92, low)]
    scallops = [(85, low - 7, 76, low), (63, low - 8, 50, low), (37, low - 8, 24, low), (15, low - 7, 8, low)]
    canvas.cloth([*dome, *scallops])
    for x in (24, 50, 76):
        canvas.line([(50, top), (50 + (x - 50) * 0.85, (top + low) / 2 - 4, x, low)], LINE, 0.5)
    canvas.tint([(8, low), (10, top, 50, top), (22, top + 6, 24, low), (15, low - 7, 8, low)], FOLD)


def umbrella_dome(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _umbrella(canvas, trim, 6, 56)


def umbrella_wide(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _umbrella(canvas, trim, 22, 50)


SHAPES: dict[tuple[str, str], Draw] = {
    ("mug", "straight"): mug_straight,
    ("mug", "rounded"): mug_rounded,
    ("mug", "tall"): mug_tall,
    ("vase", "tall"): vase_tall,
    ("vase", "round"): vase_round,
    ("lamp", "round"): lamp_round,
    ("lamp", "cone"): lamp_cone,
    ("lamp", "square"): lamp_square,
    ("chair", "armchair"): chair_armchair,
    ("chair", "dining"): chair_dining,
    ("chair", "stool"): chair_stool,
    ("cushion", "square"): cushion_square,
    ("cushion", "round"): cushion_round,
    ("cushion", "oblong"): cushion_oblong,
    ("umbrella", "dome"): umbrella_dome,
    ("umbrella", "wide"): umbrella_wide,
}
