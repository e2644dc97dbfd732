"""The zoo: every entry of the catalogue can be trained and run, and is the network of its paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import get_weight, mobilenet_v2, resnet50

from steelflow.engine.onnx import OnnxEngine
from steelflow.errors import ModelError
from steelflow.models import CATALOGUE, Architecture, architecture
from steelflow.models.backbone import BackboneNetwork, for_channels, stem_of
from steelflow.models.casi_net import CoordinateAttention, SelfInteraction
from steelflow.models.cost import flops, parameters
from steelflow.models.deployable import Deployable
from steelflow.models.effnet import effnet_blocks
from steelflow.models.mobilesteelnet import CIEMA
from steelflow.models.network import Network
from steelflow.models.pretrained import WEIGHTS, load_imagenet
from steelflow.models.spec import ModelSpec
from steelflow.training import export
from steelflow.training.loop import one_thread

NAMES = ("a", "b", "c", "d", "e", "f")
# Small, but with several pixels left in the last map. MobileSteelNet works a hundred times as much as the others;
# ResNet-50, untrained, amplifies the errors of float32 the more the fewer pixels its batch norms see.
SIZES = dict.fromkeys(CATALOGUE, 64) | {"mobilesteelnet": 32, "resnet50": 96}
WITH_BACKBONE = (
    "densenet121",
    "mobilenet_v1",
    "mobilenet_v1_010",
    "mobilenet_v1_025",
    "mobilenet_v2_transfer",
    "resnet50",
    "resnet50v2_transfer",
)


@pytest.fixture(autouse=True)
def _on_one_thread() -> Iterator[None]:
    """Several wait for each other longer than they work on networks and pictures this small."""
    with one_thread():
        yield


def settled(network: Network, x: Tensor) -> Network:
    """In evaluation mode, with the statistics of ``x`` in the batch norms: those of a fresh network let the signal of a
    deep one vanish or explode, and then any two implementations agree, or none do."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        network.train()(x)
    return network.eval()


@pytest.mark.parametrize("arch", CATALOGUE)
def test_takes_a_step_exports_and_runs_in_the_engine(arch: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = architecture(arch).build(len(NAMES), SIZES[arch])
    spec = ModelSpec(
        name="m",
        arch=arch,
        classes=NAMES,
        input_size=SIZES[arch],
        embedding_dims=export.embedding_dims(network),
    )
    model = Deployable(network, spec)
    # Pictures that differ as a whole: batch norms amplify small differences, and with them the errors of float32.
    coarse = np.random.default_rng(0).integers(0, 256, (17, 1, 4, 4), dtype=np.uint8)
    images = coarse.repeat(spec.input_size // 4, 2).repeat(spec.input_size // 4, 3)
    pixels = torch.from_numpy(images)
    x = model.normalise(pixels)

    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    nn.functional.cross_entropy(network(x[:4]), torch.tensor([0, 1, 2, 5])).backward()
    torch.optim.SGD(network.parameters(), 0.001).step()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        # The scale of a batch norm before another norm cancels out: it may stand still.
        assert p.ndim == 1 or not torch.equal(p, before[name]), name

    settled(network, x)
    with torch.no_grad():
        features = network.features(x)
        assert network.pooled(features).shape == (17, network.feature_dims)
        assert torch.equal(network(x), network.head(features))

    assert export.export_onnx(model, spec, tmp_path / "m.onnx", images) <= export.TOLERANCE
    engine = OnnxEngine(tmp_path / "m.onnx")
    for count in (1, 2, 17):
        with torch.no_grad():
            logits, embedding = model(pixels[:count])
        outputs = engine.run(images[:count])
        np.testing.assert_allclose(np.log(outputs.probabilities), logits.log_softmax(1), atol=1e-4)
        np.testing.assert_allclose(outputs.embedding, embedding, atol=1e-4)
    assert logits.std(0).min() > 100 * export.TOLERANCE  # pictures differ by more than torch and onnxruntime do


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "steelnett:SteelNet",
            "'steelnett:SteelNet': no module steelflow.models.steelnett; correct the entry, or add it",
        ),
        ("steelnet:Steelnet", "'steelnet:Steelnet': steelflow.models.steelnet has no 'Steelnet'; correct the entry"),
        ("steelnet", "steelflow.models.steelnet has no ''; correct the entry"),
    ],
)
def test_an_entry_of_the_catalogue_that_leads_nowhere_is_refused(entry: str, message: str) -> None:
    with pytest.raises(ModelError, match=f"^catalogue: .*{message}$"):
        Architecture(entry, 100, "").build(6)


