"""A query's picture as the indexer sees the products': upright, on white, RGB; or one sentence why not."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vitrine.errors import QueryError

_SIDE = 448  # no encoder looks at more
_MOST_PIXELS = 100_000_000  # 300 MB decoded
_MOST_BYTES = 64 << 20
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


def read_image(path: Path) -> Image.Image:
    """Open a picture file of a query. Raises QueryError."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise QueryError(f"{path} is larger than {_MOST_BYTES >> 20} MB; name a smaller picture")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise QueryError(f"{path} cannot be read ({told}); name a JPEG, PNG or WebP file") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str = "the picture") -> Image.Image:
    """The RGB picture in the bytes of a file; the first frame of an animation. Raises QueryError."""
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit knows nothing of drafts; ours is below
    try:
        Image.init()
        with Image.open(io.BytesIO(data), formats=[form for form in _FORMATS if form in Image.OPEN]) as image:
            if image.format in ("JPEG", "MPO"):
                image.draft(None, (_SIDE, _SIDE))
            if image.width * image.height > _MOST_PIXELS:
                raise QueryError(
                    f"{name} has {image.width} x {image.height} pixels; "
                    f"at most {_MOST_PIXELS // 10**6} million are decoded"
                )
            image.load()
            return _as_seen(image)
    except QueryError:
        raise
    except UnidentifiedImageError as error:
        raise QueryError(f"{name} is no picture that is known here; send JPEG, PNG or WebP") from error
    except Exception as error:  # Pillow's readers raise nearly anything on hostile bytes
        raise QueryError(f"{name} is damaged ({' '.join(str(error).split())[:120]}); send another") from error


def _as_seen(image: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):  # a broken EXIF block turns nothing
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would clip all above 255 to white
        values = np.asarray(image, dtype=np.float64)
        deep = image.mode.startswith("I;16") or values.max(initial=0.0) > 255
        image = Image.fromarray(np.clip(np.rint(values / (257.0 if deep else 1.0)), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        shown = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", shown.size, (255, 255, 255, 255)), shown)
    return image.convert("RGB")
