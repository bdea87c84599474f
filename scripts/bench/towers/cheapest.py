"""Phone photos of groceries against the calibrated floor: whose own product passes it, and whom another passes."""

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

from .course import data, picture_vectors
from .grocery import Grocery, read

PLAN = """[fields]
id = "id"
title = "title"
images = ["images"]
numbers = ["price"]
language = "en"
"""
KINDS = {"studio": "studio pictures alone", "photos": "studio pictures and phone photos"}


@click.group()
def main() -> None:
    """The two ends of `scripts/bench/cheapest`."""


@main.command()
@click.argument("work", type=click.Path(file_okay=False, path_type=Path))
def prepare(work: Path) -> None:
    """Write both catalogues and the plan into WORK."""
    (work / "plan.toml").write_text(PLAN)
    held = _held_back()
    for kind in KINDS:
        with (work / f"{kind}.jsonl").open("w") as file:
            for number, grocery in enumerate(held):
                pictures = [grocery.studio, *(_shelved(grocery) if kind == "photos" else ())]
                names = [f"{number}-{place}.jpg" for place in range(len(pictures))]
                for picture, name in zip(pictures, names, strict=True):
                    shutil.copyfile(picture, work / name)
                row = {"id": str(number), "title": grocery.name, "price": 1.0 + number, "images": names}
                file.write(json.dumps(row) + "\n")


@main.command()
@click.argument("work", type=click.Path(exists=True, file_okay=False, path_type=Path))
def show(work: Path) -> None:
    """Search with the other half of the photos and count what passes the floor."""
    client, store = connect(), open_store()
    held = _held_back()
    answers = [number for number, grocery in enumerate(held) for _ in _asked(grocery)]
    tower = open_image_encoder(str(_schema_encoder("studio")), store)
    vectors = picture_vectors(tower, [photo for grocery in held for photo in _asked(grocery)])
    table = Table(title=f"{len(answers)} phone photos of {len(held)} products of unseen classes")
    for column in ("indexed", "floor", "own product passes", "another passes", "own is nearest"):
        table.add_column(column)
    for kind, meaning in KINDS.items():
        alias = f"cheapest-{kind}"
        schema = read_schema(client, alias)
        if schema.similarity_threshold is None:
            raise click.ClickException(f"{alias} is not calibrated; run scripts/bench/cheapest")
        own, foreign, first = [], [], []
        for answer, vector in zip(answers, vectors, strict=True):
            body = hybrid_body(Query(vectors={"image": vector}, has_image=True), schema, page=Page(source=()))
            found = retrieve(client, alias, body).candidates
            true_accept_rate = {
                candidate.id for candidate in found if cosine_of(candidate) >= schema.similarity_threshold
            }
            own.append(str(answer) in true_accept_rate)
            foreign.append(bool(true_accept_rate - {str(answer)}))
            first.append(found[0].id == str(answer))
        shares = (f"{np.mean(values):.1%}" for values in (own, foreign, first))
        table.add_row(meaning, f"{schema.similarity_threshold:.3f}", *shares)
    Console().print(table)


def _schema_encoder(kind: str) -> str:
    field = read_schema(connect(), f"cheapest-{kind}").vectors.get("image")
    if field is None:
        raise click.ClickException(f"cheapest-{kind} holds no picture vectors; run scripts/bench/cheapest")
    return field.encoder


def _held_back() -> list[Grocery]:
    return [grocery for grocery in read(data("grocery")) if grocery.is_held_back]


def _shelved(grocery: Grocery) -> tuple[Path, ...]:
    """The first half of the photos, in the order of the data set: other shelves and shops than the second."""
    return grocery.photos[: len(grocery.photos) // 2]


def _asked(grocery: Grocery) -> tuple[Path, ...]:
    return grocery.photos[len(grocery.photos) // 2 :]


if __name__ == "__main__":
    main()