def as_keras_counts(network: nn.Module) -> int:
    """Keras has the running mean and variance of batch norms among the parameters, as not trained."""
    statistics = (b for name, b in network.named_buffers() if name.endswith(("running_mean", "running_var")))
    return sum(p.numel() for p in network.parameters()) + sum(b.numel() for b in statistics)


@pytest.mark.parametrize(
    ("arch", "count"),
    [
        ("mobilenet_v1", 3_235_014),
        ("mobilenet_v1_025", 220_086),
        ("mobilenet_v1_010", 40_499),
        ("densenet121", 7_043_654),
        ("resnet50", 23_600_006 - 26_560),  # Keras gives its convolutions biases
    ],
)
def test_parameters_as_keras_counts_them_are_those_of_ssdc_mininets_table(arch: str, count: int) -> None:
    assert as_keras_counts(architecture(arch).build(6, channels=3)) == count


@pytest.mark.parametrize(("arch", "count"), [("mobilenet_v2_transfer", 2_257_984), ("resnet50v2_transfer", 23_564_800)])
def test_backbones_have_the_parameters_that_keras_gives_them(arch: str, count: int) -> None:
    network = architecture(arch).build(6, channels=3)
    assert isinstance(network, BackboneNetwork)
    assert as_keras_counts(network.backbone) == count


@pytest.mark.parametrize(("arch", "count"), [("cost_effective_cnn", 172_102), ("mobilesteelnet", 8_438_535)])
def test_parameters_are_exactly_those_of_the_paper(arch: str, count: int) -> None:
    assert parameters(architecture(arch).build(6, channels=3)) == count


@pytest.mark.parametrize(
    ("arch", "classes", "millions"), [("casi_net", 6, "2.22"), ("effnet", 6, "2.21"), ("resnet50", 1000, "25.56")]
)
def test_parameters_round_to_those_of_casi_nets_table(arch: str, classes: int, millions: str) -> None:
    assert f"{parameters(architecture(arch).build(classes, 300, channels=3)) / 1e6:.2f}" == millions


def test_casi_nets_mobilenet_is_mobilenet_v2() -> None:
    assert f"{sum(p.numel() for p in mobilenet_v2(num_classes=6).parameters()) / 1e6:.2f}" == "2.23"


def test_casi_nets_parts_can_be_left_out() -> None:
    built = {name: architecture(name).build(6) for name in CATALOGUE if name.startswith("casi_net")}
    assert len(built) == 4
    parts = {
        name: [any(isinstance(m, part) for m in network.modules()) for part in (CoordinateAttention, SelfInteraction)]
        for name, network in built.items()
    }
    assert parts == {
        "casi_net": [True, True],
        "casi_net_blfe": [False, False],
        "casi_net_blfe_si": [False, True],
        "casi_net_blfe_ca": [True, False],
    }
    assert parameters(built["casi_net"].head) == 2_102_790
    assert parameters(built["casi_net_blfe_si"]) == parameters(built["casi_net_blfe"])
    assert parameters(built["casi_net_blfe_ca"]) == parameters(built["casi_net"])


def test_casi_nets_maps_have_the_sizes_of_the_paper() -> None:
    x, sizes = torch.zeros(2, 1, 300, 300), []
    with torch.no_grad():
        for block in effnet_blocks(1, nn.ReLU):
            x = block(x)
            sizes.append(tuple(x.shape[1:]))
    assert sizes == [(64, 150, 150), (128, 75, 75), (256, 37, 37)]


