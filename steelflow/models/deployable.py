"""A trained network in the form that inspects images, uint8 in, logits and embedding out; and its file.

The file is safetensors: the weights, and in the metadata the spec as JSON and the marks of the images that trained the
model (``seen``). No other file is needed.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from steelflow.errors import ModelError
from steelflow.models import architecture
from steelflow.models.dense import DenseNetwork, pooled_cells
from steelflow.models.network import Network
from steelflow.models.seen import SEEN, Marks, as_text
from steelflow.models.spec import METADATA_KEY, ModelSpec, parse_spec


class Deployable(nn.Module):
    """``network`` between normalisation and embedding, both as ``spec`` says.

    The embedding is the pooled features if their number is the spec's ``embedding_dims``. Otherwise it is a linear
    projection of them. ``training.export.fit_projection`` sets its weights; before, they are arbitrary.
    """

    def __init__(self, network: Network, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self.scale = 1 / (255 * spec.std)
        self.shift = -spec.mean / spec.std
        self.good = tuple(spec.classes.index(name) for name in spec.good)
        self.sharpness = spec.sharpness
        if self.sharpness is not None and not (self.good and isinstance(network, DenseNetwork)):
            raise ModelError(f"{spec.name}: a map needs good classes and a dense network; {spec.arch} has none")
        same = spec.embedding_dims == network.feature_dims
        self.projection = nn.Identity() if same else nn.Linear(network.feature_dims, spec.embedding_dims)

    def normalise(self, image: Tensor) -> Tensor:
        """(pixel / 255 − mean) / std: (N, 1, S, S), 0…255, to float32."""
        return image.float() * self.scale + self.shift

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """uint8 (N, 1, S, S) to logits (N, C) and embedding (N, E), float32. If the spec has a sharpness, also the map
        (N, C, h, w), from which the logits are pooled."""
        features = self.network.features(self.normalise(image))
        embedding = self.projection(self.network.pooled(features))
        if self.sharpness is None or not isinstance(self.network, DenseNetwork):
            return self.network.head(features), embedding
        cells = self.network.head.cells(features)
        return pooled_cells(cells, self.good, self.sharpness), embedding, cells


def save_torch(model: Deployable, spec: ModelSpec, path: Path, learned_from: Marks | None = None) -> None:
    """Write weights and spec to a safetensors file, with the marks of the images that trained the model."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    metadata = {METADATA_KEY: spec.model_dump_json()}
    if learned_from is not None:
        metadata[SEEN] = as_text(learned_from)
    path.write_bytes(_in_order(save(tensors, metadata=metadata)))


def _in_order(file: bytes) -> bytes:
    """The same file with the entries of its metadata in order: safetensors writes several in any order, and equal
    models have equal files. The file begins with the length of its header, then the header as JSON."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors are aligned
    return len(text).to_bytes(8, "little") + text + file[8 + length :]


def load_torch(path: Path) -> tuple[Deployable, ModelSpec]:
    """Read a file of ``save_torch``: the model in evaluation mode on the CPU, and its spec.

    Raises:
        ModelError: no such file, not a steelflow model, or weights that do not fit its architecture.
    """
    try:
        with safe_open(path, framework="pt") as file:
            spec = parse_spec((file.metadata() or {}).get(METADATA_KEY), str(path))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as exc:
        raise ModelError(f"{path}: cannot be read as safetensors: {exc}; train the model again") from exc
    model = Deployable(architecture(spec.arch).build(len(spec.classes), spec.input_size), spec)
    try:
        model.load_state_dict(weights)
    except RuntimeError as exc:
        raise ModelError(
            f"{path}: its weights do not fit {spec.arch!r} with {len(spec.classes)} classes; train the model again"
        ) from exc
    return model.eval(), spec
