"""The command `vitrine calibrate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from opensearch import options

if TYPE_CHECKING:
    from rerank.training.similarity_threshold import Calibration, PairStatistics


@click.command()
@options.index
@click.option(
    "--images",
    type=click.IntRange(20, 10_000),
    default=1000,
    show_default=True,
    help="Sampled images, each compared with those of other products.",
)
@click.option(
    "--false-accept-rate",
    type=click.FloatRange(0.1, 50),
    default=5.0,
    show_default=True,
    help="Percentage of images that may accept another product.",
)
@options.url
@options.as_json
def calibrate(alias: str, images: int, false_accept_rate: float, url: str, as_json: bool) -> None:
    """Learn the similarity threshold from which two images show one product, for `vitrine search --image FILE --cheapest`.

    Each sampled image is searched for among all other products. The threshold is the lowest cosine that at most the
    false-accept rate of the nearest other products reach. It is stored with the index until another encoder embeds the
    images.
    """
    from rich.console import Console
    from rich.progress import Progress

    from opensearch.client import connect
    from opensearch.index.meta import set_similarity_threshold
    from opensearch.index.versions import read_schema
    from rerank.training.similarity_threshold import calibrate_threshold

    console = Console(stderr=True)
    with connect(url) as client:
        schema = read_schema(client, alias)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("images", total=images)
            result = calibrate_threshold(
                client,
                alias,
                schema,
                count=images,
                false_accept_rate=false_accept_rate / 100,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        set_similarity_threshold(client, alias, result.similarity_threshold)
    if as_json:
        click.echo(json.dumps(result.to_dict()))
        return
    _print(alias, result)


def _print(alias: str, result: Calibration) -> None:
    click.echo(
        f"{alias}: images with a cosine of {result.similarity_threshold:.5f} and more show one product"
    )
    click.echo(
        f"the nearest other product of {result.images} images: median {result.impostor_similarity:.3f}, "
        f"{100 * result.false_accept_rate:.1f} % reach the threshold"
    )
    _print_pairs("two images of one product", result.same_product)
    _print_pairs("two products of one group", result.same_group)
    if result.same_product and result.same_product.true_accept_rate < 0.5:
        click.echo(
            "Most second images of a product are below the threshold: this image encoder does not separate such products. "
            "Train it longer or index with a larger one; a greater --false-accept-rate accepts more."
        )


def _print_pairs(label: str, pairs: PairStatistics | None) -> None:
    if pairs is None:
        click.echo(f"{label}: none in the sample")
        return
    click.echo(
        f"{label}: {pairs.count} pairs, median {pairs.median:.3f}, "
        f"{100 * pairs.true_accept_rate:.1f} % reach the threshold"
    )
