"""Images fetched, decoded and prepared for the encoder in background threads."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from encoders.image_io import decode_image
from encoders.images.source import Fetch, ImagePlaces, ImageSource, image_ref, read_image, url_of
from encoders.protocol import ByteArray, FloatArray, ImageEncoder
from opensearch.index.indexed_state import IndexedState
from vitrine.errors import ImageError

from .vector_cache import VectorCache

_THREADS = 8  # most wait for a disk or a host; decoding releases the interpreter lock


@dataclass
class LoadedImage:
    """One image: its cached vector, or its pixels to embed, or neither when the index has it; or the problem."""

    ref: str
    hash: str | None = None
    pixels: ByteArray | None = None  # (size, size, 3)
    vec: FloatArray | None = None  # (d,)
    problem: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether the index lacks the image."""
        return self.pixels is not None or self.vec is not None


class ImageLoader:
    """Loads images for one encoder."""

    def __init__(
        self,
        encoder: ImageEncoder,
        cache: VectorCache,
        places: ImagePlaces,
        fetch: Fetch,
        refetch: bool = False,
    ) -> None:
        self.encoder = encoder
        self._cache = cache
        self._places = places
        self._fetch = fetch
        self._refetch = refetch
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="image")

    def submit(self, source: ImageSource, stored: IndexedState | None) -> Future[LoadedImage]:
        """Start loading an image in a background thread."""
        return self._pool.submit(self.load, source, stored)

    def close(self) -> None:
        """Stop the threads; images that are not loaded yet are dropped."""
        self._pool.shutdown(cancel_futures=True)

    def load(self, source: ImageSource, stored: IndexedState | None) -> LoadedImage:
        """Return the image; an indexed URL is not fetched again, and indexed bytes are not decoded again."""
        ref = image_ref(source)
        indexed = {old_ref: old_hash for old_hash, old_ref in (stored.images if stored else ())}
        try:
            if indexed.get(ref) and not self._refetch and url_of(source, self._places):
                return LoadedImage(ref, indexed[ref])
            file = read_image(source, self._places, self._fetch)
            if file.hash in indexed.values():
                return LoadedImage(ref, file.hash)
            cached = self._cache.get(self.encoder.name, [file.hash])
            if cached:
                return LoadedImage(ref, file.hash, vec=cached[file.hash])
            return LoadedImage(ref, file.hash, pixels=self._pixels(file.data))
        except ImageError as error:
            return LoadedImage(ref, problem=str(error))

    def _pixels(self, data: bytes) -> ByteArray:
        """Return the pixels of a file; a query's image is decoded at the same size (`QueryEncoders.image_side`)."""
        return self.encoder.prepare(decode_image(data, self.encoder.size))
