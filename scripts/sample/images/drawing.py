"""The image of a product: a shape with a pattern, shaded, on a soft background with its shadow."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from . import accessories, clothes, household
from .canvas import IMAGE_PX, OVERSAMPLE, RGB, Canvas, Pose
from .cloth import lighter, luminance, weave
from .clothes import Draw, Trim

SHAPES: dict[tuple[str, str], Draw] = {**clothes.SHAPES, **accessories.SHAPES, **household.SHAPES}

COLOURS: dict[str, tuple[RGB, ...]] = {
    "red": ((203, 38, 44), (184, 26, 40), (220, 52, 50)),
    "orange": ((236, 126, 40), (226, 110, 30), (243, 146, 60)),
    "yellow": ((244, 206, 58), (236, 190, 40), (248, 218, 90)),
    "green": ((58, 138, 78), (38, 112, 70), (96, 160, 84)),
    "blue": ((48, 98, 182), (36, 74, 150), (78, 132, 206)),
    "purple": ((118, 72, 158), (98, 56, 138), (142, 98, 182)),
    "pink": ((238, 146, 176), (244, 168, 190), (228, 122, 160)),
    "brown": ((122, 78, 48), (104, 64, 38), (140, 92, 58)),
    "beige": ((218, 198, 164), (226, 208, 178), (208, 186, 150)),
    "grey": ((142, 146, 150), (124, 128, 134), (160, 163, 166)),
    "black": ((36, 36, 40), (28, 28, 34), (46, 45, 48)),
    "white": ((244, 243, 240), (248, 247, 245), (240, 238, 233)),
}
_CREAM, _INK = (250, 246, 236), (38, 38, 50)
_BRIGHT: tuple[RGB, ...] = ((246, 222, 120), (250, 190, 190), (190, 222, 240), _CREAM, _CREAM, _CREAM)
_DEEP: tuple[RGB, ...] = ((160, 40, 60), (40, 70, 130), (60, 100, 70), _INK, _INK)
_BACKGROUNDS: tuple[RGB, ...] = (
    (240, 238, 234),
    (233, 235, 238),
    (243, 236, 226),
    (226, 233, 238),
    (241, 230, 230),
    (228, 235, 226),
    (222, 220, 216),
    (236, 230, 240),
)
_WOODS: tuple[RGB, ...] = ((176, 128, 84), (146, 100, 62), (202, 162, 112), (96, 66, 46))
_METALS: tuple[RGB, ...] = ((196, 198, 204), (214, 176, 96), (178, 138, 110), (92, 94, 100))
_SOLES: tuple[RGB, ...] = ((250, 249, 246), (250, 249, 246), (240, 234, 222))
STANDING = frozenset({"sneaker", "boot", "mug", "vase", "lamp", "chair", "bag"})


@dataclass(frozen=True)
class ImageSpec:
    """The content of an image."""

    category: str
    shape: str
    colour: str
    pattern: str


def draw(spec: ImageSpec, seed: str) -> Image.Image:
    """An RGB image of IMAGE_PX x IMAGE_PX; the same spec and seed give the same pixels.

    Raises KeyError for an unknown shape or pattern.
    """
    rng = random.Random(seed)
    background = _jitter(rng.choice(COLOURS[spec.colour]), 7, rng)
    trim = Trim(
        background, _accent(background, rng), rng.choice(_SOLES), rng.choice(_WOODS), rng.choice(_METALS)
    )
    pose = _pose(spec.category, rng)
    canvas = Canvas(weave(spec.pattern, trim.background, trim.accent, pose, rng), pose)
    SHAPES[spec.category, spec.shape](canvas, trim, rng)
    mask = canvas.mask.reduce(OVERSAMPLE)
    picture = _background(spec.category in STANDING, rng)
    picture = _shadow(picture, mask, spec.category in STANDING)
    picture.paste(ImageChops.multiply(canvas.image.reduce(OVERSAMPLE), _LIGHT), mask=mask)
    return picture


def _jitter(rgb: RGB, by: int, rng: random.Random) -> RGB:
    r, g, b = (min(255, max(0, c + rng.randint(-by, by))) for c in rgb)
    return r, g, b


def _accent(background: RGB, rng: random.Random) -> RGB:
    """A second colour with enough contrast that is less prominent than the first."""
    if rng.random() < 0.3:
        tone = lighter(background, 0.6) if luminance(background) < 130 else lighter(background, -0.45)
        return _jitter(tone, 4, rng)
    return _jitter(rng.choice(_BRIGHT if luminance(background) < 150 else _DEEP), 6, rng)


def _pose(category: str, rng: random.Random) -> Pose:
    sway = 3.0 if category in STANDING else 9.0
    return Pose(
        angle=math.radians(rng.gauss(0, sway / 2)),
        scale=rng.uniform(0.87, 1.02),
        dx=rng.uniform(-3, 3),
        dy=rng.uniform(-2, 2),
    )


def _gradient(top: RGB, bottom: RGB) -> Image.Image:
    strip = Image.new("RGB", (1, 2))
    strip.putpixel((0, 0), top)
    strip.putpixel((0, 1), bottom)
    return strip.resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BILINEAR)


def _background(standing: bool, rng: random.Random) -> Image.Image:
    tone = _jitter(rng.choice(_BACKGROUNDS), 4, rng)
    picture = _gradient(lighter(tone, 0.25), lighter(tone, -0.05))
    if standing and rng.random() < 0.6:
        floor_y = round(IMAGE_PX * rng.uniform(0.68, 0.78))
        background = _gradient(lighter(tone, -0.12), lighter(tone, -0.03))
        picture.paste(background.crop((0, 0, IMAGE_PX, IMAGE_PX - floor_y)), (0, floor_y))
        picture = picture.filter(ImageFilter.BoxBlur(1))
    return picture


def _shadow(picture: Image.Image, mask: Image.Image, standing: bool) -> Image.Image:
    soft = ImageChops.offset(mask, 4, 6).filter(ImageFilter.GaussianBlur(5)).point(lambda v: v * 0.30)
    if standing and (edges := mask.getbbox()):
        left, _, right, bottom = edges
        spot = Image.new("L", mask.size, 0)
        margin = (right - left) * 0.04
        ImageDraw.Draw(spot).ellipse((left + margin, bottom - 8, right - margin, bottom + 4), fill=150)
        soft = ImageChops.lighter(soft, spot.filter(ImageFilter.GaussianBlur(4)))
    picture.paste((46, 42, 48), mask=soft)
    return picture


def _light() -> Image.Image:
    """Light from the upper left, multiplied over an object so that flat colours appear curved."""
    strip = Image.new("L", (2, 2))
    for place, value in (((0, 0), 255), ((1, 0), 244), ((0, 1), 240), ((1, 1), 214)):
        strip.putpixel(place, value)
    return strip.resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BILINEAR).convert("RGB")


_LIGHT = _light()
