"""The shapes of shoes, bags, hats and watches, each drawn upright on a canvas of 0 to 100."""

from __future__ import annotations

import math
import random

from .canvas import Canvas, Step, box, curve, mirror, oval
from .cloth import lighter
from .clothes import DARK, FOLD, LIGHT, LINE, Draw, Trim


def _laces(canvas: Canvas, places: list[tuple[float, float]]) -> None:
    for x, y in places:
        canvas.line([(x - 3.4, y + 2.6), (x + 3.6, y - 1.6)], (250, 248, 242, 255), 1.5)


def _sneaker(canvas: Canvas, trim: Trim, top: list[Step], laces: list[tuple[float, float]]) -> None:
    canvas.cloth([*top, (89, 60, 91, 72), (10, 72)])
    canvas.solid([(71, 56), (86, 57, 91.5, 72), (76, 72), (76, 63, 71, 56)], lighter(trim.sole, -0.04), 60)
    canvas.tint([(11, 60), (26, 57, 30, 72), (10, 72)], DARK)
    canvas.line([(30, 71), (45, 66, 56, 54)], LINE, 0.7)
    _laces(canvas, laces)
    sole: list[Step] = [(8, 71), (50, 73, 92.5, 70), (94, 77, 90, 79), (50, 80, 11, 79), (7, 78, 8, 71)]
    canvas.solid(sole, trim.sole, 70)
    canvas.line([(9, 75.5), (50, 77, 92.5, 75)], (0, 0, 0, 60), 0.5)


