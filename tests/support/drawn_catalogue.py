"""A drawn catalogue: one image of a coloured shape per product, with colour and article in title and columns."""

from __future__ import annotations

import json
from pathlib import Path

COLOURS = {"red": (210, 30, 30), "green": (30, 160, 60), "blue": (30, 60, 200), "black": (20, 20, 20)}
ARTICLES = ("shoes", "dress", "bag")


def drawn_catalogue(folder: Path, products: int) -> Path:
    """Write `products` pictures and a JSONL catalogue that names them."""
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in range(products):
        colour, article = list(COLOURS)[row % 4], ARTICLES[row % 3]
        image = Image.new("RGB", (48, 40), "white")
        pen, shade = ImageDraw.Draw(image), COLOURS[colour]
        inset = row % 5
        if article == "shoes":
            pen.ellipse((4 + inset, 14, 44, 32), fill=shade)
        elif article == "dress":
            pen.polygon([(24, 2), (8 + inset, 38), (40, 38)], fill=shade)
        else:
            pen.rectangle((10, 10 + inset, 38, 36), fill=shade)
        image.save(folder / f"{row}.png")
        title = f"{colour} {article} for women"
        rows.append(
            {"id": str(row), "title": title, "colour": colour, "article": article, "image": f"{row}.png"}
        )
    path = folder / "drawn.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "plan.toml").write_text(
        '[fields]\nid = "id"\ntitle = "title"\nimages = ["image"]\nkeywords = ["colour", "article"]\n'
    )
    return path
