"""Engines agree with each other, and with themselves however images are batched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from steelflow.decode import resize
from steelflow.engine import open_engine
from steelflow.engine.base import softmax
from steelflow.engine.batch import choose_batch_size
from steelflow.engine.onnx import available_providers
from steelflow.errors import ModelError
from steelflow.models.shipped import SHIPPED, resolve
from steelflow.synth import CLASSES, surface


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    made = [surface(CLASSES[i % 6], np.random.default_rng(i)) for i in range(24)]
    return np.stack(made)


def batch(pictures: np.ndarray, size: int) -> np.ndarray:
    return np.stack([resize(picture, size) for picture in pictures])[:, None]


@pytest.mark.parametrize("name", SHIPPED)
def test_onnxruntime_and_torch_agree(name: str, pictures: np.ndarray) -> None:
    onnx, torch = open_engine(resolve(name), "onnxruntime"), open_engine(resolve(name), "torch")
    assert onnx.spec == torch.spec
    assert onnx.digest == torch.digest
    images = batch(pictures, onnx.spec.input_size)
    ours, theirs = onnx.run(images), torch.run(images)
    assert ours.probabilities.shape == (24, len(onnx.spec.classes))
    assert ours.embedding.shape == (24, onnx.spec.embedding_dims)
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
    np.testing.assert_allclose(ours.embedding, theirs.embedding, atol=1e-3)


def test_a_result_does_not_depend_on_the_batch_or_the_thread(pictures: np.ndarray) -> None:
    engine = open_engine(resolve("ssdc_mininet"), "onnxruntime")
    images = batch(pictures, engine.spec.input_size)
    whole = engine.run(images)
    with ThreadPoolExecutor(4) as pool:
        single = list(pool.map(lambda i: engine.run(images[i : i + 1]), range(len(images))))
    np.testing.assert_array_equal(whole.probabilities, np.concatenate([one.probabilities for one in single]))
    np.testing.assert_array_equal(whole.embedding, np.concatenate([one.embedding for one in single]))


def test_probabilities_are_softmax_at_the_temperature() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [1000.0, -1000.0, 0.0]], np.float32)
    expected = np.exp([0.5, 1.0, 1.5]) / np.exp([0.5, 1.0, 1.5]).sum()
    np.testing.assert_allclose(softmax(logits, 2.0)[0], expected, rtol=1e-6)
    np.testing.assert_allclose(softmax(logits, 2.0)[1], [1, 0, 0], atol=1e-12)


def test_the_batch_stays_within_the_memory_limit() -> None:
    engine = open_engine(resolve("ssdc_mininet"), "onnxruntime")
    assert choose_batch_size(engine, 1024, 2) in (32, 64, 128)
    size = engine.spec.input_size
    tight = 3 * size * size * 4 * 64 // 2**20 + 1  # room for about three images
    assert choose_batch_size(engine, tight, 1) <= 4


def test_the_cpu_is_always_the_last_resort() -> None:
    assert available_providers()[-1] == "CPUExecutionProvider"


def test_a_shipped_file_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from steelflow.models import shipped

    path = resolve("ssdc_mininet")
    (tmp_path / path.name).write_bytes(path.read_bytes() + b"\0")
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="not the file that was shipped"):
        resolve("ssdc_mininet")


def test_torch_needs_its_weights_beside_the_model(tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(resolve("ssdc_mininet").read_bytes())
    with pytest.raises(ModelError, match=r"alone\.safetensors"):
        open_engine(alone, "torch")
