"""``steelflow models begin``: a model of good strip from the plant's own frames, without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steelflow.begin.plan import STEPS, Begin
from steelflow.cli.output import Json, emit, settings, stepping, user
from steelflow.errors import ConfigError
from steelflow.registry import Version, open_registry
from steelflow.store.embedded import serving


def begin_command(  # long: most of it declares the options
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="NIGHTS",
            help="Nights of the archive, such as 2026-11-01..2026-11-03; or a folder, or s3://bucket/prefix.",
        ),
    ],
    lines: Annotated[
        list[str] | None, typer.Option("--lines", "--line", help="Only these lines; repeatable, or with commas.")
    ] = None,
    false_alarms: Annotated[
        str, typer.Option("--false-alarms", metavar="SHARE", help="Share of good views above the threshold.")
    ] = "0.5%",
    pretrained: Annotated[
        Path | None,
        typer.Option(
            "--pretrained", metavar="FILE", help="MobileNetV2's ImageNet weights: .pth, .safetensors, .tflite."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the model, its record and its card.")] = Path("begin"),
    register: Annotated[
        bool, typer.Option("--register", help="Also add it to the registry; `models promote` makes it the champion.")
    ] = False,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps of learning; fewer are faster and less accurate.")
    ] = STEPS,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample and the fit.")] = 0,
    as_json: Json = False,
) -> None:
    """Learn good strip from nights without labels. Most frames should be good; a few per cent may be defective."""
    plan = Begin(
        source=source,
        lines=tuple(name for one in lines or () for name in one.split(",") if name),
        false_alarms=share(false_alarms, "--false-alarms"),
        pretrained=pretrained,
        steps=steps,
        seed=seed,
    )
    try:
        from steelflow.begin.run import begin
    except ImportError as exc:
        raise ConfigError(f"learning needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc

    with serving(settings()) as current:
        with stepping("learning good strip") as step:
            begun = begin(plan, out, current, taught=lambda done: step(done, steps))
        version = None
        if register:
            version = open_registry(current).register(out, who=user(), reason=f"good strip of {source}")
    frames, views = begun.record["frames"], begun.record["views"]
    unread = f" ({frames['failed']:,} could not be read)" if frames["failed"] else ""
    text = (
        f"{frames['read']:,} frames read{unread}; learned good strip from {views['trained']:,} views; "
        f"{views['left_out']:,} ({views['left_out'] / views['trained']:.1%}) of them deviated most and were left out\n"
        f"threshold for {plan.false_alarms:.2%} false alarms, from {views['held_out']:,} views"
        f"{' of other coils' if begun.record['held_out_by_coil'] else ''}\nmodel: {begun.onnx}\n{_next(version, out)}"
    )
    registered = None if version is None else version.version
    emit({"model": str(begun.onnx), "version": registered} | begun.record, as_json, text)


def share(text: str, option: str) -> float:
    """A share as ``0.5%`` or ``0.005``. Raises ``ConfigError`` for anything else."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as exc:
        raise ConfigError(f"{option} {text}: not a share; write it as 0.5% or 0.005") from exc


def _next(version: Version | None, out: Path) -> str:
    if version is None:
        return f"`steelflow models register {out}` adds it to the registry"
    return f"{version.version}: `steelflow models promote {version.version}` makes it the champion"
