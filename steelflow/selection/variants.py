"""Variants of an exported model that may be faster or smaller: float16 weights, bfloat16, int8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steelflow.engine.base import Pictures
from steelflow.engine.onnx import OnnxEngine
from steelflow.engine.openvino import BF16, PRECISION_KEY
from steelflow.errors import ModelError
from steelflow.models.spec import METADATA_KEY, ModelSpec
from steelflow.training.quantise import quantise, scale_of_logits
from steelflow.training.rewrite import with_half_weights, with_metadata

CPU = ["CPUExecutionProvider"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a model and the engines that may be faster with it. ``problem`` says why there is no file."""

    name: str
    path: Path
    engines: tuple[str, ...] = ("onnxruntime", "openvino")
    problem: str | None = None


def make_variants(
    source: Path, images: Pictures, folder: Path, say: Callable[[str], None] = lambda _: None
) -> list[Variant]:
    """Make every known variant of the model at ``source``, as files in ``folder``.

    Each variant has the spec of ``source``, with its own name in the version. Its temperature is adjusted to keep the
    confidence of the probabilities (``scale_of_logits``).

    Args:
        images: uint8 (N, 1, S, S), training images for calibration.
    """
    spec = OnnxEngine(source, CPU).spec
    makers: dict[str, Callable[[Path], None]] = {
        "f16": lambda path: with_half_weights(source, path),
        "bf16": lambda path: with_metadata(source, path, {PRECISION_KEY: BF16}),
        "int8-minmax": lambda path: quantise(source, path, images, "minmax"),
        "int8-percentile": lambda path: quantise(source, path, images, "percentile"),
    }
    variants = []
    for name, make in makers.items():
        say(f"making {name}")
        path, problem = folder / f"{source.stem}.{name}.onnx", None
        try:
            make(path)
            _respecify(source, spec, path, name, images)
        except ModelError as exc:
            problem = str(exc)
        # onnxruntime runs a bfloat16 file in float32, so there is nothing to measure.
        engines = ("openvino",) if name == "bf16" else ("onnxruntime", "openvino")
        variants.append(Variant(name, path, engines, problem))
    return variants


def _respecify(source: Path, spec: ModelSpec, path: Path, name: str, images: Pictures) -> None:
    temperature = spec.temperature * scale_of_logits(source, path, images)
    changed = spec.model_copy(update={"version": f"{spec.version}+{name}", "temperature": temperature})
    with_metadata(path, path, {METADATA_KEY: changed.model_dump_json()})