def sneaker_low_top(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    top: list[Step] = [(10, 66), (10, 50, 13, 45), (24, 51, 37, 44), (43, 40), (54, 50, 68, 56)]
    _sneaker(canvas, trim, top, [(46, 44.5), (51, 48), (56.5, 51.5), (62, 55)])


def sneaker_high_top(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    top: list[Step] = [(10, 66), (13, 46, 11, 26), (24, 23, 39, 25), (42, 40, 50, 46), (58, 53, 68, 56)]
    _sneaker(canvas, trim, top, [(40, 30), (41.5, 35.5), (44, 40.5), (48.5, 45.5), (54.5, 50), (61, 54)])
    canvas.solid(oval(24, 42, 5.4, 5.4), trim.sole, 60)


def _boot(canvas: Canvas, trim: Trim, top: float, rng: random.Random) -> None:
    canvas.cloth(
        [
            (27, top),
            (36, top + 1.5, 52, top - 1),
            (52, 52),
            (55, 63, 70, 66),
            (83, 69, 84, 79),
            (26, 79),
            (24, 60),
        ]
    )
    canvas.tint([(27, top), (31, top + 1), (31, 79), (26, 79), (24, 60)], DARK)
    canvas.tint([(46, top), (49, top), (49, 54), (46, 58)], LIGHT)
    canvas.tint([(27, top), (36, top + 1.5, 52, top - 1), (52, top + 4), (36, top + 6, 27, top + 5)], DARK)
    if rng.random() < 0.5:
        canvas.line([(28, 61), (40, 65, 53.5, 59)], (*trim.metal, 255), 1.8)
        canvas.solid(box(39, 60.5, 44.5, 65.5), trim.metal)
    sole: list[Step] = [(25, 79), (85, 79), (84, 83), (60, 83.5, 46, 82), (44, 82), (43, 89), (26, 89)]
    canvas.solid(sole, (58, 44, 36))


def boot_ankle(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _boot(canvas, trim, rng.uniform(35, 40), rng)


def boot_knee_high(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _boot(canvas, trim, rng.uniform(7, 11), rng)


def bag_tote(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    top = rng.uniform(12, 17)
    canvas.strap([(36, 40), (37, top, 50, top), (63, top, 64, 40)], lighter(trim.background, -0.25), 3)
    canvas.cloth(mirror([(50, 37), (73, 37), (74.5, 60, 77, 87), (50, 90)]))
    canvas.tint([(27, 37), (34, 37), (31, 88), (23, 87)], FOLD)
    canvas.line([(26.5, 41), (73.5, 41)], LINE, 0.5)


def bag_backpack(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    canvas.strap([(43, 20), (44, 9, 50, 9), (56, 9, 57, 20)], lighter(trim.background, -0.3), 2.6)
    canvas.cloth(mirror([(50, 15), (72, 15, 73, 36), (75, 80), (75, 90, 66, 90), (50, 90)]))
    canvas.line([(28, 44), (30, 22, 50, 22), (70, 22, 72, 44)], LINE, 0.7)
    pocket: list[Step] = list(box(34, 54, 66, 83, 5))
    canvas.tint(pocket, DARK)
    canvas.line([*curve(pocket), (34, 60)], LINE, 0.6)
    canvas.line([(34, 61), (66, 61)], (*trim.metal, 255), 1.3)
    for side in (29.5, 67.5):
        canvas.solid(box(side, 50, side + 3, 60, 1), trim.wood)


def bag_handbag(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    canvas.strap([(32, 46), (33, 17, 50, 17), (67, 17, 68, 46)], trim.wood, 2.8)
    canvas.cloth(mirror([(50, 43), (73, 43), (80, 60, 81, 80), (80, 85, 74, 85), (50, 85)]))
    flap = mirror([(50, 43), (73, 43), (77, 52), (74, 66, 50, 66)])
    canvas.tint(flap, DARK)
    canvas.line([*flap, flap[0]], LINE, 0.6)
    canvas.solid(box(46.5, 61, 53.5, 70, 1.5), trim.metal, 110)


def hat_baseball(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    brim: list[Step] = [(58, 60), (84, 57, 95, 70), (94, 74, 88, 72), (72, 66, 55, 67)]
    canvas.cloth(brim, 90)
    canvas.tint(brim, (0, 0, 0, 50))
    canvas.cloth([(16, 66), (13, 30, 44, 28), (70, 29, 72, 61), (58, 69, 36, 68), (24, 68, 16, 66)])
    canvas.line([(44, 28), (54, 44, 55, 67)], LINE, 0.5)
    canvas.line([(44, 28), (30, 42, 30, 67)], LINE, 0.5)
    canvas.solid(oval(44, 27.6, 2.6, 1.7), trim.background, 90)


def hat_bucket(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    canvas.cloth(mirror([(50, 30), (66, 30, 67, 35), (72, 56), (86, 68, 88, 73), (70, 82, 50, 82)]))
    band = mirror([(50, 58), (63, 58, 72, 54), (88, 72.5), (70, 82, 50, 82)])
    canvas.tint(band, DARK)
    canvas.line([(28, 54), (37, 58, 50, 58), (63, 58, 72, 54)], LINE, 0.7)
    canvas.tint(oval(50, 33, 15, 2.8), LIGHT)


def hat_beanie(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    if rng.random() < 0.6:
        canvas.solid(oval(50, 17, 8, 8), lighter(trim.accent, 0.1))
    canvas.cloth(mirror([(50, 20), (74, 20, 76, 62), (50, 66)]))
    canvas.cloth(list(box(20, 57, 80, 76, 5)), 90)
    canvas.tint(list(box(20, 57, 80, 76, 5)), DARK)
    for i in range(11):
        canvas.line([(25 + i * 5, 58), (25 + i * 5, 75)], (0, 0, 0, 50), 0.6)


def _watch(canvas: Canvas, trim: Trim, rng: random.Random, square: bool) -> None:
    for half in (
        mirror([(50, 3), (59, 3), (62, 34), (50, 34)]),
        mirror([(50, 66), (62, 66), (59, 97), (50, 97)]),
    ):
        canvas.cloth(half)
    for y in (84, 88, 92):
        canvas.tint(oval(50, y, 1.2, 1.2, 12), (0, 0, 0, 150))
    canvas.solid(box(73, 47.5, 78, 52.5, 1), trim.metal)
    case, dial = (
        (box(27, 27, 73, 73, 8), box(31.5, 31.5, 68.5, 68.5, 5))
        if square
        else (
            oval(50, 50, 25, 25),
            oval(50, 50, 20.5, 20.5),
        )
    )
    canvas.solid(case, trim.metal, 110)
    canvas.solid(dial, trim.sole, 60)
    for hour in range(12):
        cos, sin = math.cos(hour * math.pi / 6), math.sin(hour * math.pi / 6)
        canvas.line([(50 + 15 * cos, 50 + 15 * sin), (50 + 18 * cos, 50 + 18 * sin)], (40, 40, 44, 255), 1)
    turn = rng.uniform(0, 2 * math.pi)
    for angle, reach, width in ((turn, 10, 1.9), (turn * 12 % (2 * math.pi), 15, 1.2)):
        canvas.line(
            [(50, 50), (50 + reach * math.sin(angle), 50 - reach * math.cos(angle))], (35, 35, 40, 255), width
        )
    canvas.solid(oval(50, 50, 1.6, 1.6, 14), (35, 35, 40), 0)


def watch_round(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _watch(canvas, trim, rng, square=False)


def watch_square(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _watch(canvas, trim, rng, square=True)


SHAPES: dict[tuple[str, str], Draw] = {
    ("sneaker", "low-top"): sneaker_low_top,
    ("sneaker", "high-top"): sneaker_high_top,
    ("boot", "ankle"): boot_ankle,
    ("boot", "knee-high"): boot_knee_high,
    ("bag", "tote"): bag_tote,
    ("bag", "backpack"): bag_backpack,
    ("bag", "handbag"): bag_handbag,
    ("hat", "baseball"): hat_baseball,
    ("hat", "bucket"): hat_bucket,
    ("hat", "beanie"): hat_beanie,
    ("watch", "round"): watch_round,
    ("watch", "square"): watch_square,
}
