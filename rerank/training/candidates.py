"""The rankers that `vitrine train` makes from a log and compares, as a table of functions.

To add one, add a function to `CANDIDATES`; the option `--candidates` reads the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from rerank.arrays import FloatArray
from rerank.features.item_table import ItemTower, VectorsOnly
from rerank.features.scaler import Scaler
from rerank.models.card import LAMBDAMART, NEURAL, RRF
from rerank.models.catalogue import CatalogueWeights
from rerank.models.lambdamart import LambdaMART
from rerank.models.neural.fusions import FUSIONS
from rerank.models.rrf import RRFSettings
from rerank.training.comparison.compare import rrf_of_examples
from vitrine.errors import NothingLearnedError, RerankError

from .artifacts import TrainedModel, TrainingData
from .calibration import calibrate
from .examples import Examples, QueryTable
from .propensity import DEPTH, PositionBias

if TYPE_CHECKING:
    from rerank.features.words import ProductWords
    from rerank.training.catalogue.learn import LearnedCatalogue

    from .fit import FitResult, TrainingSettings

OnProgress = Callable[[str, int, int], None]  # stage, done, total
Missing = frozenset[str]
_TREES = 100


@dataclass(frozen=True)
class Split:
    """Examples in order of time: for training, for validation, and held out for the comparison."""

    train: Examples
    validation: Examples
    held_out: Examples


@dataclass(frozen=True)
class Round:
    """What every candidate is made from."""

    data: TrainingData
    split: Split
    positions: PositionBias
    scaler: Scaler
    queries: QueryTable
    settings: TrainingSettings
    rrf: RRFSettings
    on_progress: OnProgress
    catalogue: tuple[LearnedCatalogue, ProductWords] | None = (
        None  # what the products alone teach, and their words
    )


@dataclass(frozen=True)
class RankerCandidate:
    """A ranker before it is stored, and its scores; `served` is False for a ceiling.

    The scores of a `calibrated` one are log odds of a click on an examined candidate.

    `score` returns the scores (S, L) of examples when some signals are missing: the engine's rank, or those that
    explanations name.
    """

    label: str
    model: TrainedModel
    score: Callable[[Examples, Missing], FloatArray]
    served: bool = True
    calibrated: bool = True


def fused(run: Round) -> RankerCandidate:
    """Return the neural fusion of the settings, trained on the log. Raises NothingLearnedError."""
    from .dataset import SlateDataset
    from .fit import fit, score, steps_of

    settings, split, products = run.settings, run.split, run.data.products
    dataset = SlateDataset(products, run.scaler, run.queries)
    steps = steps_of(settings, split.train)
    done = iter(range(1, steps + 1))
    fitted = fit(
        dataset,
        split.train,
        split.validation,
        run.positions,
        settings,
        lambda message: run.on_progress(message, next(done), steps),
    )
    run.on_progress(f"epoch {len(fitted.training)} was the last", steps, steps)
    network, fusion = fitted.network, FUSIONS[settings.fusion]
    slope, intercept = 1.0, 0.0
    weights = network.served(run.scaler)
    if network.sizes.outputs == 1:  # two outputs are probabilities already
        slope, intercept = calibrate(
            score(network, dataset, split.validation), split.validation, run.positions
        )
        weights["head.w2"] = weights["head.w2"] * np.float32(slope)
        weights["head.b2"] = weights["head.b2"] * np.float32(slope) + np.float32(intercept)
    spaces = tuple(products.dimensions)
    served = fusion.served_class is not None
    tower: ItemTower = (
        fusion.served(weights, spaces, settings.interest) if served else VectorsOnly(products.dimensions)
    )
    model = TrainedModel(
        NEURAL, weights, tower, settings.fusion, settings.interest, _fit_report(settings, fitted)
    )

    def scores(examples: Examples, missing: Missing) -> FloatArray:
        examples = examples.without(products.plan, missing)
        raw = score(network, replace(dataset, missing=missing), examples)
        return np.asarray(slope * raw + intercept, dtype=np.float32)

    return RankerCandidate("neural fusion", model, scores, served, calibrated=network.sizes.outputs == 1)


def lambdamart(run: Round) -> RankerCandidate:
    """Return LightGBM LambdaMART on the same features, slates and gains, with its own position debiasing.

    Raises RerankError where LightGBM cannot be loaded: it needs the system's OpenMP runtime.
    """
    try:
        import lightgbm
    except OSError as error:
        raise RerankError(
            f"LightGBM cannot be loaded ({error}); install the system's OpenMP runtime (libgomp1)"
        ) from error

    train = run.split.train
    position = np.where(train.position < 0, DEPTH, train.position)
    data = lightgbm.Dataset(
        train.x[train.mask],
        label=train.gains[train.mask].astype(np.int64),
        group=train.mask.sum(axis=1),
        position=position[train.mask],
    )
    settings = {
        "objective": "lambdarank",
        "num_leaves": 31,
        "learning_rate": 0.05,
        "min_data_in_leaf": 20,
        "verbosity": -1,
        "num_threads": 1,
        "seed": run.settings.seed,
        "deterministic": True,
    }
    run.on_progress("LambdaMART", 0, 1)
    # no early stopping: on clicks as logged it would stop where the shown order is learned
    booster = lightgbm.train(settings, data, num_boost_round=_TREES)
    trees = LambdaMART(booster)
    validation = run.split.validation
    trees = LambdaMART(booster, *calibrate(_tree_scores(trees, validation), validation, run.positions))
    run.on_progress("LambdaMART", 1, 1)
    plan = run.data.products.plan
    model = TrainedModel(
        LAMBDAMART,
        trees.to_arrays(),
        VectorsOnly(run.data.products.dimensions),
        training={"trees": booster.num_trees()},
    )
    return RankerCandidate(
        "LightGBM LambdaMART",
        model,
        lambda examples, missing: _tree_scores(trees, examples.without(plan, missing)),
    )


def _tree_scores(trees: LambdaMART, examples: Examples) -> FloatArray:
    values = np.full(examples.mask.shape, -np.inf, dtype=np.float32)
    values[examples.mask] = trees.scores(examples.x[examples.mask])
    return values


def without_learning(run: Round) -> RankerCandidate:
    """Return the reciprocal rank fusion that learns from no click."""
    plan = run.data.products.plan
    return RankerCandidate(
        "fusion without learning",
        rrf_model(run.data, run.rrf),
        lambda examples, missing: rrf_of_examples(examples, plan, _without(run.rrf, missing)),
        calibrated=False,
    )


def from_catalogue(run: Round) -> RankerCandidate:
    """Return the ranker that the products alone teach. Raises RerankError where they were not read."""
    from rerank.training.catalogue.learn import catalogue_model
    from rerank.training.catalogue.log_scores import catalogue_scores_of

    if run.catalogue is None:
        raise RerankError("the words of the products were not read")
    learned, words = run.catalogue
    return RankerCandidate(
        "catalogue ranker",
        catalogue_model(run.data, learned, words),
        lambda examples, missing: catalogue_scores_of(
            examples,
            run.data.products,
            run.queries,
            words,
            reduce(CatalogueWeights.without, missing, learned.weights),
        ),
        calibrated=False,
    )


def _without(settings: RRFSettings, missing: Missing) -> RRFSettings:
    for signal in missing:
        settings = settings.without(signal)
    return settings


def rrf_model(data: TrainingData, settings: RRFSettings) -> TrainedModel:
    """Return a reciprocal rank fusion before it is stored."""
    training = {"fusion": asdict(settings)}
    return TrainedModel(RRF, settings.to_arrays(), VectorsOnly(data.products.dimensions), training=training)


CANDIDATES: Mapping[str, Callable[[Round], RankerCandidate]] = {
    "fused": fused,
    "lambdamart": lambdamart,
    "catalogue": from_catalogue,
    "rrf": without_learning,
}


def make_candidates(names: tuple[str, ...], run: Round) -> tuple[list[RankerCandidate], dict[str, str]]:
    """Return the candidates of these names, and why others could not be made, by name.

    Raises NothingLearnedError when none could be made.
    """
    made, failed = [], {}
    for name in names:
        try:
            made.append(CANDIDATES[name](run))
        except RerankError as error:
            failed[name] = str(error)
    if not any(candidate.served for candidate in made):
        raise NothingLearnedError("; ".join(failed.values()) or "no candidate has a served form")
    return made, failed


def _fit_report(settings: TrainingSettings, fitted: FitResult) -> dict[str, Any]:
    """Return how the network was trained, for the model card."""
    return {
        "settings": asdict(settings),
        "training loss": [round(loss, 4) for loss in fitted.training],
        "validation loss": [round(loss, 4) for loss in fitted.validation],
        "validation loss of equal scores": round(fitted.uniform_loss, 4),
    }
