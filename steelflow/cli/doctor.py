"""``steelflow doctor``: whether this installation can work, and what to do if not."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer

from steelflow.archive.template import KeyTemplate
from steelflow.cli.output import Json, emit, settings
from steelflow.config import Settings
from steelflow.engine import open_engine
from steelflow.engine.onnx import available_providers
from steelflow.errors import SteelflowError, StoreError
from steelflow.registry import model_file
from steelflow.service.check import check_prefect
from steelflow.store import Store, open_store
from steelflow.store.embedded import serving
from steelflow.store.local import LocalStore
from steelflow.store.probe import Finding, probe, probe_readonly


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    says: str


def doctor(as_json: Json = False) -> None:
    """Check storage, model, engine, GPU and Prefect, and say what to do about each failure."""
    current = settings()
    checks = [
        _check("archive", lambda: _archive(current)),
        *_reports(current),
        _check("template", lambda: f"{KeyTemplate(current.archive.template).text}"),
        _check("model", lambda: _model(current)),
        _check(
            "engine",
            lambda: (
                f"onnxruntime offers {', '.join(n.removesuffix('ExecutionProvider') for n in available_providers())}"
            ),
        ),
        _check("gpu", _gpu),
        _prefect(current),
    ]
    result: dict[str, Any] = {
        "ok": all(check.ok for check in checks),
        "checks": {check.name: {"ok": check.ok, "says": check.says} for check in checks},
    }
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<18} {check.says}" for check in checks]
    emit(result, as_json, "\n".join(lines))
    if not result["ok"]:
        raise typer.Exit(1)


def _check(name: str, test: Callable[[], str]) -> Check:
    try:
        return Check(name, True, test())
    except SteelflowError as exc:
        return Check(name, False, str(exc))


def _archive(current: Settings) -> str:
    with serving(current) as reached:
        store = open_store(current.archive.uri, reached.store)
        says = _holds(store, current, reached)
        if (wrong := probe_readonly(store)) is not None:
            raise StoreError(wrong)
        return says


def _reports(current: Settings) -> list[Check]:
    """The store of the reports, and whether it does what nights need of it."""
    found: list[Finding] = []

    def test() -> str:
        with serving(current) as reached:
            store = open_store(current.report.uri, reached.store, create=True)
            says = _holds(store, current, reached)
            if isinstance(store, LocalStore) and not store.root.is_dir():
                return f"{says}; the folder will be made by the first night"
            found.extend(probe(store))
            return says

    return [_check("reports", test), *(Check(one.name, one.ok, one.text) for one in found)]


def _holds(store: Store, current: Settings, reached: Settings) -> str:
    first = next(store.folders(), None)
    embedded = " (embedded S3 server)" if reached.store != current.store else ""
    return f"{store.uri} answers{embedded}; {'holds ' + first + '/ …' if first else 'it is empty'}"


def _model(current: Settings) -> str:
    engine = open_engine(model_file(current), current.model.engine)
    spec = engine.spec
    return (
        f"{spec.name} {spec.version}, {len(spec.classes)} classes, {spec.input_size}×{spec.input_size}, "
        f"runs on {engine.name}"
    )


def _gpu() -> str:
    if any(name.startswith(("Tensorrt", "CUDA")) for name in available_providers()):
        return "onnxruntime can use CUDA"
    try:
        import torch
    except ImportError:
        return "not used; torch is not installed, inspection runs on the CPU"
    if torch.cuda.is_available():
        return (
            f"{torch.cuda.get_device_name(0)} through torch; `pip install onnxruntime-gpu` lets onnxruntime use it too"
        )
    return "not found; inspection runs on the CPU"


def _prefect(current: Settings) -> Check:
    """Inspection needs no Prefect: one that is not there is no fault."""
    ok, says = check_prefect(current)
    if not ok and importlib.util.find_spec("prefect") is None:
        return Check("prefect", True, f"not used; {says}, if `steelflow up` shall run here")
    return Check("prefect", ok, says)
