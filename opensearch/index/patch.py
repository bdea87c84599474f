"""Changing a document in place: fields are replaced whole, vectors that stay are not sent and not touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .bulk import Action

# A partial `doc` update would merge objects, so that a number that is gone stayed; and a new `images` list
# would lose the vectors of the pictures that are still in it.
_PATCH = """
Map source = ctx._source;
for (String name : params.remove) { source.remove(name); }
if (params.pictures != null) {
  Map known = new HashMap();
  if (source.images != null) { for (def old : source.images) { known.put(old.hash, old.vec); } }
  for (def picture : params.pictures) {
    if (picture.vec == null && known.get(picture.hash) != null) { picture.vec = known.get(picture.hash); }
  }
  source.images = params.pictures;
}
source.putAll(params.replace);
"""


def patch(
    id: str,
    replace: Mapping[str, Any],
    *,
    remove: Sequence[str] = (),
    pictures: Sequence[Mapping[str, Any]] | None = None,
) -> Action:
    """The update that replaces these top-level fields and removes those; the others stay bit for bit.

    `pictures`: the whole new list, None to leave it; one without `vec` keeps the vector that its hash has.
    """
    parameters: dict[str, Any] = {"replace": replace, "remove": list(remove)}
    if pictures is not None:
        parameters["pictures"] = list(pictures)
    return Action("update", id, parameters, _PATCH)
