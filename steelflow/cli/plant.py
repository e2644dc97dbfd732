"""``steelflow synth-strip``: make a synthetic plant of frames."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from steelflow.cli.output import Json, counting, emit
from steelflow.errors import ConfigError
from steelflow.synth import line_names
from steelflow.synth.drawn import busiest, strip_picture
from steelflow.synth.folders import write_file
from steelflow.synth.frame_spec import FRAME_TEMPLATE, FramePlantSpec
from steelflow.synth.frame_truth import truth_files
from steelflow.synth.frames import frame_objects, strip_metres

_SHOWN = 6  # frames of the picture


def synth_strip(
    out: Annotated[Path, typer.Argument(help="New folder for OUT/images, OUT/truth, OUT/frames and OUT/strip.png.")],
    lines: Annotated[int, typer.Option(min=1)] = 2,
    nights: Annotated[int, typer.Option(min=1)] = 3,
    start: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="First night.")] = dt.datetime(2026, 11, 1),
    coils: Annotated[int, typer.Option(min=1, help="Coils per line and night.")] = 4,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each camera per coil.")] = 60,
    across: Annotated[int, typer.Option(min=1, help="Cameras across the strip, above and below it.")] = 2,
    width: Annotated[int, typer.Option(min=32, help="Of a frame, pixels.")] = 1024,
    height: Annotated[int, typer.Option(min=32, help="Of a frame, pixels along the strip.")] = 256,
    mm: Annotated[float, typer.Option(help="Millimetres per pixel.")] = 0.6,
    marked: Annotated[float, typer.Option(min=0, max=1, help="Share of coils with a roll mark.")] = 0.25,
    sharded: Annotated[
        float, typer.Option(min=0, max=1, help="Share of coils stored as tar, tar.gz or zip shards.")
    ] = 0.5,
    broken: Annotated[int, typer.Option(min=0, help="Broken files per line and night.")] = 3,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Generate frames of strip of a synthetic plant, most of them good, with the truth of every defect: its class, its
    place and its pixels."""
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise ConfigError(f"{out}: exists and is not empty; name a new folder")
    spec = FramePlantSpec(
        seed=seed,
        lines=line_names(lines),
        start=start.date(),
        nights=nights,
        coils=coils,
        frames=frames,
        across=across,
        width=width,
        height=height,
        mm=mm,
        marked=marked,
        sharded=sharded,
        broken=broken,
    )
    objects = size = 0
    with counting("photographing") as tick:
        for key, data in frame_objects(spec):
            write_file(out / "images" / key, data)
            objects, size = objects + 1, size + len(data)
            tick(1)
    for path, data in truth_files(spec):
        write_file(out / path, data)
    coil, side, numbers = busiest(spec, _SHOWN)
    write_file(out / "strip.png", strip_picture(spec, coil, side, numbers))
    images = lines * nights * coils * frames * len(spec.eyes)
    result = {"out": str(out), "images": images, "broken": lines * nights * broken, "objects": objects}
    result |= {"metres": round(strip_metres(spec), 3), "bytes": size, "template": FRAME_TEMPLATE, "mm": spec.mm}
    text = (
        f"{images:,} frames and {lines * nights * broken} broken files in {objects:,} objects, "
        f"{strip_metres(spec):.0f} m of strip\n"
        f"archive: {out / 'images'}\ntruth: {out / 'truth'} (defects), {out / 'frames'} (all frames)\n"
        f"a stretch of strip with its defects: {out / 'strip.png'}\n"
        f'to read camera, side, position and time of each frame, set archive.template = "{FRAME_TEMPLATE}"\n'
        f"for places and sizes in millimetres, set frame.mm_across = {spec.mm:g} and frame.mm_along = {spec.mm:g}"
    )
    emit(result, as_json, text)
