"""Whether a trained model may rank searches: not when held-out searches show that it is worse than the engine's order."""

from __future__ import annotations

from .compare import ENGINE_ORDER, Comparison, ComparisonRow, Figure


def reason_against(comparison: Comparison, ranker: str) -> str | None:
    """Return why a ranker of a comparison should not be put in service; else None.

    Of the three estimates the first whose 95 % interval excludes zero decides, the least biased one first: searches shown
    in random order, clicks weighed by 1 / examination probability, and clicks as logged. Where only the last differs from
    zero, the model is worse on what shoppers clicked, and no less biased estimate says the opposite.
    """
    model, engine = comparison.row(ranker), comparison.row(ENGINE_ORDER)
    for name, mine, base in _estimates(model, engine):
        difference = mine.difference
        if difference.low > 0:
            return None
        if difference.high < 0:
            return (
                f"on {comparison.slates} held-out searches it is worse than the {ENGINE_ORDER}: {name} it reaches "
                f"{mine.mean:.3f}, the {ENGINE_ORDER} {base.mean:.3f} "
                f"(95 % interval of the difference {difference.low:+.3f} to {difference.high:+.3f})"
            )
    return None


def _estimates(model: ComparisonRow, engine: ComparisonRow) -> list[tuple[str, Figure, Figure]]:
    """Return the model's and the engine's figure of each estimate, the least biased first."""
    estimates = [
        ("without position bias", model.unbiased, engine.unbiased),
        ("on clicks as logged (nDCG@10)", model.ndcg, engine.ndcg),
    ]
    if model.random and engine.random:
        estimates.insert(0, ("on searches shown in random order (nDCG@10)", model.random, engine.random))
    return estimates
