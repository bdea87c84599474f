"""Training an image tower: captions, losses by hand, schedules, complete and resumed runs, and errors."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from support.drawn_catalogue import drawn_catalogue
from support.tiny_text_encoder import tiny_text_encoder

from encoders.image import open_image_encoder
from encoders.text import open_text_encoder
from encoders.training import losses
from encoders.training.augment import augment, resized
from encoders.training.captions import ProductText, attribute_combinations, attributes, phrase
from encoders.training.checkpoint import load_checkpoint, save_checkpoint
from encoders.training.objective import LOSSES, LossInputs
from encoders.training.schedule import RunProgress, TowerSettings, image_size, learning_rate
from indexer.commands.encoder import encoder
from indexer.commands.encoder_training import run_training
from vitrine.errors import EncoderError
from vitrine.store import Store

SMALL = TowerSettings(arch="test_resnet", size=32, epochs=4, batch=32, rate=4e-3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_text_encoder(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_catalogue(tmp_path_factory.mktemp("drawn"), 360)


def run(
    drawn: Path, out: Path, words: str, store: Store, settings: TowerSettings, **more: Any
) -> dict[str, Any]:
    return run_training(
        drawn, drawn.parent / "plan.toml", out, settings, text_encoder=words, store=store.url, **more
    )


def test_a_trained_tower_predicts_attributes_and_ranks_images(
    drawn: Path, words: str, store: Store, tmp_path: Path
) -> None:
    settings = TowerSettings(arch="test_resnet", size=32, epochs=14, batch=32, rate=4e-3)
    report = run(drawn, tmp_path / "out", words, store, settings)
    accuracy, most_frequent = report["validation"]["attributes"]["colour"]
    assert accuracy > most_frequent + 0.3
    assert report["validation"]["ndcg_at_10"] > 0.7
    tower = open_image_encoder(report["encoder"], store)
    assert tower.query_encoder == report["query_encoder"] == open_text_encoder(words, store).name
    assert tower.dimension == 32
    assert json.loads((tmp_path / "out" / "report.json").read_text())["epochs"] == report["epochs"]
    assert open_image_encoder(str(tmp_path / "out"), store).name == report["encoder"]


def test_a_resumed_run_ends_like_an_unbroken_one(
    drawn: Path, words: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from encoders.training import train

    monkeypatch.setattr(train, "SAVE_EVERY_S", 0.0)
    unbroken = run(drawn, tmp_path / "one", words, store, SMALL)

    class KilledError(Exception):
        pass

    def killed(folder: Path, *rest: Any) -> None:
        save_checkpoint(folder, *rest)
        if rest[-1].epoch == 2:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(train, "save_checkpoint", killed)
        with pytest.raises(KilledError):
            run(drawn, tmp_path / "two", words, store, SMALL)
    with pytest.raises(EncoderError, match=r"unfinished run.*--resume"):
        run(drawn, tmp_path / "two", words, store, SMALL)
    resumed = run(drawn, tmp_path / "two", words, store, SMALL, resume=True)
    assert resumed["epochs"] == unbroken["epochs"] == 4
    np.testing.assert_allclose(
        [epoch["loss"] for epoch in resumed["history"]],
        [epoch["loss"] for epoch in unbroken["history"]],
        rtol=1e-2,
    )
    assert not (tmp_path / "two" / "checkpoint").exists()


def test_the_command_reports_as_json(drawn: Path, words: str, store: Store, tmp_path: Path) -> None:
    arguments = ["train", str(drawn), "--out", str(tmp_path / "out"), "--minutes", "0.05", "--size", "32"]
    arguments += ["--arch", "test_resnet", "--text-encoder", words, "--store", store.url, "--json"]
    result = CliRunner().invoke(encoder, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["images"] == 360
    assert store.has("encoders", report["encoder"])


def test_a_run_limited_by_minutes_ends_early(drawn: Path, words: str, store: Store, tmp_path: Path) -> None:
    settings = TowerSettings(arch="test_resnet", size=32, minutes=0.05, batch=32)
    report = run(drawn, tmp_path / "out", words, store, settings)
    assert 1 <= report["epochs"] < 40  # the default number of epochs takes far longer


def test_too_few_images_are_refused(words: str, store: Store, tmp_path: Path) -> None:
    few = drawn_catalogue(tmp_path / "few", 20)
    with pytest.raises(EncoderError, match=r"20 products of drawn\.jsonl have an image"):
        run(few, tmp_path / "out", words, store, SMALL)


def test_unreadable_images_are_counted_and_skipped(words: str, store: Store, tmp_path: Path) -> None:
    catalogue = drawn_catalogue(tmp_path / "drawn", 90)
    (tmp_path / "drawn" / "7.png").write_text("<html>not found</html>")
    (tmp_path / "drawn" / "8.png").unlink()
    settings = TowerSettings(arch="test_resnet", size=32, epochs=1, batch=32)
    report = run(catalogue, tmp_path / "out", words, store, settings)
    assert (report["images"], report["unreadable_images"]) == (90, 2)


def test_an_unknown_architecture_is_one_sentence(
    drawn: Path, words: str, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(EncoderError, match="'resnet1' is not an architecture"):
        run(drawn, tmp_path / "out", words, store, TowerSettings(arch="resnet1"))


def test_a_folder_with_files_is_not_written_into(
    drawn: Path, words: str, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(EncoderError, match="is not empty"):
        run(drawn, tmp_path, words, store, SMALL)


def described(title: str, **keywords: str) -> ProductText:
    return ProductText(title, (), {name: (value,) for name, value in keywords.items()})


PRODUCTS = [
    described("Acme Men Black Shoes", colour="Black", gender="Men", article="Shoes"),
    described("Acme Women Red Dress", colour="Red", gender="Women", article="Dress"),
    described("Acme Women Black Dress", colour="Black", gender="Women", article="Dress"),
] * 4


def test_captions_have_the_order_of_queries() -> None:
    by_names = {each.names: each for each in attribute_combinations(attributes(PRODUCTS))}
    widest = by_names[max(by_names, key=len)]
    assert widest.captions == ("black dress for women", "black shoes for men", "red dress for women")
    assert widest.caption_of.tolist() == [1, 2, 0] * 4
    assert len(by_names) == 7  # three alone, three pairs, one of all


def test_titles_give_attributes_that_no_column_has() -> None:
    plain = [described(product.title.removeprefix("Acme ")) for product in PRODUCTS]
    values = {attribute.name: attribute.values[:3] for attribute in attributes(plain)}
    assert values == {
        "colour": ("black", "red", "black"),
        "audience": ("men", "women", "women"),
        "article": ("shoes", "dress", "dress"),
    }


def test_names_and_rare_values_are_no_attributes() -> None:
    products = [
        described(f"Thing {row}", sku=f"X{row}", brand="rare" if row == 0 else "ab"[row % 2])
        for row in range(40)
    ]
    assert [attribute.name for attribute in attributes(products)] == ["brand"]
    assert attributes(products)[0].values[0] is None


def test_a_phrase_of_the_audience_alone() -> None:
    gender = next(attribute for attribute in attributes(PRODUCTS) if attribute.name == "gender")
    assert phrase([(gender, "Women")]) == "for women"


def test_caption_cross_entropy_by_hand() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    captions = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # row 0: logits (2, 0), target 0; row 1: logits (0, 2), target 0; row 2 has no target
    by_hand = (-math.log(math.e**2 / (math.e**2 + 1)) - math.log(1 / (1 + math.e**2))) / 2
    loss = losses.caption_cross_entropy(vectors, captions, torch.tensor([0, 0, -1]), torch.tensor(2.0))
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)


def test_listnet_by_hand() -> None:
    captions = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    gains = torch.tensor([[3.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    scores = [1.0, 0.0, 0.6]
    total = sum(math.exp(score) for score in scores)
    by_hand = -(0.75 * math.log(math.exp(1.0) / total) + 0.25 * math.log(math.exp(0.6) / total))
    loss = losses.listnet_loss(captions, vectors, gains, torch.tensor(1.0))
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)


def test_info_nce_is_lowest_for_aligned_pairs() -> None:
    vectors = torch.eye(3)
    aligned = losses.symmetric_info_nce(vectors, vectors, torch.eye(3), torch.tensor(10.0))
    crossed = losses.symmetric_info_nce(vectors, vectors[[1, 2, 0]], torch.eye(3), torch.tensor(10.0))
    assert aligned.item() == pytest.approx(math.log(math.e**10 + 2) - 10, rel=1e-3)
    assert crossed.item() == pytest.approx(math.log(math.e**10 + 2), rel=1e-5)


def test_supervised_contrast_by_hand() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    pool = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    same = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])  # row 1 has no other image
    by_hand = -math.log(math.exp(0.6) / (math.exp(0.0) + math.exp(0.6)))
    loss = losses.supervised_contrastive(vectors, pool, same, torch.tensor(1.0))
    assert loss.item() == pytest.approx(by_hand, rel=1e-4)


def test_gains_grow_as_in_ndcg() -> None:
    assert losses.graded(torch.tensor([0.0, 1.0, 2.0, 3.0])).tolist() == [0.0, 1.0, 3.0, 7.0]


def test_a_further_loss_is_one_entry_of_the_table(
    drawn: Path, words: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = []

    def pull_together(inputs: LossInputs) -> torch.Tensor:
        batches.append(len(inputs.batch.product))
        return inputs.batch.vectors.var(dim=0).sum()

    monkeypatch.setitem(LOSSES, "pull_together", (50.0, pull_together))
    settings = TowerSettings(arch="test_resnet", size=32, epochs=1, batch=32)
    report = run(drawn, tmp_path / "out", words, store, settings)
    monkeypatch.delitem(LOSSES, "pull_together")
    without = run(drawn, tmp_path / "without", words, store, settings)
    assert batches
    assert report["history"][0]["loss"] > without["history"][0]["loss"] + 1


def test_augmentation_keeps_size_range_and_colour() -> None:
    red = torch.tensor([180, 20, 40], dtype=torch.uint8).expand(16, 40, 40, 3).contiguous()
    varied = augment(red, 32, torch.Generator().manual_seed(1))
    assert varied.shape == (16, 3, 32, 32)
    assert varied.min() >= 0
    assert varied.max() <= 255
    middle = varied.flatten(2).median(dim=2).values  # (16, 3)
    assert (middle[:, 0] > middle[:, 1] + 80).all()
    assert (middle[:, 0] > middle[:, 2] + 80).all()


def test_resizing_to_the_same_size_changes_nothing() -> None:
    pixels = torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8)
    np.testing.assert_array_equal(resized(pixels, 32).permute(0, 2, 3, 1).byte().numpy(), pixels.numpy())


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(share / 100, 1.0) for share in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[4] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.01)


def test_images_grow_to_their_full_size() -> None:
    assert [image_size(share, 96) for share in (0.0, 0.5, 0.9, 1.0)] == [64, 80, 96, 96]


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    progress = RunProgress(3, 40, 1.5, 0.4, 2, [{"epoch": 1, "loss": 2.0}])
    save_checkpoint(
        tmp_path, {"tower": {"a.b": torch.arange(3)}, "scale": {"log": torch.tensor(2.0)}}, progress
    )
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded[1] == progress
    assert loaded[0]["tower"]["a.b"].tolist() == [0, 1, 2]
    assert load_checkpoint(tmp_path / "nothing") is None
