"""The contract between a network, its two files and its spec; what ships. ``test_catalogue`` tests the networks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from steelflow.errors import ModelError
from steelflow.models import architecture
from steelflow.models.deployable import Deployable, load_torch, save_torch
from steelflow.models.seen import marks, seen
from steelflow.models.shipped import SHIPPED, WEIGHTS, resolve
from steelflow.models.spec import METADATA_KEY, ModelSpec, parse_spec
from steelflow.training import export
from steelflow.training.data import Dataset, load_folder, split

NAMES = ("a", "b", "c", "d", "e", "f")


def deployable(arch: str, size: int = 64) -> tuple[Deployable, ModelSpec]:
    torch.manual_seed(0)
    network = architecture(arch).build(len(NAMES), size)
    spec = ModelSpec(name="m", arch=arch, classes=NAMES, input_size=size, embedding_dims=export.embedding_dims(network))
    return Deployable(network, spec).eval(), spec


def pictures(count: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, size, size), dtype=np.uint8)


def test_export_agrees_with_torch_and_holds_the_contract(tmp_path: Path) -> None:
    model, spec = deployable("ssdc_mininet")
    images = pictures(20)
    export.fit_projection(model, torch.from_numpy(images))
    path = tmp_path / "m.onnx"
    assert export.export_onnx(model, spec, path, images) <= export.TOLERANCE
    assert parse_spec({p.key: p.value for p in onnx.load(path).metadata_props}[METADATA_KEY], "m") == spec
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(path).graph.node}
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(uint8)", [1, 64, 64])
    assert [o.name for o in session.get_outputs()] == ["logits", "embedding"]
    for count in (1, 3, 20):
        logits, embedding = session.run(None, {"image": images[:count]})
        assert logits.shape == (count, 6)
        assert embedding.shape == (count, spec.embedding_dims)
        with torch.no_grad():
            wanted = model(torch.from_numpy(images[:count]))
        np.testing.assert_allclose(logits, wanted[0].numpy(), atol=1e-4)
        np.testing.assert_allclose(embedding, wanted[1].numpy(), atol=1e-3)


# One whose head does not depend on the input size, one whose head does, one of another width than its class has.
@pytest.mark.parametrize("arch", ["ssdc_mininet", "casi_net", "mobilenet_v1_010"])
def test_torch_file_comes_back_equal(arch: str, tmp_path: Path) -> None:
    model, spec = deployable(arch)
    save_torch(model, spec, tmp_path / "m.safetensors")
    back, spec_back = load_torch(tmp_path / "m.safetensors")
    assert spec_back == spec
    images = torch.from_numpy(pictures(3))
    with torch.no_grad():
        for wanted, found in zip(model(images), back(images), strict=True):
            assert torch.equal(wanted, found)


def test_embedding_is_the_principal_components_of_the_features() -> None:
    model, _ = deployable("ssdc_mininet")
    images = torch.from_numpy(pictures(60))
    export.fit_projection(model, images)
    with torch.no_grad():
        features = model.network.features(model.normalise(images))
        embedding = model(images)[1]
    centred = (features - features.mean(0)).double()
    variance = torch.linalg.svdvals(centred) ** 2
    assert embedding.mean(0).abs().max() < 1e-4
    torch.testing.assert_close(
        embedding.double().square().sum(0), variance[: embedding.shape[1]], rtol=0.01, atol=float(1e-3 * variance[0])
    )


def test_a_failed_parity_raises_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, spec = deployable("ssdc_mininet")
    monkeypatch.setattr(export, "parity", lambda *_: float("nan"))
    with pytest.raises(ModelError, match="differ by nan"):
        export.export_onnx(model, spec, tmp_path / "m.onnx", pictures(2))
    assert not list(tmp_path.iterdir())


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no architecture 'resnet'.*ssdc_mininet"):
        architecture("resnet")
    with pytest.raises(ModelError, match=r"'resnet': no such model; name a shipped one \(.*ssdc_mininet.*\.onnx"):
        resolve("resnet")


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "cannot be read as safetensors"), (b"\xff" * 64, "cannot be read as safetensors")]
)
def test_damaged_torch_files_are_model_errors(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=says):
        load_torch(path)
    with pytest.raises(ModelError, match=says):
        load_torch(tmp_path / "absent.safetensors")


def test_weights_of_another_architecture_are_a_model_error(tmp_path: Path) -> None:
    model, spec = deployable("ssdc_mininet")
    save_torch(model, spec.model_copy(update={"classes": NAMES[:3]}), tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="do not fit 'ssdc_mininet' with 3 classes"):
        load_torch(tmp_path / "m.safetensors")


def test_resolve_takes_names_and_paths_and_refuses_a_changed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve("ssdc_mininet").is_file()
    own = tmp_path / "own.onnx"
    own.write_bytes(b"x")
    assert resolve(str(own)) == own
    monkeypatch.setitem(SHIPPED, "ssdc_mininet", "0" * 64)
    with pytest.raises(ModelError, match="was changed since it was shipped"):
        resolve("ssdc_mininet")


def test_names_and_specs_need_no_torch() -> None:
    code = (
        "import sys, steelflow.models.spec, steelflow.models as m; from steelflow.models.shipped import resolve;"
        "resolve('ssdc_mininet'); m.CATALOGUE; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


NEU = ("K. Song", "285")
TILES = ("Y. Huang", "magnetic tile", "MobileNetV2", "ImageNet")
ORIGINS = {"steelnet": NEU, "ssdc_mininet": NEU, "strip": TILES, "strip_accurate": TILES}
"""What the card of each shipped model must name: its data, and the model that it began with or learned from."""


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_belong_together(name: str) -> None:
    path = resolve(name)
    model, spec = load_torch(path.with_suffix(".safetensors"))
    assert parse_spec({p.key: p.value for p in onnx.load(path).metadata_props}[METADATA_KEY], name) == spec
    assert export.parity(model, path, pictures(20, spec.input_size)) <= 1e-4
    card = path.with_suffix(".md").read_text()
    for told in ORIGINS[name]:
        assert told in card


def test_a_model_that_ships_knows_its_training_images() -> None:
    for name, digest in SHIPPED.items():
        first = (WEIGHTS / f"{name}.seen").read_bytes()[:8]
        assert seen(name, digest, [first + bytes(24), bytes(32)]) == 1, name
        assert seen(name, digest, []) == 0
    assert seen("champion", "0" * 64, [bytes(32)]) is None


def test_the_weights_beside_a_model_tell_which_images_trained_it(tmp_path: Path) -> None:
    images = [hashlib.sha256(bytes([number])).digest() for number in range(5)]
    onnx = tmp_path / "mine.onnx"
    onnx.touch()
    assert seen(str(onnx), "0" * 64, images) is None  # there are no weights
    model, spec = load_torch(resolve("steelnet").with_suffix(".safetensors"))
    save_torch(model, spec, onnx.with_suffix(".safetensors"))
    assert seen(str(onnx), "0" * 64, images) is None  # nobody said so
    for learned_from, found in ((images[:2], 2), ([], 0), (images, 5), ([*images[3:], bytes(32)], 2)):
        save_torch(model, spec, onnx.with_suffix(".safetensors"), marks(learned_from))
        assert seen(str(onnx), "0" * 64, images) == found
        assert load_torch(onnx.with_suffix(".safetensors"))[1] == spec
    onnx.with_suffix(".safetensors").write_bytes(b"damaged")
    assert seen(str(onnx), "0" * 64, images) is None


@pytest.fixture(scope="module")
def neu() -> Dataset:
    root = os.environ.get("STEELFLOW_NEU_DIR")
    if not root or not Path(root).is_dir():
        pytest.skip("STEELFLOW_NEU_DIR does not name the folder of the real images")
    _, spec = load_torch(resolve("ssdc_mininet").with_suffix(".safetensors"))
    return load_folder(Path(root), spec.input_size)


def test_shipped_weights_are_right_on_the_held_out_fifth(neu: Dataset) -> None:
    _, held_out = split(neu, 0.2, seed=0)
    session = ort.InferenceSession(resolve("ssdc_mininet"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": neu.images[held_out][:, None]})
    assert len(held_out) == 288
    assert (logits.argmax(1) == neu.labels[held_out]).mean() >= 0.99


def test_shipped_onnx_equals_torch_over_all_real_images(neu: Dataset) -> None:
    path = resolve("ssdc_mininet")
    model, _ = load_torch(path.with_suffix(".safetensors"))
    assert export.parity(model, path, neu.images[:, None]) <= 1e-4
