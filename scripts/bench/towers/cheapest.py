"""Phone photos of groceries against the calibrated similarity threshold: true and false accepts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from encoders.image import open_image_encoder
from opensearch.client import connect
from opensearch.index.versions import read_schema
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from rerank.cheapest import cosine_of
from vitrine.store import open_store

from .common import data, image_vectors
from .grocery import Grocery, read

PLAN = """[fields]
id = "id"
title = "title"
images = ["images"]
numbers = ["price"]
language = "en"
"""
KINDS = {"studio": "studio images alone", "photos": "studio images and phone photos"}


@click.group()
def main() -> None:
    """The two steps of `scripts/bench/cheapest`."""


@main.command()
@click.argument("work", type=click.Path(file_okay=False, path_type=Path))
def prepare(work: Path) -> None:
    """Write both catalogues and the plan into WORK."""
    (work / "plan.toml").write_text(PLAN)
    held_out = _held_out()
    for kind in KINDS:
        with (work / f"{kind}.jsonl").open("w") as file:
            for number, grocery in enumerate(held_out):
                images = [grocery.studio, *(_catalogue_photos(grocery) if kind == "photos" else ())]
                names = [f"{number}-{place}.jpg" for place in range(len(images))]
                for image, name in zip(images, names, strict=True):
                    shutil.copyfile(image, work / name)
                row = {"id": str(number), "title": grocery.name, "price": 1.0 + number, "images": names}
                file.write(json.dumps(row) + "\n")


@main.command()
@click.argument("work", type=click.Path(exists=True, file_okay=False, path_type=Path))
def show(work: Path) -> None:
    """Search with the other half of the photos and count the products above the threshold."""
    client, store = connect(), open_store()
    held_out = _held_out()
    answers = [number for number, grocery in enumerate(held_out) for _ in _query_photos(grocery)]
    tower = open_image_encoder(str(_schema_encoder("studio")), store)
    vectors = image_vectors(tower, [photo for grocery in held_out for photo in _query_photos(grocery)])
    table = Table(title=f"{len(answers)} phone photos of {len(held_out)} products of unseen classes")
    for column in ("indexed", "threshold", "own product accepted", "another accepted", "own is nearest"):
        table.add_column(column)
    for kind, meaning in KINDS.items():
        alias = f"cheapest-{kind}"
        schema = read_schema(client, alias)
        if schema.similarity_threshold is None:
            raise click.ClickException(f"{alias} is not calibrated; run scripts/bench/cheapest")
        own, others, first = [], [], []
        for answer, vector in zip(answers, vectors, strict=True):
            body = hybrid_body(Query(vectors={"image": vector}, has_image=True), schema, page=Page(source=()))
            candidates = retrieve(client, alias, body).candidates
            accepted = {
                candidate.id
                for candidate in candidates
                if cosine_of(candidate) >= schema.similarity_threshold
            }
            own.append(str(answer) in accepted)
            others.append(bool(accepted - {str(answer)}))
            first.append(candidates[0].id == str(answer))
        shares = (f"{np.mean(values):.1%}" for values in (own, others, first))
        table.add_row(meaning, f"{schema.similarity_threshold:.3f}", *shares)
    Console().print(table)


def _schema_encoder(kind: str) -> str:
    field = read_schema(connect(), f"cheapest-{kind}").vectors.get("image")
    if field is None:
        raise click.ClickException(f"cheapest-{kind} has no image vectors; run scripts/bench/cheapest")
    return field.encoder


def _held_out() -> list[Grocery]:
    return [grocery for grocery in read(data("grocery")) if grocery.is_held_out]


def _catalogue_photos(grocery: Grocery) -> tuple[Path, ...]:
    """The first half of the photos, taken at other shelves and shops than the second half."""
    return grocery.photos[: len(grocery.photos) // 2]


def _query_photos(grocery: Grocery) -> tuple[Path, ...]:
    return grocery.photos[len(grocery.photos) // 2 :]


if __name__ == "__main__":
    main()
