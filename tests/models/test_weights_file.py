"""Pretrained weights from a file: what the backbone then computes, and what is refused."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import ROOT
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from toys import write
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.errors import ConfigError, ModelError
from steelflow.models import architecture
from steelflow.models.backbone import BackboneNetwork
from steelflow.models.weights_file import fill_folded, load_weights, origin_of, read_folded, unfold_norms
from steelflow.selection.jobs import plan
from steelflow.training.loop import one_thread
from steelflow.training.train import TrainingPlan, train

ARCH = "mobilenet_v2_transfer"
TFLITE = ROOT.parent / "shared" / "pretrained" / "mobilenet_v2_1.0_224_quant.tflite"


def backbone_of(channels: int = 1) -> BackboneNetwork:
    torch.manual_seed(1)
    network = architecture(ARCH).build(6, channels=channels)
    assert isinstance(network, BackboneNetwork)
    return network


def lively(seed: int = 0) -> nn.Module:
    """torchvision's network with batch norms that do something."""
    torch.manual_seed(seed)
    source = mobilenet_v2()
    for module in source.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.1 * torch.randn_like(module.bias)
            module.running_var = 0.5 + torch.rand_like(module.bias)
            module.bias.data = 0.1 * torch.randn_like(module.bias)
    return source.eval()


def pictures(count: int = 6, channels: int = 1) -> Tensor:
    return torch.randn(count, 1, 64, 64, generator=torch.Generator().manual_seed(3)).expand(-1, channels, -1, -1)


@pytest.mark.parametrize("kind", [".pth", ".safetensors"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_state_dict_fills_the_backbone(kind: str, channels: int, tmp_path: Path) -> None:
    source, file = lively(), tmp_path / f"weights{kind}"
    (torch.save if kind == ".pth" else save_file)(source.state_dict(), file)
    network = backbone_of(channels).eval()
    head = copy.deepcopy(network.head.state_dict())
    load_weights(network, ARCH, file, pictures())
    with torch.no_grad():
        torch.testing.assert_close(network.backbone(pictures(channels=channels)), source.features(pictures(channels=3)))
    assert all(torch.equal(tensor, head[name]) for name, tensor in network.head.state_dict().items())


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torchvision's network with its batch norms folded away, in a file that OpenVINO reads."""
    file = tmp_path_factory.mktemp("folded") / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(lively(), (pictures(1, 3),), str(file), dynamo=False, opset_version=18)
    return file


@pytest.mark.parametrize("channels", [1, 3])
def test_folded_convolutions_give_what_their_network_gives_for_the_turned_picture(channels: int, folded: Path) -> None:
    """TensorFlow's networks take half of our range, and pad where torch pads in the turned picture."""
    pytest.importorskip("openvino")
    network = backbone_of(channels).eval()
    layers = read_folded(folded)
    assert len(layers) == 52
    x = pictures(channels=channels)
    with torch.no_grad(), one_thread():
        fill_folded(network.backbone, layers, ARCH, folded)
        filled = network.backbone(x)
        wanted = turned_padding(lively()).features((pictures(channels=3) / 2).flip(2, 3)).flip(2, 3)
        torch.testing.assert_close(filled, wanted, atol=1e-3, rtol=1e-3)

        unfold_norms(network.backbone, x)
        torch.testing.assert_close(network.backbone(x), filled, atol=1e-3, rtol=1e-3)
        learning = network.train().backbone(x)
        assert np.corrcoef(learning.flatten(), filled.flatten())[0, 1] > 0.99
    assert network.training


def turned_padding(network: nn.Module) -> nn.Module:
    """Convolutions with stride 2 pad below and on the right, as TensorFlow's."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.padding = (0, 0)
            module.register_forward_pre_hook(lambda _, inputs: (nn.functional.pad(inputs[0], (0, 1, 0, 1)),))
    return network


@pytest.mark.skipif(not TFLITE.is_file(), reason="needs the TFLite file beside the project")
def test_a_real_tflite_file_fills_the_backbone() -> None:
    pytest.importorskip("openvino")
    network = backbone_of()
    x = torch.randn(4, 1, 224, 224).clamp(-2, 2)
    with one_thread():
        load_weights(network, ARCH, TFLITE, x)
        with torch.no_grad():
            features = network.eval().features(x)
    assert features.isfinite().all()
    assert 0 < features.mean() < 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.pth", None, "cannot be read: No such file"),
        ("x.h5", b"x", r"in a \.h5 file cannot be read; give torchvision's"),
        ("x.pth", b"<html>blocked</html>", "cannot be read as weights"),
        ("x.pth", b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.", "cannot be read as weights"),
        ("x.safetensors", b"", "cannot be read as weights"),
        ("x.tflite", b"nothing of the kind", "cannot be read as a network"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    if name.endswith(".tflite"):
        pytest.importorskip("openvino")
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=words) as refusal:
        load_weights(backbone_of(), ARCH, file, pictures())
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_weights_of_another_network_are_refused(folded: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(3, 3)}, file)
    with pytest.raises(ModelError, match=rf"does not fit {ARCH}: .*name the file of weights of this architecture"):
        load_weights(backbone_of(), ARCH, file, pictures())
    torch.save([1], file)
    with pytest.raises(ModelError, match="holds no state dict"):
        load_weights(backbone_of(), ARCH, file, pictures())
    torch.save({}, file)
    with pytest.raises(ModelError, match="does not fit"):
        load_weights(backbone_of(), ARCH, file, pictures())
    with pytest.raises(ModelError, match="steelnet has no backbone"):
        load_weights(architecture("steelnet").build(6), "steelnet", file, pictures())
    pytest.importorskip("openvino")
    other = architecture("mobilenet_v1_010").build(6)
    assert isinstance(other, BackboneNetwork)
    with pytest.raises(ModelError, match=r"convolution 1 is \(32, 1, 3, 3\), in the backbone \(3, 1, 3, 3\)"):
        fill_folded(other.backbone, read_folded(folded), "mobilenet_v1_010", folded)


def test_the_digest_is_recorded(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file(lively().state_dict(), file)
    plan = TrainingPlan(ARCH, epochs=2, input_size=32, pretrained=file)
    result = train(write(tmp_path / "data", 8), plan, tmp_path / "out")
    record = json.loads(result.metrics.read_text())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert record["pretrained"] == {"file": "weights.safetensors", "sha256": digest} == origin_of(file)
    assert f"starting from the weights of weights.safetensors (`{digest[:12]}`)" in result.card.read_text()
    assert (origin_of(True), origin_of(False)) == (True, False)


def test_the_papers_that_fine_tune_start_from_the_weights_in_the_queue(tmp_path: Path) -> None:
    (tmp_path / "w.tflite").touch()
    more = {job.name for job in plan([0], True, {ARCH: tmp_path / "w.tflite"})} - {job.name for job in plan([0], True)}
    assert more == {f"kamel-{ARCH}-paper-pretrained-seed-0"}
    arguments = ["zoo", "status", "--out", str(tmp_path), "--seeds", "0", "--device", "cpu", "--pretrained"]
    assert "pretrained-seed-0: waiting" in CliRunner().invoke(app, [*arguments, f"{ARCH}={tmp_path}/w.tflite"]).stdout
    for wrong in ("w.tflite", f"{ARCH}=nowhere"):
        answer = CliRunner().invoke(app, [*arguments, wrong])
        assert isinstance(answer.exception, ConfigError)
        assert "write ARCH=FILE, with an existing file" in str(answer.exception)
