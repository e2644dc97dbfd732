"""Engines agree with each other, and with themselves however images are batched."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from steelflow.engine import KINDS, open_engine
from steelflow.engine.base import Pictures, in_slices, slice_of, softmax
from steelflow.engine.batch import choose_batch_size
from steelflow.engine.onnx import available_providers
from steelflow.engine.openvino import BF16, PRECISION_KEY, has_bf16
from steelflow.errors import EngineError, ModelError
from steelflow.images.decode import resize
from steelflow.models.shipped import SHIPPED, resolve
from steelflow.synth import CLASSES, surface
from steelflow.training.rewrite import with_metadata

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="needs OpenVINO: pip install 'steelflow[openvino]'"
)


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


@needs_openvino
@pytest.mark.parametrize("name", SHIPPED)
def test_onnxruntime_and_openvino_agree(name: str, pictures: np.ndarray) -> None:
    onnx, openvino = open_engine(resolve(name), "onnxruntime"), open_engine(resolve(name), "openvino")
    assert openvino.name == "openvino CPU f32"
    assert onnx.spec == openvino.spec
    assert onnx.digest == openvino.digest
    images = batch(pictures, onnx.spec.input_size)
    ours, theirs = onnx.run(images), openvino.run(images)
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
    np.testing.assert_allclose(ours.embedding, theirs.embedding, atol=1e-4)


@pytest.fixture(scope="module")
def in_bf16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says of itself that it may be run in bfloat16."""
    path = tmp_path_factory.mktemp("bf16") / "model.onnx"
    with_metadata(resolve("ssdc_mininet"), path, {PRECISION_KEY: BF16})
    return path


@pytest.mark.parametrize(
    "kind", ["onnxruntime", pytest.param("openvino", marks=needs_openvino), pytest.param("auto", marks=needs_openvino)]
)
def test_a_result_does_not_depend_on_the_batch_or_the_thread(kind: str, in_bf16: Path, pictures: np.ndarray) -> None:
    engine = open_engine(in_bf16 if kind == "auto" else resolve("ssdc_mininet"), kind)
    images = np.concatenate([batch(pictures, engine.spec.input_size)] * 3)
    whole = engine.run(images)
    for size in (1, 7, 64):
        with ThreadPoolExecutor(3) as pool:
            starts = range(0, len(images), size)
            parts = list(pool.map(lambda start, size=size: engine.run(images[start : start + size]), starts))
        np.testing.assert_array_equal(whole.probabilities, np.concatenate([part.probabilities for part in parts]))
        np.testing.assert_array_equal(whole.embedding, np.concatenate([part.embedding for part in parts]))


@needs_openvino
def test_bfloat16_only_where_the_file_says_so_and_the_cpu_can(in_bf16: Path, pictures: np.ndarray) -> None:
    plain = resolve("ssdc_mininet")
    assert open_engine(plain).name == "onnxruntime CPU"
    assert open_engine(in_bf16).name == ("openvino CPU bf16" if has_bf16() else "onnxruntime CPU")
    assert open_engine(in_bf16, "openvino").name == f"openvino CPU {'bf16' if has_bf16() else 'f32'}"
    images = batch(pictures, open_engine(plain).spec.input_size)
    exact, rounded = open_engine(plain, "openvino").run(images), open_engine(in_bf16, "openvino").run(images)
    assert np.array_equal(exact.embedding, rounded.embedding) != has_bf16()
    np.testing.assert_allclose(exact.probabilities, rounded.probabilities, atol=0.1)


@needs_openvino
def test_openvino_reports_to_nobody() -> None:
    code = (
        "import sys; from steelflow.engine import open_engine; from steelflow.models.shipped import resolve;"
        "open_engine(resolve('ssdc_mininet'), 'openvino');"
        "print([name for name, module in sys.modules.items() if module and name.startswith('openvino_telemetry')])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_without_openvino_its_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch, in_bf16: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineError, match=r"pip install 'steelflow\[openvino\]'"):
        open_engine(in_bf16, "openvino")
    assert open_engine(in_bf16).name == "onnxruntime CPU"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(EngineError, match=f"'tensorflow'; use one of: {', '.join(KINDS)}"):
        open_engine(resolve("ssdc_mininet"), "tensorflow")


@pytest.mark.parametrize("kind", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_a_file_that_is_no_model_of_ours_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: cannot be read"):
        open_engine(tmp_path / "absent.onnx", kind)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text\.onnx: not an ONNX model"):
        open_engine(tmp_path / "text.onnx", kind)
    spec = open_engine(resolve("ssdc_mininet")).spec
    wrong = spec.model_copy(update={"classes": ("one", "two")})
    with_metadata(resolve("ssdc_mininet"), tmp_path / "wrong.onnx", {"steelflow.spec": wrong.model_dump_json()})
    with pytest.raises(ModelError, match="has 6 classes, but its spec names 2"):
        open_engine(tmp_path / "wrong.onnx", kind)


@pytest.mark.parametrize("size", [1, 100, 256, 1000])
@pytest.mark.parametrize("count", [0, 1, 8, 26])
def test_slices_come_back_in_order(count: int, size: int) -> None:
    asked = []

    def compute(part: Pictures) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(part))
        first = part[:, 0, 0, :1].astype(np.float32)
        return first, 2 * first

    images = np.arange(count, dtype=np.uint8)[:, None]
    logits, embedding = in_slices(compute, np.broadcast_to(images[:, :, None, None], (count, 1, size, size)))
    np.testing.assert_array_equal(logits, images)
    np.testing.assert_array_equal(embedding, 2 * images)
    assert max(asked) <= slice_of(size)


def test_slices_of_large_pictures_are_small() -> None:
    assert [slice_of(size) for size in (1, 100, 128, 200, 256, 512, 5000)] == [8, 8, 8, 3, 2, 1, 1]


def test_probabilities_are_softmax_at_the_temperature() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [1000.0, -1000.0, 0.0]], np.float32)
    expected = np.exp([0.5, 1.0, 1.5]) / np.exp([0.5, 1.0, 1.5]).sum()
    np.testing.assert_allclose(softmax(logits, 2.0)[0], expected, rtol=1e-6)
    np.testing.assert_allclose(softmax(logits, 2.0)[1], [1, 0, 0], atol=1e-12)


def test_the_batch_stays_within_the_memory_limit() -> None:
    engine = open_engine(resolve("ssdc_mininet"), "onnxruntime")
    assert choose_batch_size(engine, 1024, 2) in (128, 256)
    size = engine.spec.input_size
    tight = 3 * size * size * 4 * 64 // 2**20 + 1  # room for about three images
    assert choose_batch_size(engine, tight, 1) <= 4
    large = open_engine(resolve("strip"), "onnxruntime")
    assert choose_batch_size(large, 1024, 2) in (128, 256), "two views at a time are in the network, not the batch"
    assert choose_batch_size(large, 64, 8) == 1


def test_the_cpu_is_always_the_last_resort() -> None:
    assert available_providers()[-1] == "CPUExecutionProvider"


def test_a_shipped_file_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from steelflow.models import shipped

    path = resolve("ssdc_mininet")
    (tmp_path / path.name).write_bytes(path.read_bytes() + b"\0")
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="was changed since it was shipped"):
        resolve("ssdc_mininet")


def test_torch_needs_its_weights_beside_the_model(tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(resolve("ssdc_mininet").read_bytes())
    with pytest.raises(ModelError, match=r"alone\.safetensors"):
        open_engine(alone, "torch")
