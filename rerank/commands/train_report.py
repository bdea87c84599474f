"""What `vitrine train` says at its end: the ranker in service, why it is that one, and what the log could not give."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from rerank.training.log.events import Log
    from rerank.training.train import TrainingResult
    from vitrine.store import ArtifactSet


@dataclass(frozen=True)
class TrainingOutcome:
    """The artifacts in service at the end of a training.

    `served` is the result that was put in service, None when the model in service stays. `reason` says why no trained model
    was put in service, or what `--force` passed over. `refused` is a trained model that was not put in service.
    """

    serving: ArtifactSet
    served: TrainingResult | None = None
    reason: str | None = None
    refused: TrainingResult | None = None
    failed: bool = False
    moved_profiles: int = 0


def print_outcome(alias: str, outcome: TrainingOutcome, log: Log, as_json: bool) -> None:
    """Print the outcome as text, or as one JSON object."""
    if as_json:
        click.echo(json.dumps(_document(outcome, log), ensure_ascii=False))
        return
    _print_comparison(outcome)
    trained = outcome.refused or outcome.served
    for name, why in (trained.failed if trained else {}).items():
        click.echo(f"candidate {name} was not made: {why}")
    for note in log.notes:
        click.echo(f"log: {note}")
    if outcome.moved_profiles:
        click.echo(
            f"{outcome.moved_profiles:,} shopper profiles of an earlier release stood under raw ids or older hashes; "
            "they are now under keyed hashes, and the raw ids are deleted."
        )
    _print_reason(alias, outcome)
    names = asdict(outcome.serving)
    ranked = f"ranked by {names['model']} with {names['items']} and {names['behaviour']}."
    click.echo(f"{alias} is {'now' if outcome.served else 'still'} {ranked}")


def _document(outcome: TrainingOutcome, log: Log) -> dict[str, Any]:
    trained = outcome.refused or outcome.served
    comparison = trained.comparison.to_dict() if trained and trained.comparison else None
    return {
        "kind": outcome.served.kind if outcome.served else None,
        **asdict(outcome.serving),
        "training": trained.training if trained else None,
        "comparison": comparison,
        "chosen": trained.label if trained else None,
        "failed": dict(trained.failed) if trained else {},
        "reason": outcome.reason,
        "refused": asdict(outcome.refused.artifacts) if outcome.refused else None,
        "notes": [note.to_dict() for note in log.notes],
        "moved_profiles": outcome.moved_profiles,
    }


def _print_comparison(outcome: TrainingOutcome) -> None:
    trained = outcome.refused or outcome.served
    if trained is None or trained.comparison is None:
        return
    from rich.console import Console

    from rerank.training.comparison.tables import ablation_table, comparison_table, orders_table

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(comparison_table(trained.comparison))
    if trained.label and trained.comparison.ablations:
        console.print(ablation_table(trained.comparison, trained.label))
    if trained.comparison.orders:
        console.print(orders_table(trained.comparison))


def _print_reason(alias: str, outcome: TrainingOutcome) -> None:
    served, refused = outcome.served, outcome.refused
    if refused:
        name = refused.artifacts.model
        click.echo(
            f"Not in service: {name}, because {outcome.reason}. It is in the store: "
            f"`vitrine model use {name} --index {alias}` puts it in service, as `vitrine train --force` would."
        )
    elif served and served.label and outcome.reason:
        click.echo(f"In service by --force, although {outcome.reason}.")
    elif outcome.reason:
        click.echo(f"Nothing was learned: {outcome.reason}.")
    if served and served.kind in _WITHOUT_LOG:
        click.echo(f"In service: {_WITHOUT_LOG[served.kind](served.training)}, which learns from no click.")
        click.echo("Run `vitrine train` again when the UBI log holds more clicks.")
    elif served and served.label:
        click.echo(f"In service: the {served.label}, the best candidate without position bias.")


def _describe_catalogue(training: dict[str, Any]) -> str:
    learned = training["catalogue"]
    weights = ", ".join(f"{signal} {weight:g}" for signal, weight in learned["weights"].items())
    description = f"the catalogue ranker with the weights {weights}"
    figures = learned["nDCG@10"]
    if not figures:
        return f"{description}, the default ones: the catalogue gives too few queries to learn from"
    return (
        f"{description}; nDCG@10 on {learned['attribute queries']} queries made of attributes "
        f"{figures['learned']:.3f}, the engine's order {figures['engine order']:.3f}"
    )


def _describe_rrf(training: dict[str, Any]) -> str:
    from opensearch.index.spaces import SPACES

    fusion = training["fusion"]
    labels = {"engine": "the engine's order", **{space: f"{space} cosine" for space in SPACES}}
    weights = [f"{labels.get(signal, signal)} {weight:g}" for signal, weight in fusion["weights"].items()]
    description = f"reciprocal rank fusion of {', '.join(weights)}"
    correction = fusion["missing_image_correction"]
    if correction == 1.0:
        return description
    return f"{description}; the rank of a product without image is divided by {correction:.2g}"


# by kind of the rankers that learn from no click
_WITHOUT_LOG: dict[str, Callable[[dict[str, Any]], str]] = {
    "catalogue": _describe_catalogue,
    "rrf": _describe_rrf,
}
