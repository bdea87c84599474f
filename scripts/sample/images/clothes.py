"""The shapes of clothes, each drawn upright on a canvas of 0 to 100."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .canvas import RGB, Canvas, Step, box, curve, flip, mirror, oval

DARK = (0, 0, 0, 34)
FOLD = (0, 0, 0, 20)
LIGHT = (255, 255, 255, 34)
LINE = (0, 0, 0, 95)


@dataclass(frozen=True)
class Trim:
    """The colours of the parts without the pattern."""

    background: RGB
    accent: RGB
    sole: RGB
    wood: RGB
    metal: RGB


Draw = Callable[[Canvas, Trim, random.Random], None]


def both(canvas: Canvas, path: list[Step], edge: int = 60) -> None:
    """Cut a part on the right and its mirror image on the left."""
    right: list[Step] = list(curve(path))
    canvas.cloth(right, edge)
    canvas.cloth(list(flip(right)), edge)


def _dress_body(canvas: Canvas, hem: float, neck: list[Step], rng: random.Random) -> None:
    flare = rng.uniform(19, 27)
    waist = rng.uniform(42, 47)
    half = [
        *neck,
        (63, 33, 61.5, waist - 6, 59.5, waist),
        (62, waist + 10, 50 + flare * 0.75, hem - 22, 50 + flare, hem - 3),
        (50 + flare * 0.5, hem + 2, 50, hem + 2),
    ]
    canvas.cloth(mirror(half))
    for x in (-0.55, -0.1, 0.45):
        low = 50 + flare * x
        canvas.tint([(50 + 7 * x, waist + 2), (low + 5, hem), (low - 1, hem)], FOLD)
    if rng.random() < 0.5:
        canvas.tint(box(40.4, waist - 1.5, 59.6, waist + 1.5), (0, 0, 0, 90))
    else:
        canvas.line([(40.5, waist), (50, waist + 1.5, 59.5, waist)], LINE, 0.5)


def _sleeves(canvas: Canvas, length: float, width: float) -> None:
    reach = 64 + length * 0.34
    both(
        canvas,
        [
            (61, 13),
            (68, 15.5),
            (71, 18, reach + width / 2, 15 + length),
            (reach - width / 2, 17 + length),
            (63, 31),
        ],
    )


def dress_v_neck(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    if rng.random() < 0.5:
        _sleeves(canvas, rng.choice((14.0, 18.0)), 9)
    _dress_body(canvas, rng.uniform(82, 95), [(50, 27), (58, 11.5), (65, 13.5), (64, 23)], rng)
    canvas.line([(42, 11.5), (50, 27), (58, 11.5)], LINE, 0.7)


def dress_round_neck(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _sleeves(canvas, rng.choice((13.0, 17.0, 40.0)), 9)
    _dress_body(canvas, rng.uniform(80, 95), [(50, 18), (56, 18, 57, 11.5), (65, 13.5), (64, 23)], rng)
    canvas.line([(43, 11.5), (44, 18, 50, 18), (56, 18, 57, 11.5)], LINE, 0.9)


def dress_halter(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    canvas.strap([(45, 20), (46, 11, 50, 8.5), (54, 11, 55, 20)], trim.background, 1.8)
    _dress_body(canvas, rng.uniform(82, 95), [(50, 21), (56, 17.5), (58, 25, 64, 31)], rng)


def _shirt_body(canvas: Canvas, neck: list[Step], hem: float = 86) -> None:
    canvas.cloth(
        mirror([*neck, (70, 20), (71, 34), (69.5, 50, 71, hem - 3), (60, hem, 50, hem)]),
    )
    canvas.tint([(33, 40), (37, 60, 31, hem - 4), (29.5, hem - 4), (30.5, 50)], DARK)
    canvas.tint([(63, 45), (60, 62, 63, hem - 1), (66, hem - 2), (64, 62)], FOLD)


def _long_sleeves(canvas: Canvas) -> None:
    both(canvas, [(66, 17.5), (72, 20.5), (80, 27, 90, 76), (81.5, 79), (75, 52, 67.5, 40)])
    for arm in ([(90, 76), (81.5, 79), (80.7, 75), (89.2, 72)],):
        canvas.tint(arm, DARK)
        canvas.tint(list(flip(arm)), DARK)


def _short_sleeves(canvas: Canvas) -> None:
    both(canvas, [(65, 17), (71, 20), (80, 26, 88, 41), (76, 48), (67, 36)])


def _collar(canvas: Canvas, trim: Trim) -> None:
    canvas.tint([(43, 14), (50, 27), (57, 14), (50, 17)], (0, 0, 0, 110))
    for side in (1, -1):
        flap: list[Step] = [(50 + side * x, y) for x, y in ((7.5, 12), (0.2, 23), (9.5, 27), (12.5, 17))]
        canvas.cloth(flap, 110)
        canvas.tint(flap, LIGHT)


def _buttons(canvas: Canvas, low: float = 84) -> None:
    canvas.line([(47.6, 26), (47.6, low)], (0, 0, 0, 60), 0.4)
    canvas.line([(52.4, 26), (52.4, low)], (0, 0, 0, 60), 0.4)
    for y in range(31, int(low), 11):
        canvas.solid(oval(50, y, 1.3, 1.3, 14), (246, 243, 235), 110)


def shirt_long_sleeved(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _long_sleeves(canvas)
    _shirt_body(canvas, [(50, 18), (58, 14)])
    _collar(canvas, trim)
    _buttons(canvas)


def shirt_short_sleeved(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _short_sleeves(canvas)
    _shirt_body(canvas, [(50, 18), (58, 14)])
    _collar(canvas, trim)
    _buttons(canvas)


def t_shirt_crew_neck(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _short_sleeves(canvas)
    _shirt_body(canvas, [(50, 21), (58, 21, 60, 14)], 84)
    rib: list[Step] = [(40, 14), (42, 21, 50, 21), (58, 21, 60, 14)]
    canvas.line(rib, (0, 0, 0, 70), 2.2)


def t_shirt_v_neck(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _short_sleeves(canvas)
    _shirt_body(canvas, [(50, 31), (59.5, 14)], 84)
    canvas.line([(40.5, 14), (50, 31), (59.5, 14)], (0, 0, 0, 70), 2.2)


def _trouser_legs(canvas: Canvas, knee: float, low_in: float, low_out: float, hem: float) -> None:
    half: list[Step] = [
        (50, 10),
        (63, 10),
        (65, 22, 66 if knee > 8 else 64.5, 34),
        (low_out + 1, 58, low_out, hem),
        (low_in, hem + 1),
        (52.5, 46 if hem > 70 else 40),
        (50, 33),
    ]
    canvas.cloth(mirror(half))
    canvas.tint(box(37, 10, 63, 14.5), DARK)
    canvas.line([(50, 14.5), (50, 33)], LINE, 0.5)
    for side in (1, -1):
        canvas.line([(50 + side * 13.6, 18), (50 + side * 10, 19, 50 + side * 8.5, 15)], LINE, 0.5)
        mid = (low_in + low_out) / 2 - 50
        canvas.tint(
            [(50 + side * 4, 38), (50 + side * (mid - 2), hem), (50 + side * (low_in - 50), hem)], DARK
        )


def trousers_wide_leg(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _trouser_legs(canvas, 12, 53, rng.uniform(72, 76), 91)


def trousers_slim(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _trouser_legs(canvas, 6, 54.5, 62.5, 91)


def trousers_cropped(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    _trouser_legs(canvas, 12, 53, rng.uniform(67, 70), 68)


def _skirt(canvas: Canvas, half: list[Step], hem: float) -> None:
    canvas.cloth(mirror(half))
    canvas.tint(box(37.5, 17, 62.5, 22), DARK)


def skirt_mini(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    half: list[Step] = [(50, 17), (62.5, 17), (63, 22), (68, 36, 71, 62), (60, 65, 50, 65)]
    _skirt(canvas, half, 64)
    canvas.line([(50, 22), (50, 65)], (0, 0, 0, 70), 0.5)
    for y in (29, 39, 49, 59):
        canvas.solid(oval(50, y, 1.4, 1.4, 14), (240, 234, 220), 110)


def skirt_pleated(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    wide, hem = rng.uniform(28, 32), rng.uniform(70, 78)
    half: list[Step] = [(50, 17), (62.5, 17), (63, 22), (50 + wide, hem)]
    half += [(50 + wide * (1 - i / 6), hem + (2.4 if i % 2 else 0)) for i in range(1, 7)]
    _skirt(canvas, half, hem)
    for i in range(-6, 6):
        top, low = 50 + 12.5 * i / 6, 50 + wide * i / 6
        if i % 2:
            canvas.tint([(top, 22), (top + 2.1, 22), (low + wide / 6, hem), (low, hem + 1)], (0, 0, 0, 42))
        canvas.line([(top, 22), (low, hem)], (0, 0, 0, 60), 0.4)


def skirt_maxi(canvas: Canvas, trim: Trim, rng: random.Random) -> None:
    half: list[Step] = [(50, 9), (61, 9), (61.5, 14), (66, 40, 71, 90), (60, 94, 50, 94)]
    canvas.cloth(mirror(half))
    canvas.tint(box(39, 9, 61, 14), DARK)
    for x in (-13, -5, 4, 12):
        canvas.tint([(50 + x * 0.5, 20), (50 + x + 3.5, 92), (50 + x - 1, 92)], FOLD)


SHAPES: dict[tuple[str, str], Draw] = {
    ("dress", "v-neck"): dress_v_neck,
    ("dress", "round-neck"): dress_round_neck,
    ("dress", "halter"): dress_halter,
    ("shirt", "long-sleeved"): shirt_long_sleeved,
    ("shirt", "short-sleeved"): shirt_short_sleeved,
    ("t-shirt", "crew-neck"): t_shirt_crew_neck,
    ("t-shirt", "v-neck"): t_shirt_v_neck,
    ("trousers", "wide-leg"): trousers_wide_leg,
    ("trousers", "slim"): trousers_slim,
    ("trousers", "cropped"): trousers_cropped,
    ("skirt", "mini"): skirt_mini,
    ("skirt", "pleated"): skirt_pleated,
    ("skirt", "maxi"): skirt_maxi,
}
