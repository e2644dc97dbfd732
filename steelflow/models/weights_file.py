"""Pretrained weights from a file: torchvision's state dict (.pth, .safetensors), or a TFLite classifier.

Nothing in such a file is run: torch reads it with ``weights_only``, and a TFLite file gives its constants alone.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from steelflow.errors import ModelError
from steelflow.models.backbone import stem_of
from steelflow.models.network import Network

_HEADS = ("classifier.", "fc.")
_TF_RANGE = 0.5
"""TensorFlow's classifiers take −1 … 1, ours (``ModelSpec``: mean 0.5, deviation 0.25) −2 … 2."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Folded:
    """A convolution with its batch norm inside: weight (out, in / groups, h, w) and bias (out,)."""

    weight: Array
    bias: Array


def origin_of(pretrained: bool | Path) -> bool | dict[str, str]:
    """For the record: whether weights come from torchvision, or the name and the digest of the file.

    Raises:
        ModelError: there is no such file.
    """
    if isinstance(pretrained, bool):
        return pretrained
    return {"file": pretrained.name, "sha256": digest_of(pretrained)}


def digest_of(file: Path) -> str:
    """SHA-256. Raises ``ModelError`` where there is no such file."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as exc:
        raise ModelError(f"{file}: cannot be read: {exc.strerror}; name a file of weights with --pretrained") from exc


def load_weights(network: Network, arch: str, file: Path, sample: Tensor) -> None:
    """Put the weights of ``file`` into the backbone of ``network``, which is an ``arch``; the head stays.

    A network of one channel gets the sum over the three channels of the first convolution, as ``load_imagenet`` does.

    Args:
        sample: pictures (N, channels, S, S), normalised, on which batch norms that a TFLite file has folded away are
            estimated; see ``unfold_norms``.

    Raises:
        ModelError: the file is missing, damaged, of another kind or of another network.
    """
    backbone = getattr(network, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise ModelError(f"{arch} has no backbone for pretrained weights; train it without --pretrained")
    digest_of(file)
    if file.suffix == ".tflite":
        fill_folded(backbone, read_folded(file), arch, file)
        unfold_norms(backbone, sample)
        return
    state = {k.removeprefix("features."): v for k, v in _state(file).items() if not k.startswith(_HEADS)}
    try:
        if state and stem_of(backbone).in_channels == 1:
            first = next(iter(backbone.state_dict()))
            state[first] = state[first].sum(1, keepdim=True)
        backbone.load_state_dict(_of_first_blocks(state, backbone))
    except (RuntimeError, KeyError, IndexError) as exc:
        raise _unfit(file, arch, " ".join(str(exc).split())[:200]) from exc


def _of_first_blocks(state: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Without the blocks after the last one of ``backbone``, which may be the beginning of the file's network."""
    if not isinstance(backbone, nn.Sequential):
        return state
    blocks = ((name, tensor, name.split(".", 1)[0]) for name, tensor in state.items())
    return {name: tensor for name, tensor, block in blocks if not block.isdigit() or int(block) < len(backbone)}


def _state(file: Path) -> Mapping[str, Tensor]:
    readers = {
        ".safetensors": load_file,
        ".pth": lambda path: torch.load(path, map_location="cpu", weights_only=True),
    }
    if file.suffix not in readers:
        raise ModelError(f"{file}: weights in a {file.suffix or 'nameless'} file cannot be read; give {_KINDS}")
    try:
        state = readers[file.suffix](file)
    except (OSError, RuntimeError, UnpicklingError, EOFError, SafetensorError, ValueError) as exc:
        raise ModelError(f"{file}: cannot be read as weights ({type(exc).__name__}); give {_KINDS}") from exc
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{file}: holds no state dict (names and tensors); give {_KINDS}")
    return state


_KINDS = "torchvision's state dict as .pth or .safetensors, or a .tflite"


