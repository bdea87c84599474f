"""Updates of a document: whole fields are replaced, vectors that stay are neither sent nor changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .bulk import Action

# A partial `doc` update merges objects, so that a removed number would stay, and a new `images` list would lose
# the vectors of the images that remain.
_PATCH = """
Map source = ctx._source;
for (String name : params.remove) { source.remove(name); }
if (params.images != null) {
  Map vectors = new HashMap();
  if (source.images != null) { for (def old : source.images) { vectors.put(old.hash, old.vec); } }
  for (def image : params.images) {
    if (image.vec == null && vectors.get(image.hash) != null) { image.vec = vectors.get(image.hash); }
  }
  source.images = params.images;
}
source.putAll(params.replace);
"""


def patch(
    id: str,
    replace: Mapping[str, Any],
    *,
    remove: Sequence[str] = (),
    images: Sequence[Mapping[str, Any]] | None = None,
) -> Action:
    """Return the update that replaces and removes top-level fields of a document; other fields stay bit for bit.

    `images` is the complete new list, None to leave it; an image without `vec` keeps the vector stored for its hash.
    """
    parameters: dict[str, Any] = {"replace": replace, "remove": list(remove)}
    if images is not None:
        parameters["images"] = list(images)
    return Action("update", id, parameters, _PATCH)
