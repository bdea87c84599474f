"""The training form and the served form are one function."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank.arrays import unit
from rerank.features.groups import Scaler
from rerank.features.item_table import ItemRows
from rerank.models.network import Batch, ItemInputs, Network, Sizes
from rerank.models.served import FusedModel

CANDIDATES, CLICKS = 30, 6


def network(sizes: Sizes, seed: int) -> Network:
    torch.manual_seed(seed)
    made = Network(sizes)
    rng = np.random.default_rng(seed)
    made.standardise((3.0 + 2.0 * rng.normal(size=(50, sizes.features))).astype(np.float32))
    made.eval()
    return made


def world(sizes: Sizes, seed: int, history: int) -> dict[str, Any]:
    """Raw products, some without words, picture or numbers; the last one has nothing at all."""
    rng = np.random.default_rng(seed)
    count = CANDIDATES + CLICKS
    there = rng.random((count, 3)) < 0.7
    there[-1] = there[0] = False
    text = unit(rng.normal(size=(count, sizes.text)).astype(np.float32)) * there[:, :1]
    image = unit(rng.normal(size=(count, sizes.image)).astype(np.float32)) * there[:, 1:2]
    numbers = np.where(there[:, 2:], 5 * rng.normal(size=(count, sizes.numbers)), np.nan)
    return {
        "text": text,
        "image": image,
        "numbers": numbers,
        "x": (3 + 2 * rng.normal(size=(CANDIDATES, sizes.features))).astype(np.float32),
        "query": unit(rng.normal(size=sizes.text).astype(np.float32)),
        "picture": unit(rng.normal(size=sizes.image).astype(np.float32)),
        "clicks": CANDIDATES + np.arange(history),
        "age_hours": np.abs(100 * rng.normal(size=history)),
    }


def trained(made: Network, scaler: Scaler, w: dict[str, Any], words: bool, picture: bool) -> np.ndarray:
    scaled = scaler.scale(w["numbers"])
    known = np.isfinite(scaled)
    numbers = np.concatenate([np.where(known, scaled, 0), ~known], axis=1).astype(np.float32)
    inputs = ItemInputs(*(torch.from_numpy(a) for a in (w["text"], w["image"], numbers)))
    clicks = np.zeros(CLICKS, dtype=np.int64)  # padded to the same length whatever the history
    clicks[: len(w["clicks"])] = w["clicks"]
    ages = np.zeros(CLICKS, dtype=np.float32)
    ages[: len(w["clicks"])] = w["age_hours"]
    batch = Batch(
        x=torch.from_numpy(w["x"])[None],
        candidates=torch.arange(CANDIDATES)[None],
        clicks=torch.from_numpy(clicks)[None],
        clicked=(torch.arange(CLICKS) < len(w["clicks"]))[None],
        age_hours=torch.from_numpy(ages)[None],
        text=torch.from_numpy(w["query"])[None],
        has_text=torch.tensor([words]),
        image=torch.from_numpy(w["picture"])[None],
        has_image=torch.tensor([picture]),
    )
    with torch.no_grad():
        scores: np.ndarray = made(made.tower(inputs), batch)[0].numpy()
    return scores


def served(model: FusedModel, w: dict[str, Any], words: bool, picture: bool, kind: type) -> np.ndarray:
    made = model.rows(w["text"], w["image"], w["numbers"])
    values = np.concatenate([w["text"], w["image"], made], axis=1).astype(kind).astype(np.float32)
    known = np.isfinite(w["numbers"]).any(axis=1)
    present = np.column_stack([w["text"].any(axis=1), w["image"].any(axis=1), known])
    clicks = w["clicks"]
    query = {"text": w["query"] if words else None, "image": 3 * w["picture"] if picture else None}
    return model.scores(
        w["x"],
        ItemRows(model.layout, values[:CANDIDATES], present[:CANDIDATES]),
        query,
        ItemRows(model.layout, values[clicks], present[clicks]) if len(clicks) else None,
        w["age_hours"],
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    words=st.booleans(),
    picture=st.booleans(),
    history=st.integers(0, CLICKS),
    columns=st.integers(0, 3),
)
def test_training_form_equals_served_form(
    seed: int, words: bool, picture: bool, history: int, columns: int
) -> None:
    sizes = Sizes(text=10, image=7, numbers=columns, features=9)
    made = network(sizes, seed)
    scaler = Scaler(np.linspace(-1, 1, columns), np.linspace(1, 2, columns))
    w = world(sizes, seed, history)
    wanted = trained(made, scaler, w, words, picture)
    model = FusedModel(made.served(scaler))
    spread = wanted.std()
    np.testing.assert_allclose(served(model, w, words, picture, np.float32), wanted, atol=1e-4 * spread)
    halved = served(model, w, words, picture, np.float16)
    assert np.sqrt(np.mean((halved - wanted) ** 2)) <= 1e-3 * spread


def test_an_index_without_pictures_has_a_model_too() -> None:
    sizes = Sizes(text=10, image=0, numbers=1, features=9)
    made, scaler = network(sizes, 1), Scaler(np.zeros(1), np.ones(1))
    w = world(sizes, 1, 3)
    wanted = trained(made, scaler, w, True, False)
    np.testing.assert_allclose(
        served(FusedModel(made.served(scaler)), w, True, False, np.float32), wanted, atol=1e-5
    )


def test_a_missing_modality_is_closed() -> None:
    """What the tower would make of a missing picture must not matter."""
    sizes = Sizes(text=10, image=7, numbers=1, features=9)
    made, scaler, w = network(sizes, 2), Scaler(np.zeros(1), np.ones(1)), world(sizes, 2, 0)
    before = trained(made, scaler, w, True, True)
    with torch.no_grad():
        made.towers["image"][2].bias += 1.0  # type: ignore[index, operator]
    moved = trained(made, scaler, w, True, True) != before
    assert moved.any()
    assert not moved[~w["image"].any(axis=1)[:CANDIDATES]].any()


def test_every_part_reaches_the_score() -> None:
    sizes = Sizes(text=10, image=7, numbers=2, features=9)
    made, scaler = network(sizes, 4), Scaler(np.zeros(2), np.ones(2))
    w = world(sizes, 4, 4)
    base = trained(made, scaler, w, True, True)
    assert np.abs(trained(made, scaler, w, False, True) - base).max() > 1e-4
    assert np.abs(trained(made, scaler, w, True, False) - base).max() > 1e-4
    for part in ("numbers", "x", "age_hours"):
        changed = trained(made, scaler, {**w, part: w[part] * 0.3}, True, True)
        assert np.abs(changed - base).max() > 1e-4, part
    alone = {**w, "clicks": w["clicks"][:0], "age_hours": w["age_hours"][:0]}
    assert np.abs(trained(made, scaler, alone, True, True) - base).max() > 1e-4