def read_folded(file: Path) -> list[Folded]:
    """The convolutions of a network in the order of the computation, with dequantised weights.

    Raises:
        ModelError: the file cannot be read, or OpenVINO, which reads it, is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it tells nobody of its import
    try:
        openvino = import_module("openvino")
    except ImportError as exc:
        raise ModelError(
            f"{file}: reading it needs openvino; install it with `pip install 'steelflow[openvino]'`"
        ) from exc
    core = openvino.Core()
    try:
        model = core.read_model(file)
        outputs = [output for node in model.get_ordered_ops() for output in _constants_of(node)]
        if not outputs:
            raise ModelError(f"{file}: no convolution in it; name the file of a classifier of pictures")
        compiled = core.compile_model(
            openvino.Model(outputs, model.get_parameters()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        found = compiled([np.zeros(tuple(one.shape), one.element_type.to_dtype()) for one in model.inputs])
    except RuntimeError as exc:
        raise ModelError(f"{file}: cannot be read as a network ({type(exc).__name__}); give {_KINDS}") from exc
    arrays = [np.array(found[place], dtype=np.float32) for place in range(len(outputs))]
    return [
        Folded(weight.reshape(-1, *weight.shape[-3:]), bias.reshape(-1))
        for weight, bias in zip(arrays[::2], arrays[1::2], strict=True)
    ]


def _constants_of(node: Any) -> Iterator[Any]:
    """The weight and the bias of a convolution with a bias; nothing of another node. Both depend on constants only."""
    if node.get_type_name() not in ("Convolution", "GroupConvolution"):
        return
    consumers = [target.get_node() for target in node.output(0).get_target_inputs()]
    for sum_ in [consumer for consumer in consumers if consumer.get_type_name() == "Add"][:1]:
        yield node.input_value(1)
        yield next(value for value in sum_.input_values() if value.get_node().get_name() != node.get_name())


@torch.no_grad()
def fill_folded(backbone: nn.Module, layers: list[Folded], arch: str, file: Path) -> None:
    """Put ``layers`` into the convolutions of ``backbone``, whose batch norms then only add the bias.

    TensorFlow pads a map of even size below and on the right alone where the stride is 2, and torch above and on the
    left. Both are the same for a picture turned by 180°, so the kernels are turned: the backbone gives for a picture
    exactly what TensorFlow's gives for the turned one, where all sides at strides are even, as with 224 pixels. With
    kernels as they are its features would correlate by less than a half with TensorFlow's.

    Raises:
        ModelError: the network in the file is another one.
    """
    pairs = list(_convolutions(backbone))
    if len(layers) < len(pairs):
        raise _unfit(file, arch, f"it has {len(layers)} convolutions, the backbone {len(pairs)}")
    for number, ((convolution, norm), layer) in enumerate(zip(pairs, layers, strict=False)):
        weight, wanted = torch.from_numpy(layer.weight).flip(2, 3), tuple(convolution.weight.shape)
        if number == 0:
            weight = _TF_RANGE * (weight.sum(1, keepdim=True) if wanted[1] == 1 else weight)
        if tuple(weight.shape) != wanted:
            raise _unfit(file, arch, f"convolution {number + 1} is {tuple(weight.shape)}, in the backbone {wanted}")
        convolution.weight.copy_(weight)
        norm.running_mean.zero_()  # type: ignore[union-attr]
        norm.running_var.fill_(1.0)  # type: ignore[union-attr]
        norm.weight.fill_((1 + norm.eps) ** 0.5)
        norm.bias.copy_(torch.from_numpy(layer.bias))


@torch.no_grad()
def unfold_norms(backbone: nn.Module, sample: Tensor) -> None:
    """Give batch norms that only add a bias the statistics of their inputs over ``sample`` (N, channels, S, S).

    A norm y = x + b becomes y = σ·(x − μ)/σ + (b + μ) with the mean μ and the deviation σ of its input: the same while
    it uses its statistics, and nearly the same when it learns, from those of a batch.
    """
    statistics: dict[nn.BatchNorm2d, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d), "hooks are on batch norms only"
        statistics[norm] = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3))

    norms = [norm for _, norm in _convolutions(backbone)]
    handles = [norm.register_forward_pre_hook(note) for norm in norms]
    training = backbone.training
    backbone.eval()(sample)
    backbone.train(training)
    for handle in handles:
        handle.remove()
    for norm, (mean, variance) in statistics.items():
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


def _convolutions(backbone: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each with the batch norm that follows it, in the order in which they are registered, which is that of the
    computation in the backbones of the catalogue that are chains."""
    convolution = None
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            convolution = module
        elif isinstance(module, nn.BatchNorm2d) and convolution is not None:
            yield convolution, module
            convolution = None


def _unfit(file: Path, arch: str, why: str) -> ModelError:
    return ModelError(f"{file}: does not fit {arch}: {why}; name the file of weights of this architecture")
