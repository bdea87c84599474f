"""Decoding of images: every mode and format, damaged and hostile files."""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from encoders.image_io import decode_image
from rerank.query_image import decode_query_image
from vitrine.errors import ImageError, QueryError

# 48 x 32 pixels, the left half green and the right half red, encoded by libheif 1.23 with x265: 64 x 64 pixels with a crop
HEIC = base64.b64decode(
    """
    AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERA
    AAEAAQAAAAABoQABAAAAAAAAAFAAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAA
    AHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq
    5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADAAAAABAAAA
    IAAAAAH////wAAAAAv///+AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAFhtZGF0AAAATCgBrwY4Wve2382jf//5
    Rc//+yB4IfBImbb++t/3keE1HF2ofDHdpdH6dZUmPaORf6dgXzG3x2VSe8y6iauFhMGDWNxDWh5Nk2kct3A=
    """
)
RED, WHITE, GREEN = (255, 0, 0), (255, 255, 255), (0, 128, 0)


def saved(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def pixel(data: bytes, at: tuple[int, int] = (0, 0)) -> tuple[int, ...]:
    image = decode_image(data)
    assert image.mode == "RGB"
    pixel = image.getpixel(at)
    assert isinstance(pixel, tuple)
    return pixel


def near(pixel: tuple[int, ...], expected: tuple[int, ...], most: int = 12) -> bool:
    return all(abs(a - b) <= most for a, b in zip(pixel, expected, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_the_formats_that_shops_use(kind: str) -> None:
    assert near(pixel(saved(Image.new("RGB", (32, 32), RED), kind)), RED)


def test_a_heic_photo_is_decoded_on_both_sides() -> None:
    for image in (decode_image(HEIC), decode_query_image(HEIC)):
        assert image.size == (48, 32)
        assert near(image.getpixel((2, 2)), GREEN)  # type: ignore[arg-type]
        assert near(image.getpixel((45, 2)), RED)  # type: ignore[arg-type]


def test_a_damaged_heic_is_refused_and_a_vast_one_before_it_is_decoded() -> None:
    with pytest.raises(ImageError, match="the image is damaged"):
        decode_image(HEIC[:-10])
    with pytest.raises(ImageError, match="damaged"):
        decode_image(HEIC[:300])
    size = HEIC.index(b"ispe") + 8
    vast = HEIC[:size] + (20_000).to_bytes(4) * 2 + HEIC[size + 8 :]  # the crop still says 48 x 32
    with pytest.raises(ImageError, match="20000 x 20000 pixels is too large"):
        decode_image(vast)


def test_a_vast_avif_is_refused() -> None:
    small = saved(Image.new("RGB", (64, 64), RED), "AVIF")
    size = small.index(b"ispe") + 8
    with pytest.raises(ImageError, match=r"11000 x 11000 pixels is too large|damaged|no known image format"):
        decode_image(small[:size] + (11_000).to_bytes(4) * 2 + small[size + 8 :])


def test_greyscale_and_bilevel() -> None:
    assert pixel(saved(Image.new("L", (4, 4), 99))) == (99, 99, 99)
    assert pixel(saved(Image.new("1", (4, 4), 1))) == WHITE
    assert pixel(saved(Image.new("LA", (4, 4), (0, 0)))) == WHITE


def test_sixteen_bits_keep_their_brightness() -> None:
    for value, seen in ((0, 0), (257 * 99, 99), (65535, 255), (300, 1)):
        image = Image.fromarray(np.full((4, 4), value, dtype=np.uint16))
        assert pixel(saved(image, "PNG")) == (seen, seen, seen)
    assert pixel(saved(Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)), "TIFF")) == (128, 128, 128)
    assert pixel(saved(Image.fromarray(np.full((4, 4), 200, dtype=np.int32)), "TIFF")) == (200, 200, 200)


def test_cmyk_is_converted_by_its_profile() -> None:
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    assert near(pixel(saved(red, "JPEG", quality=95)), RED)
    wrong_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert near(pixel(saved(red, "JPEG", quality=95, icc_profile=wrong_profile)), RED)
    assert near(pixel(saved(red, "TIFF", icc_profile=b"junk")), RED)


def test_palettes_with_and_without_a_clear_colour() -> None:
    image = Image.new("RGB", (4, 4), RED)
    image.putpixel((0, 0), GREEN)
    palette = image.quantize(4)
    assert near(pixel(saved(palette)), GREEN)
    clear = palette.getpixel((0, 0))
    assert pixel(saved(palette, transparency=clear)) == WHITE
    assert near(pixel(saved(palette, transparency=clear), (1, 1)), RED)
    assert pixel(saved(palette, "GIF", transparency=clear)) == WHITE


def test_transparency_lies_on_white() -> None:
    assert pixel(saved(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))) == WHITE
    assert near(pixel(saved(Image.new("RGBA", (4, 4), (255, 0, 0, 128)))), (255, 127, 127), 2)
    keyed = Image.new("RGB", (4, 4), RED)
    assert pixel(saved(keyed, transparency=RED)) == WHITE


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # the command leaves those out too
def test_images_are_rotated_by_their_exif() -> None:
    image = Image.new("RGB", (64, 32), RED)
    image.paste(GREEN, (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    upright = decode_image(saved(image, "JPEG", exif=exif, quality=95))
    assert upright.size == (32, 64)
    assert near(upright.getpixel((16, 8)), GREEN)  # type: ignore[arg-type]
    broken = saved(image, "JPEG", exif=b"Exif\0\0II*\0" + b"\xff" * 40)
    assert decode_image(broken).size == (64, 32)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN)]
    assert near(pixel(saved(frames[0], kind, save_all=True, append_images=frames[1:])), RED)


