"""The bytes of an image file to an RGB image: upright, on white, in 8 bits; for the catalogue and for queries alike."""

from __future__ import annotations

import contextlib
import io
import re
from functools import cache

import numpy as np
import pi_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from vitrine.errors import ImageError

MAX_PIXELS = 100_000_000  # decoded, 300 MB; a larger JPEG is decoded at a fraction of its size
DRAFT_SIDE = 448  # pixels; no encoder takes more
_FORMATS = (
    "JPEG",
    "MPO",
    "PNG",
    "WEBP",
    "GIF",
    "BMP",
    "DIB",
    "TIFF",
    "AVIF",
    "HEIF",
    "JPEG2000",
    "PPM",
    "ICO",
    "TGA",
)
# the box of 20 bytes that holds width and height of a coded image in an AVIF or HEIC file (ISO/IEC 23008-12, 6.5.3)
_CODED_SIZE = re.compile(rb"\0\0\0\x14ispe\0{4}(.{4})(.{4})", re.DOTALL)
_WHITE = (255, 255, 255, 255)


def decode_image(data: bytes, side: int = DRAFT_SIDE) -> Image.Image:
    """Return the RGB image in the bytes of a file, with at least `side` pixels on its shorter side if it has them.

    The first frame of an animation, rotated by its EXIF, transparency on white, 16 and 32 bits scaled to 8, CMYK through
    its colour profile. Raises ImageError that says what the bytes are instead.
    """
    if not data:
        raise ImageError("the file is empty")
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit ignores drafts; `_limit_size` has ours
    try:
        with Image.open(io.BytesIO(data), formats=_known_formats()) as image:
            _limit_size(image, side, data)
            image.load()
            return _to_rgb(image)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(_content_type_problem(data)) from error
    except MemoryError as error:
        raise ImageError("the image needs more memory than is available") from error
    except Exception as error:  # Pillow's readers raise nearly any exception on damaged bytes
        raise ImageError(f"the image is damaged ({_short(error)})") from error


@cache
def _known_formats() -> list[str]:
    Image.init()
    pi_heif.register_heif_opener(
        thumbnails=False
    )  # not pillow-heif: that one brings an encoder under the GPL
    return [name for name in _FORMATS if name in Image.OPEN]


def _limit_size(image: Image.Image, side: int, data: bytes) -> None:
    """Make JPEG decode at 1/2 to 1/8 where that leaves `side`. Raises ImageError for an image that is still too large."""
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        # the decoder of a progressive JPEG holds every coefficient, whatever the draft
        progressive = bool(image.info.get("progressive"))
        image.draft(None, (side, side))
        small = image.size[0] * image.size[1] <= MAX_PIXELS
        if small and not (progressive and width * height > MAX_PIXELS):
            return
    else:
        if image.format in ("AVIF", "HEIF"):  # decoded whole, and then cropped to the size of the image
            width, height = max([(width, height), *_coded_sizes(data)], key=lambda size: size[0] * size[1])
        if width * height <= MAX_PIXELS:
            return
    raise ImageError(
        f"the image of {width} x {height} pixels is too large; at most {MAX_PIXELS // 10**6} million are decoded"
    )


def _coded_sizes(data: bytes) -> list[tuple[int, int]]:
    return [(int.from_bytes(w), int.from_bytes(h)) for w, h in _CODED_SIZE.findall(data)]


def _to_rgb(image: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):  # a damaged EXIF block rotates nothing
        image = ImageOps.exif_transpose(image)
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    elif image.mode == "CMYK" and profile:
        image = _convert_cmyk(image, profile)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba)
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return 16 and 32 bits scaled to 8: Pillow's own conversion would clip all above 255 to white."""
    values = np.asarray(image, dtype=np.float64)  # (height, width)
    values = np.where(np.isfinite(values), values, 0.0)
    top = float(values.max(initial=0.0))
    if image.mode.startswith("I;16") or 255 < top <= 65535:
        values = values / 257.0
    elif top > 65535:
        values = values * (255.0 / top)
    elif image.mode == "F" and top <= 1.0:
        values = values * 255.0
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _convert_cmyk(image: Image.Image, profile: bytes) -> Image.Image:
    """Return a CMYK image in sRGB by its colour profile; a profile that does not fit is ignored."""
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
        if converted is not None:
            return converted
    return image


def _content_type_problem(data: bytes) -> str:
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "the file is an HTML page, not an image"
    if b"<svg" in start:
        return "the file is an SVG drawing; expected an image of pixels such as JPEG or PNG"
    if start.startswith(b"%pdf"):
        return "the file is a PDF; expected an image such as JPEG or PNG"
    if start.startswith((b"%!ps", b"\xc5\xd0\xd3\xc6")):
        return "the file is PostScript, which is not rendered; expected an image such as JPEG or PNG"
    with contextlib.suppress(UnicodeDecodeError):
        data[:1000].decode("ascii")
        return "the file is text, not an image"
    return "the file has no known image format, or its first bytes are damaged"


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
