"""Draw the sample catalogue: `python -m scripts.sample.catalogue --out FOLDER`."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import click
import tomli_w

from .designs import LINES, Style, invent
from .images.drawing import ImageSpec, draw
from .titles import TitleAttributes, describe, title

PLAN: dict[str, Any] = {
    "id": "id",
    "title": "title",
    "text": ["description"],
    "images": ["images"],
    "numbers": ["price", "rating", "reviews", "stock"],
    "keywords": ["category", "brand", "colour", "pattern", "gender", "season", "material"],
    "dates": ["created"],
    "language": "en",
    "language_field": "lang",
    "group": "style_id",
    "available": "in_stock",
    "created": "created",
}


@dataclass(frozen=True)
class Truth:
    """The true attributes of a product, and which of them its text names; for evaluating the demo, never indexed."""

    id: str
    category: str
    shape: str
    colour: str
    pattern: str
    brand: str
    gender: str | None
    price: float
    quality: float  # 0 to 1
    language: str
    pictured: bool
    tells_colour: bool  # in the title or a column
    tells_pattern: bool
    created: str  # ISO date

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls(**values)


@dataclass(frozen=True)
class Catalogue:
    rows: list[dict[str, Any]]
    truths: list[Truth]

    def images(self) -> list[tuple[str, ImageSpec]]:
        """The path of every image in the folder, and its content."""
        return [
            (path, ImageSpec(truth.category, truth.shape, truth.colour, truth.pattern))
            for row, truth in zip(self.rows, self.truths, strict=True)
            for path in row["images"]
        ]


def draw_catalogue(count: int = 2000, seed: int = 7, today: date | None = None) -> Catalogue:
    """The rows and their true attributes; the same arguments give the same catalogue."""
    today = today or date.today()
    rng = random.Random(f"catalogue:{seed}")
    wanted = [line for line in LINES for _ in range(line.count)][:count]
    variants = [(f"s{n:04d}", invent(rng, line), line.colour) for n, line in enumerate(wanted)]
    for n in range(len(variants), count):
        style = invent(rng)
        variants += [(f"s{n:04d}", style, colour) for colour in style.colours]
    variants = variants[:count]
    rng.shuffle(variants)
    catalogue = Catalogue([], [])
    for n, (style_id, style, colour) in enumerate(variants, start=1):
        row, truth = _product(style, colour, rng, today)
        catalogue.rows.append({"id": f"p{n:04d}", "style_id": style_id, **row, "images": _pictures(n, rng)})
        pictured = bool(catalogue.rows[-1]["images"])
        catalogue.truths.append(replace(truth, id=f"p{n:04d}", pictured=pictured))
    return catalogue


def _product(style: Style, colour: str, rng: random.Random, today: date) -> tuple[dict[str, Any], Truth]:
    """One row without its id and images; unknown attributes are left out, an unknown price is null."""
    silent = style.brand.terse
    columns = TitleAttributes(not silent and rng.random() < 0.7, not silent and rng.random() < 0.6)
    titled = TitleAttributes(not silent and rng.random() < 0.54, not silent and rng.random() < 0.54)
    age_days = rng.randint(1, 28) if rng.random() < 0.05 else rng.randint(29, 720)
    stock = 0 if rng.random() < 0.05 else 1 + round(math.exp(rng.gauss(3, 1)))
    row: dict[str, Any] = {
        "title": title(style, colour, titled, rng),
        "description": describe(style, rng) if rng.random() < 0.75 else None,
        "lang": style.language,
        "category": style.category,
        "brand": style.brand.name,
        "colour": colour if columns.colour else None,
        "pattern": style.pattern if columns.pattern else None,
        "gender": style.gender,
        "season": style.season,
        "material": style.material,
        "price": style.price if rng.random() < 0.96 else None,
        "rating": _rating(style.quality, rng) if rng.random() < 0.94 else None,
        "reviews": round(math.exp(rng.gauss(2.2, 1)) * min(1, age_days / 200)),
        "stock": stock,
        "in_stock": stock > 0,
        "created": (today - timedelta(days=age_days)).isoformat(),
    }
    truth = Truth(
        id="",
        category=style.category,
        shape=style.shape,
        colour=colour,
        pattern=style.pattern,
        brand=style.brand.name,
        gender=style.gender,
        price=style.price,
        quality=round(style.quality, 4),
        language=style.language,
        pictured=False,
        tells_colour=columns.colour or titled.colour,
        tells_pattern=columns.pattern or titled.pattern,
        created=row["created"],
    )
    return {key: value for key, value in row.items() if value is not None or key == "price"}, truth


def _pictures(number: int, rng: random.Random) -> list[str]:
    views = rng.choices((0, 1, 2), weights=(4, 88, 8))[0]
    return [f"images/p{number:04d}{suffix}.jpg" for suffix in ("", "b")[:views]]


def _rating(quality: float, rng: random.Random) -> float:
    return round(min(5.0, max(1.0, 2.7 + 2.2 * quality + rng.gauss(0, 0.25))), 1)


def write_catalogue(
    catalogue: Catalogue, folder: Path, progress: Callable[[Sequence[Any]], Iterator[Any]] = iter
) -> None:
    """Write catalogue.jsonl, catalogue.toml, truth.jsonl and the images into `folder`."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for stale in (folder / "images").glob("p*.jpg"):  # of an earlier shop
        stale.unlink()
    _write_lines(folder / "catalogue.jsonl", catalogue.rows)
    _write_lines(folder / "truth.jsonl", [asdict(truth) for truth in catalogue.truths])
    (folder / "catalogue.toml").write_text(tomli_w.dumps({"fields": PLAN}), encoding="utf-8")
    for path, spec in progress(catalogue.images()):
        draw(spec, path).save(folder / path, quality=90)


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_truths(folder: Path) -> dict[str, Truth]:
    """The hidden truth of a drawn catalogue by product id."""
    with (folder / "truth.jsonl").open(encoding="utf-8") as file:
        truths = [Truth.from_dict(json.loads(line)) for line in file]
    return {truth.id: truth for truth in truths}


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to fill."
)
@click.option(
    "--count", type=click.IntRange(min=1), default=2000, show_default=True, help="How many products."
)
@click.option("--seed", default=7, show_default=True, help="Same seed and day: same shop.")
def main(out: Path, count: int, seed: int) -> None:
    """Generate a catalogue with images, and its true attributes in a file of their own."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    catalogue = draw_catalogue(count, seed)
    write_catalogue(catalogue, out, lambda work: iter(track(work, "Drawing images", console=console)))
    click.echo(f"{count} products with {len(catalogue.images())} images in {out}", err=True)


if __name__ == "__main__":
    main()