def test_one_pixel_is_an_image() -> None:
    assert decode_image(saved(Image.new("RGB", (1, 1), RED))).size == (1, 1)


def test_a_vast_jpeg_is_decoded_at_a_fraction_and_a_vast_png_refused() -> None:
    vast = Image.new("L", (20_000, 20_000), 99)
    small = decode_image(saved(vast, "JPEG"))
    assert small.size == (2500, 2500)
    assert small.getpixel((0, 0)) == (99, 99, 99)
    with pytest.raises(ImageError, match="20000 x 20000 pixels is too large"):
        decode_image(saved(vast, "PNG", compress_level=1))


def test_a_vast_progressive_jpeg_is_refused_on_both_sides_before_its_coefficients_are_decoded() -> None:
    vast = saved(Image.new("L", (11_000, 10_000), 99), "JPEG", progressive=True)
    with pytest.raises(ImageError, match="11000 x 10000 pixels is too large"):
        decode_image(vast)
    with pytest.raises(QueryError, match="11000 x 10000 pixels is too large"):
        decode_query_image(vast)


def test_a_jpeg_is_never_decoded_below_the_requested_side() -> None:
    image = saved(Image.new("RGB", (1000, 600), RED), "JPEG")
    assert min(decode_image(image, 200).size) >= 200
    assert decode_image(image, 5000).size == (1000, 600)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>not found</html>", "HTML page"),
        (b"\xef\xbb\xbf\n<html>", "HTML page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "PostScript"),
        (b"just some words, renamed to .jpg", "text"),
        (bytes(range(256)) * 4, "no known image format"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "damaged|no known image format"),
    ],
)
def test_other_files_are_named_in_the_error(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_image(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_image_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"damaged|no known image format"):
        decode_image(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_random_damage_gives_an_image_or_an_image_error() -> None:
    generator = np.random.default_rng(1)
    noise = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    kinds = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "AVIF")
    for image in (*(saved(Image.fromarray(noise), kind) for kind in kinds), HEIC):
        whole = np.frombuffer(image, dtype=np.uint8)
        for _ in range(30):
            data = whole.copy()
            data[generator.integers(0, data.size, 8)] = generator.integers(0, 256, 8)
            with suppress(ImageError):  # and nothing else
                assert decode_image(data.tobytes()).mode == "RGB"
