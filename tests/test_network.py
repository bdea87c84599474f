"""The training form and the served form are one function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank.arrays import unit
from rerank.features.item_table import ItemRows
from rerank.features.scaler import Scaler
from rerank.models.neural.fusions import FUSIONS
from rerank.models.neural.losses import expected_gain
from rerank.models.neural.network import Batch, FusionNetwork, ItemInputs, NetworkSizes
from rerank.models.neural.served import ServedFusion
from rerank.models.neural.served_interest import INTERESTS

CANDIDATES, CLICKS = 30, 6
SIZES = NetworkSizes(vectors={"text": 10, "image": 7}, numbers=2, features=9)
THREE_SPACES = NetworkSizes(vectors={"text": 10, "image": 7, "sound": 4}, numbers=2, features=9)


def network(sizes: NetworkSizes, seed: int, fusion: str = "gated") -> FusionNetwork:
    torch.manual_seed(seed)
    model = FUSIONS[fusion].network(sizes)
    rng = np.random.default_rng(seed)
    model.standardise((3.0 + 2.0 * rng.normal(size=(50, sizes.features))).astype(np.float32))
    model.eval()
    return model


def scaler_of(sizes: NetworkSizes) -> Scaler:
    return Scaler(np.linspace(-1, 1, sizes.numbers), np.linspace(1, 2, sizes.numbers))


def sample(sizes: NetworkSizes, seed: int, history: int, query: set[str] | None = None) -> dict[str, Any]:
    """Raw products of which some lack a vector or numbers, the first and the last one all of them, and a query."""
    rng = np.random.default_rng(seed)
    count = CANDIDATES + CLICKS
    mask = rng.random((count, len(sizes.vectors) + 1)) < 0.7
    mask[-1] = mask[0] = False
    vectors = {
        space: unit(rng.normal(size=(count, width)).astype(np.float32)) * mask[:, [column]]
        for column, (space, width) in enumerate(sizes.vectors.items())
    }
    return {
        "vectors": vectors,
        "numbers": np.where(mask[:, -1:], 5 * rng.normal(size=(count, sizes.numbers)), np.nan),
        "x": (3 + 2 * rng.normal(size=(CANDIDATES, sizes.features))).astype(np.float32),
        "query": {
            space: unit(rng.normal(size=width).astype(np.float32)) for space, width in sizes.vectors.items()
        },
        "query_spaces": set(sizes.vectors) if query is None else query,
        "clicks": CANDIDATES + np.arange(history),
        "age_hours": np.abs(100 * rng.normal(size=history)),
    }


def training_scores(model: FusionNetwork, scaler: Scaler, data: dict[str, Any]) -> np.ndarray:
    scaled = scaler.scale(data["numbers"])
    known = np.isfinite(scaled)
    numbers = np.concatenate([np.where(known, scaled, 0), ~known], axis=1).astype(np.float32)
    vectors = {space: torch.from_numpy(array) for space, array in data["vectors"].items()}
    clicks = np.zeros(CLICKS, dtype=np.int64)  # padded to the same length for every history
    clicks[: len(data["clicks"])] = data["clicks"]
    ages = np.zeros(CLICKS, dtype=np.float32)
    ages[: len(data["clicks"])] = data["age_hours"]
    batch = Batch(
        x=torch.from_numpy(data["x"])[None],
        candidates=torch.arange(CANDIDATES)[None],
        clicks=torch.from_numpy(clicks)[None],
        click_mask=(torch.arange(CLICKS) < len(data["clicks"]))[None],
        age_hours=torch.from_numpy(ages)[None],
        query={space: torch.from_numpy(vector)[None] for space, vector in data["query"].items()},
        has_query={space: torch.tensor([space in data["query_spaces"]]) for space in data["query"]},
        mask=torch.ones(1, CANDIDATES, dtype=torch.bool),
    )
    with torch.no_grad():
        rows = model.tower(ItemInputs(vectors, torch.from_numpy(numbers)))
        outputs: np.ndarray = model(rows, batch)[0].numpy()
    return outputs[:, 0] if outputs.shape[1] == 1 else expected_gain(outputs)


def served_scores(model: ServedFusion, data: dict[str, Any], dtype: type = np.float32) -> np.ndarray:
    rows = model.rows(data["vectors"], data["numbers"])
    values = np.concatenate([*data["vectors"].values(), rows], axis=1).astype(dtype).astype(np.float32)
    known = np.isfinite(data["numbers"]).any(axis=1)
    present = np.column_stack([*(array.any(axis=1) for array in data["vectors"].values()), known])
    clicks = data["clicks"]
    # a query vector of any length gives the same scores
    query = {space: 3 * data["query"][space] for space in data["query_spaces"]}
    return model.scores(
        data["x"],
        ItemRows(model.layout, values[:CANDIDATES], present[:CANDIDATES]),
        query,
        ItemRows(model.layout, values[clicks], present[clicks]) if len(clicks) else None,
        data["age_hours"],
    )


def served_form(model: FusionNetwork, scaler: Scaler, fusion: str = "gated") -> ServedFusion:
    form = FUSIONS[fusion].served(model.served(scaler), tuple(model.sizes.vectors), model.sizes.interest)
    assert isinstance(form, ServedFusion)
    return form


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    query=st.sets(st.sampled_from(["text", "image", "sound"])),
    history=st.integers(0, CLICKS),
    spaces=st.lists(st.sampled_from(["text", "image", "sound"]), unique=True, min_size=1),
    columns=st.integers(0, 3),
    fusion=st.sampled_from([name for name, fusion in FUSIONS.items() if fusion.served_class]),
    interest=st.sampled_from(list(INTERESTS)),
    outputs=st.integers(1, 2),
)
def test_training_form_equals_served_form(
    seed: int,
    query: set[str],
    history: int,
    spaces: list[str],
    columns: int,
    fusion: str,
    interest: str,
    outputs: int,
) -> None:
    sizes = replace(
        THREE_SPACES,
        vectors={s: THREE_SPACES.vectors[s] for s in spaces},
        numbers=columns,
        interest=interest,
        outputs=outputs,
    )
    model, scaler = network(sizes, seed, fusion), scaler_of(sizes)
    data = sample(sizes, seed, history, query & set(spaces))
    expected = training_scores(model, scaler, data)
    served = served_form(model, scaler, fusion)
    spread = expected.std()
    np.testing.assert_allclose(served_scores(served, data), expected, atol=1e-4 * spread)
    halved = served_scores(served, data, np.float16)
    assert np.sqrt(np.mean((halved - expected) ** 2)) <= 1e-3 * spread


def test_a_missing_modality_has_no_effect() -> None:
    """The item tower's row for a missing image must not change the score."""
    model, scaler, data = network(SIZES, 2), scaler_of(SIZES), sample(SIZES, 2, 0)
    before = training_scores(model, scaler, data)
    with torch.no_grad():
        model.towers["image"][2].bias += 1.0  # type: ignore[index]
    changed = training_scores(model, scaler, data) != before
    assert changed.any()
    assert not changed[~data["vectors"]["image"].any(axis=1)[:CANDIDATES]].any()


@pytest.mark.parametrize("interest", list(INTERESTS))
@pytest.mark.parametrize("fusion", list(FUSIONS))
def test_every_input_changes_the_scores(fusion: str, interest: str) -> None:
    sizes = replace(THREE_SPACES, interest=interest)
    model, scaler, data = network(sizes, 4, fusion), scaler_of(sizes), sample(sizes, 4, 4)
    base = training_scores(model, scaler, data)
    for space in THREE_SPACES.vectors:
        without = {**data, "query_spaces": data["query_spaces"] - {space}}
        assert np.abs(training_scores(model, scaler, without) - base).max() > 1e-4, space
        others = {**data, "vectors": {**data["vectors"], space: np.zeros_like(data["vectors"][space])}}
        assert np.abs(training_scores(model, scaler, others) - base).max() > 1e-4, space
    for part in ("numbers", "x", "age_hours"):
        changed = training_scores(model, scaler, {**data, part: data[part] * 0.3})
        assert np.abs(changed - base).max() > 1e-4, part
    alone = {**data, "clicks": data["clicks"][:0], "age_hours": data["age_hours"][:0]}
    assert np.abs(training_scores(model, scaler, alone) - base).max() > 1e-4