def test_coordinate_attention_is_the_papers_with_one_convolution_over_rows_and_columns() -> None:
    torch.manual_seed(0)
    attention = CoordinateAttention(64)
    x = torch.randn(2, 64, 5, 7)
    with torch.no_grad():
        joint = attention.squeeze(torch.cat([x.mean(3), x.mean(2)], 2)[..., None])
        rows, columns = joint.split([5, 7], 2)
        gates = attention.rows(rows) * attention.columns(columns).transpose(2, 3)
        assert gates.shape == x.shape
        torch.testing.assert_close(attention(x), x * gates)


def test_self_interaction_multiplies_each_pixel_by_its_mirror_image() -> None:
    y = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, -1.0], [2.0, 5.0]]]])
    wanted = torch.tensor([[[[1.0, 6.0], [6.0, 16.0]], [[0.0, -2.0], [-2.0, 25.0]]]])
    assert torch.equal(SelfInteraction()(y), wanted)


def test_ciema_treats_each_group_of_channels_by_itself_with_the_same_weights() -> None:
    """Against the equations, group by group."""
    torch.manual_seed(0)
    ciema = CIEMA(32, groups=4, reduction=4).eval()
    x = torch.randn(3, 32, 6, 6)
    with torch.no_grad():
        mlp, mix = ciema.channel.mlp, ciema.channel.mix
        a = torch.sigmoid(mlp(x.mean((2, 3), keepdim=True)) + mlp(x.amax((2, 3), keepdim=True)))
        whole = a * x + (1 - a) * mix(x)
        groups = []
        for u in whole.split(8, 1):
            joint = ciema.direction(torch.cat([u.mean(3), u.mean(2)], 2)[..., None])
            rows, columns = joint.split([6, 6], 2)
            x1 = ciema.norm(u * rows.sigmoid() * columns.transpose(2, 3).sigmoid())
            x2 = ciema.local(u)
            f1, f2 = ciema.scales(x1), ciema.scales(x2)
            s1, s2 = f1.mean((2, 3)).softmax(1), f2.mean((2, 3)).softmax(1)
            weight = torch.einsum("nc,nchw->nhw", s1, f2) + torch.einsum("nc,nchw->nhw", s2, f1)
            groups.append(u * weight.sigmoid()[:, None])
        spatial = torch.cat(groups, 1)
        t = ciema.choose(torch.cat([spatial, ciema.bottleneck(spatial)], 1))
        torch.testing.assert_close(ciema(x), t * whole + (1 - t) * spatial)


class Convolutions(Network):
    feature_dims = 8

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8)
        self.head = nn.Linear(8, 4)

    def features(self, x: Tensor) -> Tensor:
        return self.depthwise(self.dense(x).relu()).mean((2, 3))


def test_flops_are_two_for_each_multiply_accumulate() -> None:
    network = Convolutions()
    assert flops(network, 10) == 2 * (10 * 10 * 8 * 3 * 9 + 5 * 5 * 8 * 25 + 8 * 4)
    assert network.training
    assert network.head.weight.device.type == "cpu"


@pytest.mark.parametrize(
    ("arch", "size", "channels", "giga"),
    [
        ("mobilesteelnet", 224, 3, "58"),
        ("ssdc_mininet", 200, 1, "0.055"),
        ("densenet121", 224, 3, "5.7"),
        ("mobilenet_v1_010", 200, 3, "0.013"),
    ],
)
def test_flops_are_those_that_papers_and_docs_quote(arch: str, size: int, channels: int, giga: str) -> None:
    digits = len(giga.partition(".")[2])
    assert f"{flops(architecture(arch).build(6, size, channels), size) / 1e9:.{digits}f}" == giga


def test_ssdc_mininet_stays_within_the_budget_of_its_paper() -> None:
    for channels in (1, 3):
        network = architecture("ssdc_mininet").build(6, channels=channels)
        assert parameters(network) <= 23_588
        assert flops(network, 200) <= 0.105e9


