"""What is to be registered, read and checked before anything is written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelflow.engine import open_engine
from steelflow.errors import ModelError, RegistryError
from steelflow.models.shipped import resolve
from steelflow.models.spec import ModelSpec
from steelflow.registry.version import CARD, CURVES, METRICS, MODEL, WEIGHTS, sha256

_FIGURES = ("images", "accuracy", "macro_f1", "ece", "auc", "recall", "false_alarms")  # the last three: of views


@dataclass(frozen=True, slots=True)
class Candidate:
    """``files`` by their names in the registry; ``record`` is the training's metrics.json, empty if there is none."""

    spec: ModelSpec
    files: Mapping[str, bytes]
    record: Mapping[str, Any]

    @property
    def data_hash(self) -> str | None:
        return self.record.get("data_hash")

    @property
    def figures(self) -> dict[str, Any]:
        """The figures on the images that training held out."""
        held_out = self.record.get("held_out") or {}
        return {name: held_out[name] for name in _FIGURES if held_out.get(name) is not None}


def take_in(source: Path | str) -> Candidate:
    """Read a model and the files beside it.

    Args:
        source: a folder that ``steelflow train`` wrote, the path of an ONNX file, or the name of a shipped model.

    Raises:
        RegistryError: there is no model or more than one, or the files beside it cannot be read.
        ModelError: the ONNX file or the weights are damaged, contradict the spec, or are of different models.
    """
    path = _onnx(Path(source))
    try:
        files = {MODEL: path.read_bytes()}
        for name, suffix in ((WEIGHTS, ".safetensors"), (CARD, ".md"), (CURVES, ".curves.png")):
            with contextlib.suppress(FileNotFoundError):
                files[name] = path.with_suffix(suffix).read_bytes()
        engine = open_engine(path, "onnxruntime")
        if engine.digest != sha256(files[MODEL]):
            raise RegistryError(f"{path}: was replaced while it was being read; run again")
        if WEIGHTS in files:
            _check_weights(path.with_suffix(".safetensors"), engine.spec)
        record, told = _record(path, engine.spec)
    except OSError as exc:
        raise RegistryError(f"{exc.filename or path}: cannot be read: {exc.strerror}; check owner and mode") from exc
    if record:
        files[METRICS] = told
    return Candidate(engine.spec, files, record)


def _onnx(source: Path) -> Path:
    if not source.is_dir():
        return resolve(str(source))
    found = sorted(source.glob("*.onnx"))
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise RegistryError(f"{source}: should hold one model, has {there}; name the .onnx file or train one")
    return found[0]


def _record(onnx: Path, spec: ModelSpec) -> tuple[dict[str, Any], bytes]:
    """The record of this very model, and its file: metrics.json; of a model of views, ``<name>.json``. The folder may
    also have models that were exported later, and other files of such a name."""
    for path in (onnx.with_name(METRICS), onnx.with_suffix(".json")):
        if not path.is_file():
            continue
        try:
            content = path.read_bytes()
            record = json.loads(content)
            if ModelSpec.model_validate(record["model"]) == spec:
                return record, content
        except (ValueError, TypeError, KeyError) as exc:
            if path.name != METRICS:
                continue
            raise RegistryError(f"{path}: is not the record of a training; train again or move the file away") from exc
    return {}, b""


def _check_weights(path: Path, spec: ModelSpec) -> None:
    """Raise unless the weights are of the model with ``spec``: of its architecture, with a head for its classes."""
    try:
        from steelflow.models.deployable import load_torch  # here: torch takes seconds to load
    except ImportError:
        return  # without torch they are not used, and training from them checks them again
    _, theirs = load_torch(path)
    if theirs != spec:
        differing = [name for name in ModelSpec.model_fields if getattr(theirs, name) != getattr(spec, name)]
        raise ModelError(
            f"{path}: is of another model than the .onnx file beside it ({', '.join(differing)} differ); train again"
        )
