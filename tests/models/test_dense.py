from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from steelflow.engine.onnx import OnnxEngine
from steelflow.errors import ModelError
from steelflow.models import architecture
from steelflow.models.dense import DenseNetwork, pooled_cells
from steelflow.models.deployable import Deployable, load_torch, save_torch
from steelflow.models.pooling import pooled
from steelflow.models.spec import ModelSpec
from steelflow.training.export import export_onnx

CLASSES = ("free", "hole", "oiled", "scratch")
DENSE = ("strip_light", "strip_wide")


def spec_of(arch: str, **changes: object) -> ModelSpec:
    given = {"good": ("free", "oiled"), "view": 64, "sharpness": 4.0} | changes
    return ModelSpec(name="m", arch=arch, classes=CLASSES, input_size=64, embedding_dims=32, **given)


@pytest.mark.parametrize("good", [(0,), (0, 2), (3, 1)])
@pytest.mark.parametrize("sharpness", [0.5, 4.0, 16.0])
def test_torch_pools_as_the_contract_does(good: tuple[int, ...], sharpness: float) -> None:
    cells = np.random.default_rng(0).normal(0, 6, (5, 4, 3, 7)).astype(np.float32)
    found = pooled_cells(torch.from_numpy(cells), good, sharpness).numpy()
    np.testing.assert_allclose(found, pooled(cells, good, sharpness), atol=2e-4)


def test_pooling_has_a_gradient_for_every_cell() -> None:
    cells = torch.zeros(2, 4, 3, 3, requires_grad=True)
    pooled_cells(cells, (0,), 4.0)[:, 1:].sum().backward()
    assert cells.grad is not None
    assert (cells.grad[:, 1:] > 0).all()
    assert (cells.grad[:, 0] < 0).all()


@pytest.mark.parametrize("arch", DENSE)
def test_the_export_has_the_map_and_its_pooled_logits(arch: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = architecture(arch).build(len(CLASSES), 64)
    assert isinstance(network, DenseNetwork)
    spec = spec_of(arch)
    model = Deployable(network, spec).eval()
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
    export_onnx(model, spec, tmp_path / "m.onnx", images)
    outputs = OnnxEngine(tmp_path / "m.onnx").run(images)
    assert outputs.map is not None
    assert outputs.map.shape == (3, 4, 64 // network.stride, 64 // network.stride)
    logits = pooled(outputs.map, (0, 2), 4.0)
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(outputs.probabilities, exponentials / exponentials.sum(1, keepdims=True), atol=1e-4)


def test_the_file_of_weights_keeps_the_map(tmp_path: Path) -> None:
    spec = spec_of("strip_light", operating_point=0.25)
    model = Deployable(architecture("strip_light").build(4, 64), spec).eval()
    save_torch(model, spec, tmp_path / "m.safetensors")
    again, found = load_torch(tmp_path / "m.safetensors")
    image = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    assert found == spec
    for one, other in zip(again(image), model(image), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("arch", "good"), [("steelnet", ("free",)), ("strip_light", ())])
def test_a_map_needs_cells_and_good_classes(arch: str, good: tuple[str, ...]) -> None:
    spec = spec_of(arch, good=good)
    with pytest.raises(ModelError, match="a map needs good classes and a dense network"):
        Deployable(architecture(arch).build(4, 64), spec)
