"""The command `vitrine calibrate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from opensearch import options

if TYPE_CHECKING:
    from rerank.training.similarity_threshold import Calibration, Pairs


@click.command()
@options.index
@click.option(
    "--pictures",
    type=click.IntRange(20, 10_000),
    default=1000,
    show_default=True,
    help="Pictures that are compared with those of other products.",
)
@click.option(
    "--strays",
    type=click.FloatRange(0.1, 50),
    default=5.0,
    show_default=True,
    help="Of 100 pictures, how many may let another product pass.",
)
@options.url
@options.as_json
def calibrate(alias: str, pictures: int, false_accept_rate: float, url: str, as_json: bool) -> None:
    """Learn how near two pictures of one product are, for `vitrine search --image FILE --cheapest`.

    Every sampled picture is searched for among all other products. The floor lies just above the nearest of those but
    for --strays in a hundred, and is kept with the index until its pictures are embedded by another encoder.
    """
    from rich.console import Console
    from rich.progress import Progress

    from opensearch.client import connect
    from opensearch.index.meta import set_similarity_threshold
    from opensearch.index.versions import read_schema
    from rerank.training.similarity_threshold import calibrate as learn_floor

    console = Console(stderr=True)
    with connect(url) as client:
        schema = read_schema(client, alias)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("pictures", total=pictures)
            found = learn_floor(
                client,
                alias,
                schema,
                count=pictures,
                false_accept_rate=false_accept_rate / 100,
                tell=lambda done, total: progress.update(task, completed=done, total=total),
            )
        set_similarity_threshold(client, alias, found.similarity_threshold)
    if as_json:
        click.echo(json.dumps(found.to_dict()))
        return
    _tell(alias, found)


def _tell(alias: str, found: Calibration) -> None:
    click.echo(
        f"{alias}: pictures of cosine {found.similarity_threshold:.5f} and more count as the same product"
    )
    click.echo(
        f"the nearest other product of {found.pictures} pictures: median {found.impostor_similarity:.3f}, "
        f"{100 * found.false_accept_rate:.1f} % reach the floor"
    )
    _tell_pairs("two pictures of one product", found.same_product)
    _tell_pairs("two products of one group", found.same_group)
    if found.same_product and found.same_product.true_accept_rate < 0.5:
        click.echo(
            "Most second pictures stay below the floor: this image encoder does not tell such products apart. "
            "Train it longer or index with a larger one; a greater --strays lets more pass."
        )


def _tell_pairs(what: str, pairs: Pairs | None) -> None:
    if pairs is None:
        click.echo(f"{what}: none in the sample")
        return
    click.echo(
        f"{what}: {pairs.count} pairs, median {pairs.median:.3f}, {100 * pairs.true_accept_rate:.1f} % reach the floor"
    )
