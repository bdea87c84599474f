"""Texts and images to vectors; encoders are artifacts in the store, named by their content.

The public names below are imported on first use, so that `import encoders` loads neither torch nor ONNX Runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitrine.lazy import lazy_names

if TYPE_CHECKING:
    from .card import EncoderCard, ImageCard, TextCard, read_card
    from .image import open_image_encoder
    from .image_io import decode_image
    from .onnx.image import open_onnx_image
    from .onnx.text import open_onnx_text
    from .protocol import ImageEncoder, TextEncoder
    from .text import open_text_encoder

# public name -> module that defines it
_MODULES = {
    "EncoderCard": "card",
    "ImageCard": "card",
    "ImageEncoder": "protocol",
    "TextCard": "card",
    "TextEncoder": "protocol",
    "decode_image": "image_io",
    "open_image_encoder": "image",
    "open_onnx_image": "onnx.image",
    "open_onnx_text": "onnx.text",
    "open_text_encoder": "text",
    "read_card": "card",
}
__all__ = [
    "EncoderCard",
    "ImageCard",
    "ImageEncoder",
    "TextCard",
    "TextEncoder",
    "decode_image",
    "open_image_encoder",
    "open_onnx_image",
    "open_onnx_text",
    "open_text_encoder",
    "read_card",
]

__getattr__ = lazy_names(__name__, _MODULES)