@pytest.mark.parametrize("arch", WITH_BACKBONE)
def test_backbone_layers_are_all_but_the_head_and_no_parameter_twice(arch: str) -> None:
    network = architecture(arch).build(6)
    assert isinstance(network, BackboneNetwork)
    layers = network.backbone_layers()
    assert len(layers) > 50
    listed = [id(p) for layer in layers for p in layer.parameters()]
    assert len(set(listed)) == len(listed)
    assert set(listed) == {id(p) for p in network.parameters()} - {id(p) for p in network.head.parameters()}


@pytest.mark.parametrize("arch", ["mobilenet_v2_transfer", "resnet50", "densenet121"])
def test_grey_backbones_are_the_colour_ones_on_three_equal_channels(arch: str) -> None:
    torch.manual_seed(0)
    network = architecture(arch).build(6, channels=3)
    assert isinstance(network, BackboneNetwork)
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        wanted = stem_of(network.backbone)(x.expand(-1, 3, -1, -1))
        for_channels(network.backbone, 1)
        torch.testing.assert_close(stem_of(network.backbone)(x), wanted, atol=1e-5, rtol=1e-5)
        assert network.eval()(x).shape == (2, 6)


@pytest.mark.parametrize(("arch", "size"), [("cost_effective_cnn", 16), ("densenet121", 29)])
def test_images_too_small_for_the_poolings_are_refused_and_no_others(arch: str, size: int) -> None:
    with pytest.raises(ModelError, match=f"{arch}: an image of {size - 1} pixels is too small .* use {size} or more"):
        architecture(arch).build(6, size - 1)
    with torch.no_grad():
        assert architecture(arch).build(6, size).eval()(torch.zeros(1, 1, size, size)).shape == (1, 6)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch keeps downloaded weights, empty. Every download fails."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(("arch", "original"), [("mobilenet_v2_transfer", mobilenet_v2), ("resnet50", resnet50)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pretrained_weights_fill_the_backbone(
    arch: str, original: Callable[[], nn.Module], channels: int, hub: Path
) -> None:
    torch.manual_seed(0)
    source = original()
    torch.save(source.state_dict(), hub / Path(get_weight(WEIGHTS[arch]).url).name)
    network = architecture(arch).build(6, channels=channels)
    head = [p.clone() for p in network.head.parameters()]
    load_imagenet(network, arch)
    assert isinstance(network, BackboneNetwork)
    found, wanted = network.backbone.state_dict(), source.state_dict()
    (first, stem), *rest = found.items()
    prefix = "features." if arch == "mobilenet_v2_transfer" else ""
    torch.testing.assert_close(
        stem.expand(-1, 3, -1, -1) if channels == 3 else stem, _summed(wanted[prefix + first], channels)
    )
    assert all(torch.equal(tensor, wanted[prefix + name]) for name, tensor in rest)
    assert len(wanted) == len(found) + 2
    assert all(map(torch.equal, head, network.head.parameters()))


def _summed(weight: Tensor, channels: int) -> Tensor:
    return weight if channels == 3 else weight[:, :1] + weight[:, 1:2] + weight[:, 2:]


def test_pretrained_weights_that_cannot_be_fetched_are_one_readable_line(
    hub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = architecture("resnet50").build(6)
    with pytest.raises(ModelError, match=r"^resnet50: cannot load its ImageNet weights: .*refused.*; train it without"):
        load_imagenet(network, "resnet50", timeout=2)
    assert not list(hub.iterdir())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "content", [b"", b"<html>blocked</html>", b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."]
)
def test_damaged_or_hostile_pretrained_weights_are_a_model_error(content: bytes, hub: Path) -> None:
    (hub / Path(get_weight(WEIGHTS["resnet50"]).url).name).write_bytes(content)
    with pytest.raises(ModelError, match="resnet50: cannot load its ImageNet weights"):
        load_imagenet(architecture("resnet50").build(6), "resnet50")


@pytest.mark.parametrize("arch", ["resnet50v2_transfer", "ssdc_mininet"])
def test_networks_without_pretrained_weights_say_so(arch: str) -> None:
    with pytest.raises(ModelError, match=rf"^{arch}: has no ImageNet weights.* resnet50 .*V1, not V2"):
        load_imagenet(architecture(arch).build(6), arch)
