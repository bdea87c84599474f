"""Pictures as a person would see them: any mode, turned upright, on white; or one sentence why not."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from vitrine.errors import IndexerError

PIXELS = 100_000_000  # decoded at once, 300 MB; a JPEG beyond it is decoded at a fraction of its size
DRAFT_SIDE = 448  # no encoder looks at more
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
    "JPEG2000",
    "PPM",
    "ICO",
    "TGA",
)
_WHITE = (255, 255, 255, 255)


class ImageError(IndexerError):
    """A picture cannot be had or read; its product is indexed without it."""


def decode_image(data: bytes, side: int = DRAFT_SIDE) -> Image.Image:
    """The RGB picture in the bytes of a file, at least `side` pixels on its shorter side if it has them.

    The first frame of an animation, upright by its EXIF, transparency on white, 16 bits and CMYK as seen.
    PictureError says what the bytes are instead.
    """
    if not data:
        raise ImageError("the picture is an empty file")
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit knows nothing of drafts; `_bounded` keeps ours
    try:
        with Image.open(io.BytesIO(data), formats=_known_formats()) as image:
            _bounded(image, side)
            image.load()
            return _as_seen(image)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(_what_instead(data)) from error
    except MemoryError as error:
        raise ImageError("the picture needs more memory than there is") from error
    except Exception as error:  # Pillow's readers raise nearly anything on hostile bytes
        raise ImageError(f"the picture is damaged ({_short(error)})") from error


def _known_formats() -> list[str]:
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _bounded(image: Image.Image, side: int) -> None:
    """Lets JPEG decode at 1/2 to 1/8 where that keeps `side`; refuses what would still fill the memory."""
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        progressive = bool(image.info.get("progressive"))  # those hold every coefficient, whatever the draft
        image.draft(None, (side, side))
        small = image.size[0] * image.size[1] <= PIXELS
        if small and not (progressive and width * height > PIXELS):
            return
    elif width * height <= PIXELS:
        return
    raise ImageError(
        f"the picture of {width} x {height} pixels is too large; at most {PIXELS // 10**6} million fit"
    )


def _as_seen(image: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):  # a broken EXIF block turns nothing
        image = ImageOps.exif_transpose(image)
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    elif image.mode == "CMYK" and profile:
        image = _through_profile(image, profile)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        shown = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", shown.size, _WHITE), shown)
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 and 32 bits as brightness: Pillow's own conversion would clip all above 255 to white."""
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


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Ink as it looks in print; a profile that does not fit is passed over."""
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        seen = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
        if seen is not None:
            return seen
    return image


def _what_instead(data: bytes) -> str:
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "the file is an HTML page, not a picture"
    if b"<svg" in start:
        return "the file is an SVG drawing; expected a picture of pixels such as JPEG or PNG"
    if start.startswith(b"%pdf"):
        return "the file is a PDF; expected a picture such as JPEG or PNG"
    if start.startswith((b"%!ps", b"\xc5\xd0\xd3\xc6")):
        return "the file is PostScript, which is not run; expected a picture such as JPEG or PNG"
    with contextlib.suppress(UnicodeDecodeError):
        data[:1000].decode("ascii")
        return "the file is text, not a picture"
    return "the file is of no picture format that is known here, or its first bytes are damaged"


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
