"""Where the candidates are trained: on a node of the Ray cluster, or on this machine.

What travels is the material (hashes and labels), the champion's version and the settings without secrets. The node
reads the images and the champion with its own credentials, and sends the finished candidates back. Lock, trial, gate
and registry stay with the driver. Whatever keeps the nodes from it, the driver trains the candidates itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from steelflow import __version__
from steelflow.config import Settings, load_settings
from steelflow.errors import ClusterError, SteelflowError
from steelflow.executor.assignment import on_node, public
from steelflow.executor.remote import Remote
from steelflow.labels import open_labels
from steelflow.registry import Registry, Version
from steelflow.retrain.candidates import Candidate
from steelflow.retrain.record import Details
from steelflow.retrain.retraining import Learnt, Progress, Request, Retraining, Tell
from steelflow.retrain.strip.candidates import StripCandidate
from steelflow.retrain.workplace import workplace
from steelflow.store import open_store

OneOf = TypeVar("OneOf", Candidate, StripCandidate)
Learn = Callable[[Retraining, Any, Path, Path], list[OneOf]]
"""Trains candidates on material, in a folder, against the champion's ONNX file. A function of a module: it travels."""

_PLACE = "retrain-node"  # below the home of the node


def trained(run: Retraining, material: Learnt, work: Path, champion: Version, learn: Learn[OneOf]) -> list[OneOf]:
    """The candidates in the folder ``work``, the better one first. ``run.details.node`` names the node, if one did it.

    Work that this machine has begun, it goes on with.

    Raises:
        As ``learn``.
    """
    settings = run.settings
    if settings.executor.kind == "ray" and settings.retrain.node != "none" and not any(work.iterdir()):
        errand = Training(__version__, public(settings), run.request, run.details, champion, material, learn)
        gpu = settings.retrain.node == "gpu"
        try:
            with Remote(settings) as remote:
                brought: Brought = remote.carry_out(errand, gpu=gpu, tell=run.tell, progress=run.progress)
        except SteelflowError as exc:
            run.tell(f"the candidates are trained on this machine: {exc}")
        else:
            run.details.node = brought.node
            return [_laid(one, files, work) for one, files in brought.candidates]
    return learn(run, material, work, run.registry.fetch(champion, settings.home / "models"))


@dataclass(frozen=True, slots=True)
class Brought:
    """Candidates, each with the files of its folder by name; ``onnx`` is relative to the workplace."""

    node: str
    candidates: list[tuple[Any, dict[str, bytes]]]


@dataclass(frozen=True, slots=True)
class Training:
    """The errand."""

    steelflow: str
    settings: Settings
    request: Request
    details: Details
    champion: Version
    material: Learnt
    learn: Learn[Any]

    @property
    def stores(self) -> tuple[str, tuple[str, ...]]:
        return self.settings.store.endpoint, (self.settings.labels_uri, self.settings.registry_uri)

    def run(self, tell: Tell, progress: Progress) -> Brought:
        """Train on this node. Its workplace stays if the training fails, so another try here goes on from there."""
        if self.steelflow != __version__:
            raise ClusterError(f"has steelflow {__version__}, the driver has {self.steelflow}; install the same")
        settings = on_node(self.settings, load_settings())
        node = f"{os.uname().nodename}, {_device()}"
        tell(f"training on {node}")
        registry = Registry(open_store(settings.registry_uri, settings.store))
        run = Retraining(
            settings=settings,
            request=self.request,
            registry=registry,
            labels=open_labels(settings),
            tell=tell,
            progress=progress,
            champion=self.champion,
            details=self.details,
        )
        champion = registry.fetch(self.champion, settings.home / "models")
        with workplace(run, self.material, _PLACE) as work:
            return Brought(node, [_packed(one, work) for one in self.learn(run, self.material, work, champion)])


def _device() -> str:
    """``cuda`` only where torch sees a GPU, whatever the node promises to Ray."""
    from steelflow.training.method import best_device

    return best_device().type


def _packed(one: Any, work: Path) -> tuple[Any, dict[str, bytes]]:
    folder = one.onnx.parent
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    return replace(one, onnx=one.onnx.relative_to(work)), files


def _laid(one: Any, files: dict[str, bytes], work: Path) -> Any:
    onnx = work / one.onnx
    draft = work / f"{onnx.parent.name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, content in files.items():
        (draft / name).write_bytes(content)
    draft.rename(onnx.parent)
    return replace(one, onnx=onnx)
